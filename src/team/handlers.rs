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

/// The most batches that wait at any time, and the most that one call delivers. So a call delivers
/// every batch that waited when it began. What is taken beyond that number is joined with the last
/// batch that waits.
pub(crate) const MAX_BATCHES: usize = 16;

/// Names a registered change handler; never used twice.
///
/// # Examples
///
/// See [`TeamHandle::remove_handler`](crate::TeamHandle::remove_handler).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// A change handler as it is stored; it gets the whole handle, of type `H`.
pub(crate) type Handler<H> = Box<dyn FnMut(&mut H, &Changes) -> Result<(), BoxError> + Send>;

/// The change handlers of a handle, and the batches of changes that wait for them.
pub(crate) struct Handlers<H> {
    /// Shared with a delivery that is under way: a handler may move the handle elsewhere, with
    /// `std::mem::replace` for instance, and the handler itself and the rest of the batch must not
    /// be lost by that. Nothing of the caller's runs, and nothing of the caller's is dropped, while
    /// the lock is held.
    queue: Arc<Mutex<Queue<H>>>,
    /// What a call delivered, but could not return: the next call returns it.
    unreturned: Changes,
}

struct Queue<H> {
    /// The handlers in the order in which they are called.
    slots: VecDeque<Slot<H>>,
    /// The batches in the order in which they were taken. The first may be partly delivered.
    batches: VecDeque<Batch>,
    is_delivering: bool,
    /// Set while batches wait for a handle that was replaced by one of its handlers.
    signal: Option<Signal>,
}

struct Slot<H> {
    id: HandlerId,
    kinds: ChangeKind,
    /// Taken out while it runs, so that it can have the whole handle.
    handler: Option<Handler<H>>,
}

struct Batch {
    changes: Arc<Changes>,
    /// The handlers that were registered for such changes when the batch was taken, and have not
    /// got it yet.
    recipients: VecDeque<HandlerId>,
    /// The call that began to deliver it returns the changes.
    is_returned: bool,
}

impl<H> Default for Handlers<H> {
    fn default() -> Self {
        let (slots, batches) = (VecDeque::new(), VecDeque::new());
        let queue = Queue { slots, batches, is_delivering: false, signal: None };
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

    /// Puts a batch behind those that wait.
    pub(crate) fn push(&mut self, changes: Changes) {
        if !changes.is_empty() {
            lock(&self.queue).push(changes);
        }
    }

    /// Whether a call has something to deliver or to return, apart from new changes. While a
    /// delivery is under way, what waits is left to that.
    pub(crate) fn is_pending(&self) -> bool {
        let queue = lock(&self.queue);
        !self.unreturned.is_empty() || !queue.is_delivering && !queue.batches.is_empty()
    }

    /// Begins a delivery; `None` if one is under way, as inside a handler.
    pub(crate) fn begin(&mut self, readiness: &ReadyFd) -> Option<Delivery<H>> {
        let mut queue = lock(&self.queue);
        if mem::replace(&mut queue.is_delivering, true) {
            return None;
        }
        queue.signal = None;
        Some(Delivery { queue: Arc::clone(&self.queue), readiness: readiness.reference() })
    }

    /// Keeps changes that cannot be returned now for the next call.
    pub(crate) fn keep_unreturned(&mut self, changes: Changes) {
        self.unreturned.append(changes);
    }

    pub(crate) fn take_unreturned(&mut self) -> Changes {
        mem::take(&mut self.unreturned)
    }
}

/// A delivery of batches that is under way.
pub(crate) struct Delivery<H> {
    queue: Arc<Mutex<Queue<H>>>,
    readiness: ReadinessRef,
}

impl<H> Delivery<H> {
    /// Whether these are the handlers of the handle whose batches are delivered.
    pub(crate) fn is_of(&self, handlers: &Handlers<H>) -> bool {
        Arc::ptr_eq(&self.queue, &handlers.queue)
    }

    /// The first batch that waits, and whether this is the call to return its changes.
    pub(crate) fn first_batch(&self) -> Option<(Arc<Changes>, bool)> {
        let mut queue = lock(&self.queue);
        let batch = queue.batches.front_mut()?;
        let was_returned = mem::replace(&mut batch.is_returned, true);
        Some((Arc::clone(&batch.changes), !was_returned))
    }

