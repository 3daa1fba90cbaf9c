//! What a C program sees: links, ports and options with stable addresses.
//!
//! Objects are in `Rc`, with cells inside: a C program holds their addresses, reads them at any
//! time, and writes into the buffer of a hardware address. No borrow of the store lasts longer than
//! one method, so that a handler may call every function.

mod bytes;
mod ifinfo;
mod option;
mod port;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use libteam::OptionId;

pub(crate) use self::ifinfo::{Ifinfo, LinkFlag};
pub(crate) use self::option::{Opt, OptType};
pub(crate) use self::port::Port;
use crate::batch::{LinkState, OptionState, PortState};

/// The objects of one handle.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// 0 before `team_init`.
    team: Cell<u32>,
    ifinfos: RefCell<BTreeMap<u32, Rc<Ifinfo>>>,
    /// The oldest first.
    ports: RefCell<Vec<Rc<Port>>>,
    /// The oldest first.
    options: RefCell<IndexMap<OptionId, Rc<Opt>>>,
    /// Where the last object of an iteration over the ports or the options was found.
    port_hint: Cell<usize>,
    option_hint: Cell<usize>,
}

impl Store {
    /// Sets the team's index and makes its own link, without its values.
    pub(crate) fn set_team(&self, ifindex: u32) {
        self.team.set(ifindex);
        self.ifinfo_or_new(ifindex);
    }

    /// The team's own link.
    pub(crate) fn team_ifinfo(&self) -> Option<Rc<Ifinfo>> {
        self.ifinfos.borrow().get(&self.team.get()).cloned()
    }

    pub(crate) fn ifinfo(&self, ifindex: u32) -> Option<Rc<Ifinfo>> {
        self.ifinfos.borrow().get(&ifindex).cloned()
    }

    fn ifinfo_or_new(&self, ifindex: u32) -> Rc<Ifinfo> {
        let mut ifinfos = self.ifinfos.borrow_mut();
        Rc::clone(ifinfos.entry(ifindex).or_insert_with(|| Rc::new(Ifinfo::new(ifindex))))
    }

    /// Takes over the state of a link that is in scope.
    pub(crate) fn put_link(&self, state: &LinkState) {
        self.ifinfo_or_new(state.ifindex).update(state, true);
    }

    /// Takes over the last state of a link that is not a port any more.
    pub(crate) fn release_link(&self, state: &LinkState) {
        if let Some(ifinfo) = self.ifinfo(state.ifindex) {
            ifinfo.update(state, false);
        }
    }

    pub(crate) fn remove_link(&self, ifindex: u32) {
        if let Some(ifinfo) = self.ifinfo(ifindex) {
            ifinfo.remove();
        }
    }

    /// Ends the life of the change flags of all links.
    pub(crate) fn clear_link_changes(&self) {
        self.ifinfos.borrow().values().for_each(|ifinfo| ifinfo.clear_changes());
    }

    /// Drops the links that are neither in scope nor a port's.
    pub(crate) fn drop_unused_links(&self) {
        let team = self.team.get();
        self.ifinfos.borrow_mut().retain(|ifindex, ifinfo| {
            *ifindex == team || ifinfo.is_in_scope() || ifinfo.port().is_some()
        });
    }

    /// A port message arrives: what the last one reported is over.
    pub(crate) fn begin_ports(&self) {
        self.ports.borrow_mut().retain(|port| {
            port.clear_changed();
            if port.is_removed() {
                port.ifinfo().unlink(port);
            }
            !port.is_removed()
        });
        self.drop_unused_links();
    }

    /// Takes over the state of a port.
    pub(crate) fn put_port(&self, state: PortState, is_changed: bool) {
        let known = self.port(state.ifindex).filter(|port| !port.is_removed());
        let port = known.unwrap_or_else(|| {
            let ifinfo = self.ifinfo_or_new(state.ifindex);
            let port = Rc::new(Port::new(state.ifindex, Rc::clone(&ifinfo)));
            ifinfo.link(&port);
            self.ports.borrow_mut().push(Rc::clone(&port));
            port
        });
        port.update(state, is_changed);
    }

