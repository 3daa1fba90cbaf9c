use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::warn;

use crate::changes::{ChangeKind, Changes};
use crate::error::BoxError;
use crate::log_target::EVENTS;
use crate::netlink::ready_fd::{ReadinessRef, ReadyFd, Signal};

/// The maximum number of queued batches, and of batches that one call delivers.
///
/// A call therefore delivers every batch that was queued when it began. When the queue is full, a
/// new batch is joined with the last one.
pub(crate) const MAX_BATCHES: usize = 16;

/// The identifier of a registered change handler, which is never reused.
///
/// # Examples
///
/// See [`TeamHandle::remove_handler`](crate::TeamHandle::remove_handler).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// A stored change handler, which is called with the handle of type `H`.
pub(crate) type Handler<H> = Box<dyn FnMut(&mut H, &Changes) -> Result<(), BoxError> + Send>;

/// The change handlers of a handle, and the queued batches of changes for them.
pub(crate) struct Handlers<H> {
    /// The queue, which is shared with a dispatch in progress.
    ///
    /// A handler may move the handle elsewhere, e.g. with `std::mem::replace`, and neither the
    /// handler itself nor the rest of the batch may be lost then.
    ///
    /// While the lock is held, no code of the caller runs and no value of the caller is dropped.
    queue: Arc<Mutex<Queue<H>>>,
    /// Changes that a call delivered but could not return, and that the next call returns.
    unreturned: Changes,
}

struct Queue<H> {
    /// The handlers in the order in which they are called.
    slots: VecDeque<Slot<H>>,
    /// The batches in the order in which they were taken; the first may be partly delivered.
    batches: VecDeque<Batch>,
    is_dispatching: bool,
    /// Keeps the descriptor readable while batches are queued for a replaced handle.
    signal: Option<Signal>,
}

struct Slot<H> {
    id: HandlerId,
    kinds: ChangeKind,
    /// `None` while the handler runs, so that it can be called with the whole handle.
    handler: Option<Handler<H>>,
}

struct Batch {
    changes: Arc<Changes>,
    /// The handlers that still have to be called.
    ///
    /// At first they are those that were registered for such changes when the batch was taken.
    recipients: VecDeque<HandlerId>,
    /// Whether a call returns the changes, which is the one that began to deliver the batch.
    is_returned: bool,
}

impl<H> Default for Handlers<H> {
    fn default() -> Self {
        let (slots, batches) = (VecDeque::new(), VecDeque::new());
        let queue = Queue { slots, batches, is_dispatching: false, signal: None };
        Self { queue: Arc::new(Mutex::new(queue)), unreturned: Changes::default() }
    }
}

impl<H> Handlers<H> {
    pub(crate) fn add_last(&mut self, kinds: ChangeKind, handler: Handler<H>) -> HandlerId {
        let slot = Slot::new(kinds, handler);
        let id = slot.id;
        lock(&self.queue).slots.push_back(slot);
        id
    }

    pub(crate) fn add_first(&mut self, kinds: ChangeKind, handler: Handler<H>) -> HandlerId {
        let slot = Slot::new(kinds, handler);
        let id = slot.id;
        lock(&self.queue).slots.push_front(slot);
        id
    }

    /// Removes a handler; false if there is no such handler.
    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let removed = lock(&self.queue).remove(id);
        removed.is_some()
    }

    /// Appends a batch to the queue.
    pub(crate) fn push(&mut self, changes: Changes) {
        if !changes.is_empty() {
            lock(&self.queue).push(changes);
        }
    }

    /// Returns whether a call has something to deliver or to return, apart from new changes.
    ///
    /// A dispatch that is in progress delivers the queued batches, so that they do not count.
    pub(crate) fn is_pending(&self) -> bool {
        let queue = lock(&self.queue);
        !self.unreturned.is_empty() || !queue.is_dispatching && !queue.batches.is_empty()
    }

    /// Begins a dispatch, or returns `None` during another one, i.e. inside a handler.
    pub(crate) fn begin(&mut self, readiness: &ReadyFd) -> Option<DispatchGuard<H>> {
        let mut queue = lock(&self.queue);
        if mem::replace(&mut queue.is_dispatching, true) {
            return None;
        }
        queue.signal = None;
        Some(DispatchGuard { queue: Arc::clone(&self.queue), readiness: readiness.reference() })
    }

    /// Keeps changes that cannot be returned, so that the next call returns them.
    pub(crate) fn keep_unreturned(&mut self, changes: Changes) {
        self.unreturned.append(changes);
    }

    pub(crate) fn take_unreturned(&mut self) -> Changes {
        mem::take(&mut self.unreturned)
    }
}

