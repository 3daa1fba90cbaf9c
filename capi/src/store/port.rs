use std::cell::Cell;
use std::rc::Rc;

use super::Ifinfo;
use crate::batch::PortState;

/// A port: `struct team_port`.
#[derive(Debug)]
pub(crate) struct Port {
    state: Cell<PortState>,
    is_changed: Cell<bool>,
    is_removed: Cell<bool>,
    /// Kept while the port is: a C program never gets NULL for it.
    ifinfo: Rc<Ifinfo>,
}

impl Port {
    pub(super) fn new(ifindex: u32, ifinfo: Rc<Ifinfo>) -> Self {
        Self {
            state: Cell::new(PortState { ifindex, ..PortState::default() }),
            is_changed: Cell::new(false),
            is_removed: Cell::new(false),
            ifinfo,
        }
    }

    pub(super) fn update(&self, state: PortState, is_changed: bool) {
        self.state.set(state);
        self.is_changed.set(is_changed);
    }

    pub(super) fn remove(&self) {
        self.is_removed.set(true);
    }

    pub(super) fn clear_changed(&self) {
        self.is_changed.set(false);
    }

    pub(crate) fn ifindex(&self) -> u32 {
        self.state.get().ifindex
    }

    pub(crate) fn state(&self) -> PortState {
        self.state.get()
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed.get()
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.get()
    }

    pub(crate) fn ifinfo(&self) -> &Rc<Ifinfo> {
        &self.ifinfo
    }
}