    /// Takes out the next handler that the first batch is for.
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

    /// Puts a handler back after it ran; gives it back if it was removed in the meantime.
    pub(crate) fn put_back(&self, id: HandlerId, handler: Handler<H>) -> Option<Handler<H>> {
        match lock(&self.queue).slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => slot.handler.replace(handler),
            None => Some(handler),
        }
    }

    /// Removes a handler that is taken out.
    pub(crate) fn remove(&self, id: HandlerId) {
        lock(&self.queue).remove(id);
    }

    /// Takes the first batch from the queue if every handler has got it.
    pub(crate) fn finish_batch(&self) {
        let mut queue = lock(&self.queue);
        if queue.batches.front().is_some_and(|batch| batch.recipients.is_empty()) {
            queue.batches.pop_front();
        }
    }

    /// Ends the delivery. If the handle was moved elsewhere and batches wait, its descriptor
    /// becomes readable; if the handle was dropped, the handlers are returned, to be dropped one by
    /// one.
    pub(crate) fn end(self, handlers: &Handlers<H>) -> Vec<Handler<H>> {
        let is_in_place = self.is_of(handlers);
        let mut queue = lock(&self.queue);
        queue.is_delivering = false;
        let mut failure = None;
        if !is_in_place && !queue.batches.is_empty() {
            match self.readiness.signal() {
                Ok(signal) => queue.signal = Some(signal),
                Err(error) => failure = Some(error),
            }
        }
        drop(queue);
        if let Some(error) = failure {
            warn!(target: EVENTS, "a handle that was replaced inside a handler cannot be made readable: {error}");
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

/// A panic leaves no queue half changed: nothing that runs under the lock panics.
fn lock<H>(queue: &Mutex<Queue<H>>) -> MutexGuard<'_, Queue<H>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// How the handlers took what was delivered to them.
#[derive(Default)]
pub(crate) struct Outcome {
    first_error: Option<BoxError>,
    first_panic: Option<Payload>,
}

impl Outcome {
    /// Notes the error that a handler returned.
    pub(crate) fn failed(&mut self, error: BoxError) {
        match self.first_error {
            None => self.first_error = Some(error),
            Some(_) => self.discard_error(error),
        }
    }

    /// Notes that a handler panicked, or something of a handler when it was dropped.
    pub(crate) fn panicked(&mut self, panic: Payload) {
        if self.first_panic.is_none() {
            self.first_panic = Some(panic);
        } else if let Err(endless) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            // The payload of a panic in the drop of a payload: to drop that too could go on without
            // end.
            mem::forget(endless);
        }
    }

    /// Logs and drops an error that is not returned. Its text may panic as well.
    fn discard_error(&mut self, error: BoxError) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(
            || warn!(target: EVENTS, "a change handler failed: {error}"),
        )) {
            self.panicked(panic);
        }
        self.discard(error);
    }

    /// Drops something of the caller's, which may panic.
    pub(crate) fn discard<T>(&mut self, value: T) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.panicked(panic);
        }
    }

    /// The first error, or else the first panic that there was.
    pub(crate) fn into_result(mut self) -> Result<Option<BoxError>, Payload> {
        if self.first_panic.is_some() {
            // Dropped now, not while the panic unwinds: a second panic then would end the process.
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

    /// An error whose text and whose drop panic.
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
            outcome.failed("the first".into());
            outcome.failed("the second".into());
            outcome.into_result()
        });
        assert_eq!(result.unwrap().unwrap().to_string(), "the first");
        assert_eq!(lines, ["WARN libteam::events: a change handler failed: the second"]);
    }

    #[test]
    fn error_beside_a_panic_is_logged() {
        let (result, lines) = recorded(|| {
            let mut outcome = Outcome::default();
            outcome.failed("the first".into());
            outcome.panicked(Box::new("on purpose"));
            outcome.into_result()
        });
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(lines, ["WARN libteam::events: a change handler failed: the first"]);
    }

    #[test]
    fn second_error_that_panics_is_a_panic() {
        let (result, _) = recorded(|| {
            let mut outcome = Outcome::default();
            outcome.failed("the first".into());
            outcome.failed(Box::new(Bomb));
            outcome.into_result()
        });
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"printed"));
    }
}