    /// Marks a port as removed, with its last state.
    pub(crate) fn remove_port(&self, state: PortState) {
        if let Some(port) = self.port(state.ifindex) {
            port.update(state, true);
            port.remove();
        }
    }

    /// The newest port with this index.
    pub(crate) fn port(&self, ifindex: u32) -> Option<Rc<Port>> {
        self.ports.borrow().iter().rev().find(|port| port.ifindex() == ifindex).cloned()
    }

    /// An option message arrives: what the last one reported is over, and so are options that a
    /// program only looked up.
    pub(crate) fn begin_options(&self) {
        self.options.borrow_mut().retain(|_, option| {
            option.clear_changed();
            option.is_initialized()
        });
    }

    /// Takes over the kernel's value of an option.
    pub(crate) fn put_option(&self, state: &OptionState, is_changed: bool) {
        let mut options = self.options.borrow_mut();
        let option =
            options.entry(state.id.clone()).or_insert_with(|| Rc::new(Opt::new(&state.id)));
        option.update(&state.value, is_changed);
    }

    pub(crate) fn remove_option(&self, id: &OptionId) {
        self.options.borrow_mut().shift_remove(id);
    }

    pub(crate) fn option(&self, id: &OptionId) -> Option<Rc<Opt>> {
        self.options.borrow().get(id).cloned()
    }

    /// Finds an option, or makes one that has no value yet.
    pub(crate) fn option_or_temporary(&self, id: &OptionId) -> Rc<Opt> {
        let mut options = self.options.borrow_mut();
        Rc::clone(options.entry(id.clone()).or_insert_with(|| Rc::new(Opt::new(id))))
    }

    /// Returns the object behind an address that a program passes as an option.
    pub(crate) fn option_at(&self, address: *const Opt) -> Option<Rc<Opt>> {
        let options = self.options.borrow();
        let position = self.position_of(&options, address)?;
        options.get_index(position).map(|(_, option)| Rc::clone(option))
    }

    fn position_of(
        &self,
        options: &IndexMap<OptionId, Rc<Opt>>,
        address: *const Opt,
    ) -> Option<usize> {
        let is_at = |position: &usize| {
            options.get_index(*position).is_some_and(|(_, option)| Rc::as_ptr(option) == address)
        };
        Some(self.option_hint.get())
            .filter(is_at)
            .or_else(|| (0..options.len()).find(is_at))
            .inspect(|position| self.option_hint.set(*position))
    }

    /// Returns the option after this one, or the first: the newest first, and only those that have
    /// a value.
    pub(crate) fn next_option(&self, after: *const Opt) -> Option<Rc<Opt>> {
        let options = self.options.borrow();
        let end = if after.is_null() { options.len() } else { self.position_of(&options, after)? };
        let position = (0..end).rev().find(|position| {
            options.get_index(*position).is_some_and(|(_, option)| option.is_initialized())
        })?;
        self.option_hint.set(position);
        options.get_index(position).map(|(_, option)| Rc::clone(option))
    }

    /// Returns the port after this one, or the first: the newest first.
    pub(crate) fn next_port(&self, after: *const Port) -> Option<Rc<Port>> {
        let ports = self.ports.borrow();
        let is_at =
            |position: &usize| ports.get(*position).is_some_and(|port| Rc::as_ptr(port) == after);
        let end = if after.is_null() {
            ports.len()
        } else {
            Some(self.port_hint.get()).filter(is_at).or_else(|| (0..ports.len()).find(is_at))?
        };
        let position = end.checked_sub(1)?;
        self.port_hint.set(position);
        ports.get(position).cloned()
    }

    /// Returns the link after this one, or the first: the newest first, and only the team's own and
    /// those of ports.
    pub(crate) fn next_ifinfo(&self, after: *const Ifinfo) -> Option<Rc<Ifinfo>> {
        let ifinfos = self.ifinfos.borrow();
        let mut newest_first = ifinfos.iter().rev();
        if !after.is_null() {
            newest_first.find(|(_, ifinfo)| Rc::as_ptr(ifinfo) == after)?;
        }
        newest_first
            .find(|(ifindex, ifinfo)| **ifindex == self.team.get() || ifinfo.port().is_some())
            .map(|(_, ifinfo)| Rc::clone(ifinfo))
    }
}