/// A dispatch of batches that is in progress.
pub(crate) struct DispatchGuard<H> {
    queue: Arc<Mutex<Queue<H>>>,
    readiness: ReadinessRef,
}

impl<H> DispatchGuard<H> {
    /// Returns whether these are the handlers to which the batches are dispatched.
    pub(crate) fn is_of(&self, handlers: &Handlers<H>) -> bool {
        Arc::ptr_eq(&self.queue, &handlers.queue)
    }

    /// Returns the first queued batch, and whether the current call has to return its changes.
    pub(crate) fn first_batch(&self) -> Option<(Arc<Changes>, bool)> {
        let mut queue = lock(&self.queue);
        let batch = queue.batches.front_mut()?;
        let was_returned = mem::replace(&mut batch.is_returned, true);
        Some((Arc::clone(&batch.changes), !was_returned))
    }

    /// Takes out the next handler to call for the first batch.
    pub(crate) fn next_handler(&self) -> Option<(HandlerId, Handler<H>)> {
        let mut queue = lock(&self.queue);
        loop {
            let id = queue.batches.front_mut()?.recipients.pop_front()?;
            // There is no slot if the handler was removed after the batch was taken.
            let slot = queue.slots.iter_mut().find(|slot| slot.id == id);
            if let Some(handler) = slot.and_then(|slot| slot.handler.take()) {
                return Some((id, handler));
            }
        }
    }

    /// Puts a handler back after it ran, or returns it if it was removed in the meantime.
    pub(crate) fn put_back(&self, id: HandlerId, handler: Handler<H>) -> Option<Handler<H>> {
        match lock(&self.queue).slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => slot.handler.replace(handler),
            None => Some(handler),
        }
    }

    /// Removes a handler that was taken out.
    pub(crate) fn remove(&self, id: HandlerId) {
        lock(&self.queue).remove(id);
    }

    /// Removes the first batch from the queue if all its recipients were called.
    pub(crate) fn finish_batch(&self) {
        let mut queue = lock(&self.queue);
        if queue.batches.front().is_some_and(|batch| batch.recipients.is_empty()) {
            queue.batches.pop_front();
        }
    }

    /// Ends the dispatch.
    ///
    /// If the handle was moved elsewhere and batches are queued, its descriptor becomes readable.
    /// If the handle was dropped, its handlers are returned, so that the caller drops them one by
    /// one.
    pub(crate) fn end(self, handlers: &Handlers<H>) -> Vec<Handler<H>> {
        let is_in_place = self.is_of(handlers);
        let mut queue = lock(&self.queue);
        queue.is_dispatching = false;
        let mut failure = None;
        if !is_in_place && !queue.batches.is_empty() {
            match self.readiness.signal() {
                Ok(signal) => queue.signal = Some(signal),
                Err(error) => failure = Some(error),
            }
        }
        drop(queue);
        if let Some(error) = failure {
            warn!(
                target: EVENTS,
                "a handle that was replaced inside a handler has queued changes, but its descriptor \
                 cannot be made readable, call handle_events on it: {error}"
            );
        }
        let queue = Arc::into_inner(self.queue)
            .map(|queue| queue.into_inner().unwrap_or_else(PoisonError::into_inner));
        queue.into_iter().flat_map(|queue| queue.slots).filter_map(|slot| slot.handler).collect()
    }
}

impl<H> Queue<H> {
    fn remove(&mut self, id: HandlerId) -> Option<Slot<H>> {
        let position = self.slots.iter().position(|slot| slot.id == id)?;
        self.slots.remove(position)
    }

