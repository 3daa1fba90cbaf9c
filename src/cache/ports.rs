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

    /// Takes over what an event says of a port.
    pub(crate) fn apply(&mut self, report: &PortItem, recheck: &mut Recheck) {
        recheck.lists |= self.list.apply(self.with_name(report), report.flags);
    }

    /// Takes over a whole list, and returns which ports are not in it: they are gone.
    pub(crate) fn replace(&mut self, reports: &[PortItem]) -> Vec<IfIndex> {
        let list = reports.iter().map(|report| (self.with_name(report), report.flags)).collect();
        self.list.replace(list)
    }

    /// The driver does not report names.
    fn with_name(&self, report: &PortItem) -> Port {
        let name = self.get(report.port.ifindex).and_then(|port| port.name.clone());
        Port { name, ..report.port.clone() }
    }

    pub(crate) fn clear(&mut self) {
        self.replace(&[]);
    }

    /// Takes over the name of the link under a port, and returns it if it is a new one.
    pub(super) fn rename(&mut self, ifindex: IfIndex, name: &Name) -> Option<Arc<Name>> {
        self.get(ifindex).filter(|port| port.name.as_deref() != Some(name))?;
        let name = Arc::new(name.clone());
        self.list.change(&ifindex, |port| port.name = Some(Arc::clone(&name)));
        Some(name)
    }
}
