use std::sync::Arc;

use indexmap::IndexMap;

use super::journal::Journal;
use super::order::ListOrder;
use crate::cache::iter;
use crate::changes::Change;
use crate::model::ifindex::IfIndex;
use crate::model::name::Name;
use crate::model::port::Port;
use crate::netlink::codec::team::PortItem;

/// The team's ports, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    by_index: IndexMap<IfIndex, Port>,
    journal: Journal<IfIndex, Port>,
    order: ListOrder<IfIndex>,
}

impl Ports {
    pub(crate) fn iter(&self) -> iter::Ports<'_> {
        iter::Ports(self.by_index.values())
    }

    pub(crate) fn get(&self, ifindex: IfIndex) -> Option<&Port> {
        self.by_index.get(&ifindex)
    }

    /// Takes over what an event says of a port.
    pub(crate) fn apply(&mut self, report: &PortItem) {
        let ifindex = report.port.ifindex;
        let before = self.by_index.get(&ifindex).cloned();
        let name = before.as_ref().and_then(|port| port.name.clone());
        let port = Port { name, ..report.port.clone() };
        if report.flags.removed {
            if self.by_index.shift_remove(&ifindex).is_some() {
                self.order.removed(ifindex);
            }
            self.journal.record_removed(ifindex, || before, Some(port), report.flags.changed);
        } else {
            if self.by_index.insert(ifindex, port).is_none() {
                self.order.added(&ifindex);
            }
            self.journal.record(ifindex, || before, report.flags.changed);
        }
    }

    /// Takes over a whole list, and returns which ports are not in it: they are gone.
    pub(crate) fn replace(&mut self, reports: &[PortItem]) -> Vec<IfIndex> {
        let gone = if self.is_list_of(reports) {
            self.update(reports);
            Vec::new()
        } else {
            self.rebuild(reports)
        };
        self.order.listed();
        gone
    }

    /// Whether these are the ports that there are, in the same order.
    fn is_list_of(&self, reports: &[PortItem]) -> bool {
        self.by_index.len() == reports.len()
            && self.by_index.keys().zip(reports).all(|(ifindex, PortItem { port, flags })| {
                *ifindex == port.ifindex && !flags.removed
            })
    }

    fn update(&mut self, reports: &[PortItem]) {
        for (port, report) in self.by_index.values_mut().zip(reports) {
            let now = Port { name: port.name.clone(), ..report.port.clone() };
            if report.flags.changed || *port != now {
                let before = std::mem::replace(port, now);
                self.journal.record(before.ifindex, || Some(before), report.flags.changed);
            }
        }
    }

    fn rebuild(&mut self, reports: &[PortItem]) -> Vec<IfIndex> {
        let mut old = std::mem::take(&mut self.by_index);
        for report in reports {
            let ifindex = report.port.ifindex;
            if let Some(port) = old.get(&ifindex) {
                self.by_index.insert(ifindex, port.clone());
            }
            self.apply(report);
            old.shift_remove(&ifindex);
        }
        let gone = old.keys().copied().collect();
        for (ifindex, port) in old {
            self.journal.record_removed(ifindex, || Some(port), None, false);
        }
        gone
    }

    pub(crate) fn clear(&mut self) {
        self.replace(&[]);
    }

    /// Takes over the name of the link under a port, and returns it if it is a new one.
    pub(super) fn rename(&mut self, ifindex: IfIndex, name: &Name) -> Option<Arc<Name>> {
        let port =
            self.by_index.get_mut(&ifindex).filter(|port| port.name.as_deref() != Some(name))?;
        self.journal.record(ifindex, || Some(port.clone()), false);
        port.name = Some(Arc::new(name.clone()));
        port.name.clone()
    }

    pub(super) fn order(&self) -> &ListOrder<IfIndex> {
        &self.order
    }

    pub(super) fn settle_order(&mut self) {
        self.order.settle();
    }

    /// Tells nothing of what changes from now on, or again what changes.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.journal.suspend(is_paused);
    }

    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.journal.set_stale(is_stale);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<Port>> {
        self.journal.take(|ifindex| self.by_index.get(ifindex))
    }
}
