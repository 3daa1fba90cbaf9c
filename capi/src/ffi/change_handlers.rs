//! The change handlers of a C program.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint, c_void};
use std::ops::Bound;
use std::rc::Rc;

use nix::errno::Errno;

use super::guard::{FAILED, export};
use super::handle::Handle;
use super::pointers::Th;
use crate::calls::Call;

/// The function of a change handler.
type HandlerFn = unsafe extern "C" fn(Th, Private, c_uint) -> c_int;

/// `struct team_change_handler`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct ChangeHandler {
    function: Option<HandlerFn>,
    mask: c_uint,
}

/// The argument that a program registers with a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Private(*mut c_void);

/// `const struct team_change_handler *`. The structure is the program's, and is read at each call:
/// it has to stay while the handler is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct HandlerPtr(*const ChangeHandler);

impl HandlerPtr {
    fn get(self) -> Option<ChangeHandler> {
        // SAFETY: the program keeps the structure while the handler is registered, and this is
        // called only then.
        unsafe { self.0.as_ref() }.copied()
    }
}

/// What makes a handler the same one.
type Identity = (HandlerPtr, Private);

/// The registered handlers by their place.
#[derive(Debug, Default)]
pub(super) struct ChangeHandlers {
    by_place: RefCell<BTreeMap<i64, Identity>>,
    first: Cell<i64>,
    last: Cell<i64>,
}

impl ChangeHandlers {
    fn register(&self, identity: Identity, is_head: bool) -> Result<(), Errno> {
        let mut by_place = self.by_place.borrow_mut();
        if by_place.values().any(|registered| *registered == identity) {
            return Err(Errno::EEXIST);
        }
        let place = if is_head {
            self.first.set(self.first.get() - 1);
            self.first.get()
        } else {
            self.last.set(self.last.get() + 1);
            self.last.get()
        };
        by_place.insert(place, identity);
        Ok(())
    }

    fn unregister(&self, identity: Identity) {
        self.by_place.borrow_mut().retain(|_, registered| *registered != identity);
    }

    fn next(&self, after: Bound<i64>) -> Option<(i64, Identity)> {
        let by_place = self.by_place.borrow();
        by_place.range((after, Bound::Unbounded)).next().map(|(place, found)| (*place, *found))
    }

    /// Calls the handlers for one kind of change, in order, until one returns something else than
    /// 0, and returns that.
    ///
    /// Handlers may register and unregister handlers: what is added behind is called, too, and what
    /// was removed is not. Each is called once.
    pub(super) fn call(&self, handle: &Rc<Handle>, call: Call) -> c_int {
        let mut called = Vec::new();
        let mut place = Bound::Unbounded;
        while let Some((next, identity)) = self.next(place) {
            place = Bound::Excluded(next);
            let (pointer, private) = identity;
            let Some(ChangeHandler { function: Some(function), mask }) = pointer.get() else {
                continue;
            };
            let mask = mask & call as c_uint;
            if mask == 0 || called.contains(&identity) {
                continue;
            }
            called.push(identity);
            // SAFETY: the program registered the function for such calls. No borrow of the handle
            // is held: it may call every function of this library.
            let result = unsafe { function(Th::of(handle), private, mask) };
            if result != 0 || handle.is_freed() {
                return result;
            }
        }
        0
    }
}

fn register(th: Th, handler: HandlerPtr, private: Private, is_head: bool) -> c_int {
    let Some(handle) = th.get() else { return FAILED };
    if handler.0.is_null() {
        return FAILED;
    }
    let registered = handle.change_handlers().register((handler, private), is_head);
    registered.map_or_else(|errno| -(errno as c_int), |()| 0)
}

export! {
    /// Registers a handler behind all others.
    fn team_change_handler_register(th: Th, handler: HandlerPtr, private: Private) -> c_int, FAILED, {
        register(th, handler, private, false)
    }
}

export! {
    /// Registers a handler before all others.
    fn team_change_handler_register_head(th: Th, handler: HandlerPtr, private: Private) -> c_int, FAILED, {
        register(th, handler, private, true)
    }
}

export! {
    /// Unregisters a handler, if it is registered.
    fn team_change_handler_unregister(th: Th, handler: HandlerPtr, private: Private), (), {
        if let Some(handle) = th.get() {
            handle.change_handlers().unregister((handler, private));
        }
    }
}
