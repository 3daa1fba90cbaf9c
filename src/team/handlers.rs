use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::changes::{ChangeKind, Changes};
use crate::error::BoxError;

/// Names a registered change handler; never used twice.
///
/// # Examples
///
/// See [`TeamHandle::remove_handler`](crate::TeamHandle::remove_handler).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// A change handler as it is stored; it gets the whole handle, of type `H`.
pub(crate) type Handler<H> = Box<dyn FnMut(&mut H, &Changes) -> Result<(), BoxError> + Send>;

/// The change handlers in their order, and the batches that wait for them.
pub(crate) struct Handlers<H> {
    slots: VecDeque<Slot<H>>,
    waiting: VecDeque<Changes>,
    delivering: Arc<AtomicBool>,
}

/// A delivery that is under way. It ends when this is dropped, wherever its handlers are by then: one of them may have
/// put another handle in place of its own.
pub(crate) struct Delivery(Arc<AtomicBool>);

impl Drop for Delivery {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

struct Slot<H> {
    id: HandlerId,
    kinds: ChangeKind,
    /// Taken out while it runs, so that it can have the whole handle.
    handler: Option<Handler<H>>,
}

/// How the handlers took what was delivered to them.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) first_error: Option<BoxError>,
    pub(crate) first_panic: Option<Box<dyn Any + Send>>,
}

impl<H> Default for Handlers<H> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), waiting: VecDeque::new(), delivering: Arc::default() }
    }
}

impl<H> Handlers<H> {
    pub(crate) fn add_last(&mut self, kinds: ChangeKind, handler: Handler<H>) -> HandlerId {
        let slot = Slot::new(kinds, handler);
        let id = slot.id;
        self.slots.push_back(slot);
        id
    }

    pub(crate) fn add_first(&mut self, kinds: ChangeKind, handler: Handler<H>) -> HandlerId {
        let slot = Slot::new(kinds, handler);
        let id = slot.id;
        self.slots.push_front(slot);
        id
    }

    /// False if there is no such handler.
    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.id != id);
        self.slots.len() < before
    }

    /// Puts a batch behind those that wait.
    pub(crate) fn queue(&mut self, changes: Changes) {
        self.waiting.push_back(changes);
    }

    /// Starts a delivery; `None` if one is under way further up the stack, which then delivers what waits.
    pub(crate) fn begin(&mut self) -> Option<Delivery> {
        let was_delivering = self.delivering.swap(true, Ordering::Relaxed);
        (!was_delivering).then(|| Delivery(Arc::clone(&self.delivering)))
    }

    pub(crate) fn next_batch(&mut self) -> Option<Changes> {
        self.waiting.pop_front()
    }

    /// The handlers that want one of these kinds, in their order.
    pub(crate) fn wanting(&self, kinds: ChangeKind) -> Vec<HandlerId> {
        self.slots.iter().filter(|slot| slot.kinds.intersects(kinds)).map(|slot| slot.id).collect()
    }

    /// Takes a handler out to run it; `None` if it was removed meanwhile.
    pub(crate) fn take(&mut self, id: HandlerId) -> Option<Handler<H>> {
        self.slots.iter_mut().find(|slot| slot.id == id)?.handler.take()
    }

    /// Puts a handler back after it ran, unless it was removed meanwhile.
    pub(crate) fn put_back(&mut self, id: HandlerId, handler: Handler<H>) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.handler = Some(handler);
        }
    }
}

impl<H> Slot<H> {
    fn new(kinds: ChangeKind, handler: Handler<H>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = HandlerId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, kinds, handler: Some(handler) }
    }
}

impl<H> fmt::Debug for Handlers<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.slots.iter().map(|slot| (slot.id, slot.kinds))).finish()
    }
}
