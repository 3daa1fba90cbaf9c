use std::cell::{Cell, RefCell};
use std::ffi::c_char;
use std::rc::{Rc, Weak};

use super::Port;
use super::bytes::Buffer;
use crate::batch::LinkState;

/// The kernel's longest hardware address and physical port ID.
const MAX_ADDRESS: usize = 32;
/// `IFNAMSIZ`.
const NAME_SIZE: usize = 16;

/// What of a link changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkFlag {
    Removed = 1,
    HwAddr = 1 << 1,
    HwAddrLen = 1 << 2,
    Name = 1 << 3,
    Master = 1 << 4,
    PhysPortId = 1 << 5,
    PhysPortIdLen = 1 << 6,
    AdminState = 1 << 7,
}

/// A link: `struct team_ifinfo`.
#[derive(Debug, Default)]
pub(crate) struct Ifinfo {
    ifindex: u32,
    name: Buffer<NAME_SIZE>,
    /// A C program writes into it.
    hwaddr: Buffer<MAX_ADDRESS>,
    hwaddr_len: Cell<usize>,
    original_hwaddr: Buffer<MAX_ADDRESS>,
    original_hwaddr_len: Cell<usize>,
    master: Cell<u32>,
    is_admin_up: Cell<bool>,
    phys_port_id: Buffer<MAX_ADDRESS>,
    phys_port_id_len: Cell<usize>,
    changes: Cell<u32>,
    /// The device is gone.
    is_removed: Cell<bool>,
    /// The handle follows the link.
    is_in_scope: Cell<bool>,
    port: RefCell<Weak<Port>>,
}

impl Ifinfo {
    pub(super) fn new(ifindex: u32) -> Self {
        Self { ifindex, ..Self::default() }
    }

    /// Takes over the state of the link. What changed is found by comparison with the buffers: a
    /// program that set a hardware address writes it there itself, and takes a change for another
    /// process's.
    pub(super) fn update(&self, state: &LinkState, is_in_scope: bool) {
        self.is_in_scope.set(is_in_scope);
        if self.is_removed.replace(false) {
            // Another device with the same index: everything that it has is new.
            self.mark_if(!state.name.is_empty(), LinkFlag::Name);
            self.mark_if(!state.hwaddr.is_empty(), LinkFlag::HwAddr);
            self.mark_if(state.master != 0, LinkFlag::Master);
        }
        self.mark_if(self.name.set_text(&state.name), LinkFlag::Name);
        if !state.hwaddr.is_empty() {
            let is_same_len = self.hwaddr_len.replace(state.hwaddr.len()) == state.hwaddr.len();
            self.mark_if(!is_same_len, LinkFlag::HwAddrLen);
            self.mark_if(self.hwaddr.set(&state.hwaddr), LinkFlag::HwAddr);
        }
        self.update_original(state);
        self.mark_if(self.master.replace(state.master) != state.master, LinkFlag::Master);
        self.mark_if(
            self.is_admin_up.replace(state.is_admin_up) != state.is_admin_up,
            LinkFlag::AdminState,
        );
        let length = state.phys_port_id.len();
        self.mark_if(self.phys_port_id_len.replace(length) != length, LinkFlag::PhysPortIdLen);
        self.mark_if(self.phys_port_id.set(&state.phys_port_id), LinkFlag::PhysPortId);
    }

    /// Where the address from before the link had a master is unknown, it is the first that was
    /// seen, as in the C library.
    fn update_original(&self, state: &LinkState) {
        let original = if !state.original_hwaddr.is_empty() {
            &state.original_hwaddr
        } else if self.original_hwaddr_len.get() == 0 || state.master == 0 {
            &state.hwaddr
        } else {
            return;
        };
        self.original_hwaddr.set(original);
        self.original_hwaddr_len.set(original.len().min(MAX_ADDRESS));
    }

    fn mark_if(&self, is_changed: bool, flag: LinkFlag) {
        if is_changed {
            self.changes.set(self.changes.get() | flag as u32);
        }
    }

    /// Whether an update with this state would change anything that the C API shows.
    pub(crate) fn differs_from(&self, state: &LinkState) -> bool {
        let name = state.name.get(..NAME_SIZE - 1).unwrap_or(&state.name);
        self.is_removed.get()
            || self.name.text() != name
            || !state.hwaddr.is_empty() && self.hwaddr() != state.hwaddr
            || self.master.get() != state.master
            || self.is_admin_up.get() != state.is_admin_up
            || self.phys_port_id.get(self.phys_port_id_len.get()) != state.phys_port_id
    }

    pub(super) fn remove(&self) {
        self.is_in_scope.set(false);
        self.is_removed.set(true);
        self.changes.set(LinkFlag::Removed as u32);
    }

    pub(super) fn clear_changes(&self) {
        self.changes.set(0);
    }

    pub(super) fn is_in_scope(&self) -> bool {
        self.is_in_scope.get()
    }

    pub(super) fn link(&self, port: &Rc<Port>) {
        *self.port.borrow_mut() = Rc::downgrade(port);
    }

    /// Forgets the port, unless another one with the same link took its place.
    pub(super) fn unlink(&self, port: &Rc<Port>) {
        let mut current = self.port.borrow_mut();
        if current.ptr_eq(&Rc::downgrade(port)) {
            *current = Weak::new();
        }
    }

    pub(crate) fn port(&self) -> Option<Rc<Port>> {
        self.port.borrow().upgrade()
    }

    pub(crate) fn ifindex(&self) -> u32 {
        self.ifindex
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        self.name.text()
    }

    pub(crate) fn name_ptr(&self) -> *mut c_char {
        self.name.as_ptr()
    }

    pub(crate) fn hwaddr(&self) -> Vec<u8> {
        self.hwaddr.get(self.hwaddr_len.get())
    }

    pub(crate) fn hwaddr_ptr(&self) -> *mut c_char {
        self.hwaddr.as_ptr()
    }

    pub(crate) fn hwaddr_len(&self) -> usize {
        self.hwaddr_len.get()
    }

    pub(crate) fn original_hwaddr_ptr(&self) -> *mut c_char {
        self.original_hwaddr.as_ptr()
    }

    pub(crate) fn original_hwaddr_len(&self) -> usize {
        self.original_hwaddr_len.get()
    }

    /// Writes an address like a C program does, by its pointer.
    #[cfg(test)]
    pub(crate) fn write_hwaddr(&self, address: &[u8]) {
        self.hwaddr.set(address);
    }

    #[cfg(test)]
    pub(crate) fn original_hwaddr(&self) -> Vec<u8> {
        self.original_hwaddr.get(self.original_hwaddr_len.get())
    }

    pub(crate) fn master(&self) -> u32 {
        self.master.get()
    }

    pub(crate) fn is_admin_up(&self) -> bool {
        self.is_admin_up.get()
    }

    pub(crate) fn phys_port_id_ptr(&self) -> *mut c_char {
        self.phys_port_id.as_ptr()
    }

    pub(crate) fn phys_port_id_len(&self) -> usize {
        self.phys_port_id_len.get()
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.get()
    }

    pub(crate) fn has_changed(&self, flag: LinkFlag) -> bool {
        self.changes.get() & flag as u32 != 0
    }

    pub(crate) fn has_any_change(&self) -> bool {
        self.changes.get() != 0
    }
}
