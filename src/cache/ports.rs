use std::sync::Arc;

use indexmap::IndexMap;

use super::recheck::Recheck;
use super::tracked::{Store, TrackedList};
use crate::cache::iter;
use crate::model::ifindex::IfIndex;
use crate::model::name::Name;
use crate::model::port::Port;
use crate::netlink::codec::team::PortItem;

/// The team's ports, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    pub(super) list: TrackedList<IndexMap<IfIndex, Port>>,
}

impl Store for IndexMap<IfIndex, Port> {
    type Key = IfIndex;
    type Item = Port;

    fn key(port: &Port) -> &IfIndex {
        &port.ifindex
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &Port> {
        self.values()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Port> {
        self.values_mut()
    }

    fn get(&self, ifindex: &IfIndex) -> Option<&Port> {
        self.get(ifindex)
    }

    fn get_mut(&mut self, ifindex: &IfIndex) -> Option<&mut Port> {
        self.get_mut(ifindex)
    }

    fn insert(&mut self, port: Port) -> bool {
        self.insert(port.ifindex, port).is_none()
    }

    fn remove(&mut self, ifindex: &IfIndex) -> bool {
        self.shift_remove(ifindex).is_some()
    }
}

impl Ports {
    pub(crate) fn iter(&self) -> iter::Ports<'_> {
        iter::Ports(self.list.items().values())
    }

    pub(crate) fn get(&self, ifindex: IfIndex) -> Option<&Port> {
        self.list.items().get(&ifindex)
    }

    /// Applies an event about a port.
    pub(crate) fn apply(&mut self, item: &PortItem, recheck: &mut Recheck) {
        recheck.lists |= self.list.apply(self.with_name(item), item.flags);
    }

    /// Replaces the ports by a complete list, and returns the ports that are not in it any more.
    pub(crate) fn replace(&mut self, items: &[PortItem]) -> Vec<IfIndex> {
        let list = items.iter().map(|item| (self.with_name(item), item.flags)).collect();
        self.list.replace(list)
    }

    /// Returns the port with its cached name, which the driver does not report.
    fn with_name(&self, item: &PortItem) -> Port {
        let name = self.get(item.port.ifindex).and_then(|port| port.name.clone());
        Port { name, ..item.port.clone() }
    }

    pub(crate) fn clear(&mut self) {
        self.replace(&[]);
    }

    /// Sets the name of a port to that of its link, and returns the name if it changed.
    pub(super) fn rename(&mut self, ifindex: IfIndex, name: &Name) -> Option<Arc<Name>> {
        self.get(ifindex).filter(|port| port.name.as_deref() != Some(name))?;
        let name = Arc::new(name.clone());
        self.list.change(&ifindex, |port| port.name = Some(Arc::clone(&name)));
        Some(name)
    }
}