    fn push(&mut self, changes: Changes) {
        let mut batch =
            Batch { changes: Arc::new(changes), recipients: VecDeque::new(), is_returned: false };
        if self.batches.len() >= MAX_BATCHES {
            if let Some(last) = self.batches.pop_back() {
                let joined =
                    Arc::unwrap_or_clone(last.changes).joined(Arc::unwrap_or_clone(batch.changes));
                batch.changes = Arc::new(joined);
            }
        }
        let kinds = batch.changes.kinds();
        batch.recipients = self
            .slots
            .iter()
            .filter(|slot| slot.kinds.intersects(kinds))
            .map(|slot| slot.id)
            .collect();
        self.batches.push_back(batch);
    }
}

impl<H> Slot<H> {
    fn new(kinds: ChangeKind, handler: Handler<H>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = HandlerId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, kinds, handler: Some(handler) }
    }
}

/// Locks a queue, also after a panic: the code that runs under the lock does not panic.
fn lock<H>(queue: &Mutex<Queue<H>>) -> MutexGuard<'_, Queue<H>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The errors and panics of the handlers during a dispatch.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The name of the team, for the log, once a handler failed.
    team: String,
    first_error: Option<BoxError>,
    first_panic: Option<Payload>,
}

impl Outcome {
    /// Records the error that a handler of this team returned.
    pub(crate) fn failed(&mut self, error: BoxError, team: &str) {
        team.clone_into(&mut self.team);
        match self.first_error {
            None => self.first_error = Some(error),
            Some(_) => self.discard_error(error),
        }
    }

    /// Records that a handler panicked, or a value of a handler when it was dropped.
    pub(crate) fn panicked(&mut self, panic: Payload) {
        if self.first_panic.is_none() {
            self.first_panic = Some(panic);
        } else if let Err(endless) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            // Dropping the payload panicked, and dropping the payload of that panic could do so
            // again without end.
            mem::forget(endless);
        }
    }

    /// Logs and drops an error that is not returned; printing it may panic too.
    fn discard_error(&mut self, error: BoxError) {
        let team = &self.team;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(
            || warn!(target: EVENTS, "{team}: a further error of a change handler: {error}"),
        )) {
            self.panicked(panic);
        }
        self.discard(error);
    }

    /// Drops a value of the caller, which may panic.
    pub(crate) fn discard<T>(&mut self, value: T) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.panicked(panic);
        }
    }

    /// Returns the first panic as `Err`, or else the first error.
    pub(crate) fn into_result(mut self) -> Result<Option<BoxError>, Payload> {
        if self.first_panic.is_some() {
            // Drop the error now: a second panic while the first one unwinds would abort.
            if let Some(error) = self.first_error.take() {
                self.discard_error(error);
            }
        }
        self.first_panic.map_or(Ok(self.first_error), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::testing::log_record::recorded;

    /// An error that panics when it is printed and when it is dropped.
    #[derive(Debug)]
    struct Bomb;

    impl fmt::Display for Bomb {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("printed")
        }
    }

    impl std::error::Error for Bomb {}

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped")
        }
    }

    #[test]
    fn second_error_is_logged() {
        let (result, lines) = recorded(|| {
            let mut outcome = Outcome::default();
            outcome.failed("the first".into(), "team0");
            outcome.failed("the second".into(), "team0");
            outcome.into_result()
        });
        assert_eq!(result.unwrap().unwrap().to_string(), "the first");
        let expected =
            "WARN libteam::events: team0: a further error of a change handler: the second";
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn error_beside_a_panic_is_logged() {
        let (result, lines) = recorded(|| {
            let mut outcome = Outcome::default();
            outcome.failed("the first".into(), "team0");
            outcome.panicked(Box::new("on purpose"));
            outcome.into_result()
        });
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
        let expected =
            "WARN libteam::events: team0: a further error of a change handler: the first";
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn second_error_that_panics_is_a_panic() {
        let (result, _) = recorded(|| {
            let mut outcome = Outcome::default();
            outcome.failed("the first".into(), "team0");
            outcome.failed(Box::new(Bomb), "team0");
            outcome.into_result()
        });
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"printed"));
    }
}
