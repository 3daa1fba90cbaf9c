use std::borrow::Cow;
use std::collections::BTreeMap;

use super::journal::Journal;
use super::original_hwaddr::Replaced;
use crate::changes::Change;
use crate::iter;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::netlink::codec::link::LinkReport;

/// The links of the namespace, by index.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_index: BTreeMap<IfIndex, Link>,
    replaced: Replaced,
    journal: Journal<IfIndex, Link>,
}

impl Links {
    /// All links in the order of their index.
    pub(crate) fn iter(&self) -> iter::Links<'_> {
        iter::Links(self.by_index.values())
    }

    pub(crate) fn get(&self, ifindex: IfIndex) -> Option<&Link> {
        self.by_index.get(&ifindex)
    }

    /// Takes over what a message says of a link. `given` is the address that the link's master, if it has one, gives
    /// its new ports.
    pub(crate) fn apply(&mut self, report: &LinkReport<'_>, given: Option<HwAddr>) {
        let ifindex = report.ifindex;
        let Some(link) = self.by_index.get_mut(&ifindex) else {
            self.by_index.insert(ifindex, Link::from_report(report));
            return self.journal.note(ifindex, || None, false);
        };
        let before = link.clone();
        link.update(report);
        link.original_hwaddr = self.replaced.original_hwaddr(&before, report, given);
        if *link != before {
            self.journal.note(ifindex, || Some(before), false);
        }
    }

    pub(crate) fn remove(&mut self, ifindex: IfIndex) {
        if let Some(link) = self.by_index.remove(&ifindex) {
            self.replaced.forget(ifindex);
            self.journal.note(ifindex, || Some(link), false);
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    /// The links touched since changes were last told.
    pub(super) fn touched(&self) -> impl Iterator<Item = IfIndex> {
        self.journal.keys().copied()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<Link>> {
        self.journal.take(|ifindex| self.by_index.get(ifindex))
    }
}

impl Link {
    fn from_report(report: &LinkReport<'_>) -> Self {
        let mut link = Self {
            ifindex: report.ifindex,
            name: Box::default(),
            hwaddr: None,
            original_hwaddr: if report.master.is_none() { report.hwaddr } else { report.permanent_hwaddr },
            master: None,
            flags: report.flags,
            carrier: report.carrier,
            carrier_changes: report.carrier_changes,
            oper_state: report.oper_state,
            mtu: report.mtu,
            kind: None,
            phys_port_id: None,
            alternative_names: Vec::new(),
        };
        link.update(report);
        link
    }

    fn update(&mut self, report: &LinkReport<'_>) {
        self.hwaddr = report.hwaddr;
        self.master = report.master;
        self.flags = report.flags;
        self.carrier = report.carrier;
        self.carrier_changes = report.carrier_changes;
        self.oper_state = report.oper_state;
        self.mtu = report.mtu;
        replace_text(&mut self.name, &report.name);
        if self.kind.as_deref() != report.kind.as_deref() {
            self.kind = report.kind.as_deref().map(Box::from);
        }
        if self.phys_port_id.as_deref() != report.phys_port_id {
            self.phys_port_id = report.phys_port_id.map(Box::from);
        }
        let known = self.alternative_names.iter().map(|name| &**name);
        if !known.eq(report.alternative_names()) {
            self.alternative_names = report.alternative_names().map(Cow::into_owned).map(Box::from).collect();
        }
    }
}

/// Most messages bring the old text again: that costs no allocation.
fn replace_text(text: &mut Box<str>, new: &str) {
    if **text != *new {
        *text = new.into();
    }
}
