use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::sync::Arc;

use super::journal::Journal;
use super::original_hwaddr::HwAddrHistory;
use crate::cache::iter;
use crate::changes::{Change, LinkChange};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{Link, RareAttrs};
use crate::model::name::Name;
use crate::netlink::codec::link::{IFLA_EVENT_IGMP_RESEND, IFLA_EVENT_NOTIFY_PEERS, LinkAttrs};

/// The links of the namespace, by index.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Boxed, for the nodes of the map are half empty.
    by_index: BTreeMap<IfIndex, Box<Link>>,
    kinds: KindInterner,
    replaced: HwAddrHistory,
    /// A link that is about to become a port, and its address.
    expected: Option<(IfIndex, Option<HwAddr>)>,
    /// Links that are followed no more since changes were last told, as they left.
    released: HashMap<IfIndex, Link>,
    /// What the kernel told of links since changes were last told, beside what they are now.
    events: HashMap<IfIndex, LinkChange>,
    journal: Journal<IfIndex, Link>,
}

impl Links {
    /// All links in the order of their index.
    pub(crate) fn iter(&self) -> iter::Links<'_> {
        iter::Links(self.by_index.values())
    }

    pub(crate) fn get(&self, ifindex: IfIndex) -> Option<&Link> {
        self.by_index.get(&ifindex).map(Box::as_ref)
    }

    /// Takes over what a message says of a link. `given` is the address that the link's master, if
    /// it has one, gives its new ports. `is_enslaved_now` says that it became a port of that master
    /// by this very message.
    pub(crate) fn apply(
        &mut self,
        report: &LinkAttrs<'_>,
        inherited: Option<HwAddr>,
        is_enslaved_now: bool,
    ) {
        let ifindex = report.ifindex;
        if !self.released.is_empty() {
            if let Some(back) = self.released.remove(&ifindex) {
                self.by_index.insert(ifindex, Box::new(back));
            }
        }
        let Some(link) = self.by_index.get_mut(&ifindex) else {
            let mut link = Link::from_report(report, &mut self.kinds);
            if let Some((_, own)) = self.expected.take_if(|expected| expected.0 == ifindex) {
                link.original_hwaddr = own;
            } else if is_enslaved_now && report.hwaddr != inherited {
                link.original_hwaddr = report.hwaddr;
            }
            self.by_index.insert(ifindex, Box::new(link));
            return self.journal.record(ifindex, || None, false);
        };
        let original_hwaddr = self.replaced.original_hwaddr(link, report, inherited);
        let events = event_flags(report.event);
        if events.is_empty() && link.original_hwaddr == original_hwaddr && link.is_as(report) {
            return;
        }
        let before = Link::clone(link);
        link.update(report, &mut self.kinds);
        link.original_hwaddr = original_hwaddr;
        if !events.is_empty() {
            *self.events.entry(ifindex).or_insert(events) |= events;
        }
        self.journal.record(ifindex, || Some(before), !events.is_empty());
    }

    /// Notes the address of a link that is about to become a port.
    pub(super) fn expect(&mut self, ifindex: IfIndex, hwaddr: Option<HwAddr>) {
        self.expected = Some((ifindex, hwaddr));
    }

    /// It became one, or did not.
    pub(super) fn expect_none(&mut self) {
        self.expected = None;
    }

    /// Follows a link no more; a message says what it was last.
    pub(super) fn release(&mut self, report: &LinkAttrs<'_>) {
        if let Some(before) = self.by_index.remove(&report.ifindex) {
            let mut link = Link::clone(&before);
            link.update(report, &mut self.kinds);
            self.replaced.forget(report.ifindex);
            if self.journal.record_released(&report.ifindex, *before) {
                self.released.insert(report.ifindex, link);
            } else {
                self.events.remove(&report.ifindex);
            }
        } else if let Some(link) = self.released.get_mut(&report.ifindex) {
            link.update(report, &mut self.kinds);
        }
    }

    pub(crate) fn remove(&mut self, ifindex: IfIndex) {
        self.released.remove(&ifindex);
        self.events.remove(&ifindex);
        if let Some(link) = self.by_index.remove(&ifindex) {
            self.replaced.forget(ifindex);
            self.journal.record_removed(ifindex, || Some(*link), None, false);
        }
    }

    /// Tells nothing of what changes from now on, or again what changes.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.released.clear();
        self.events.clear();
        self.journal.suspend(is_paused);
    }

    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.journal.set_stale(is_stale);
    }

    /// Says that one link was asked for by itself: events about that link may be older.
    pub(super) fn set_link_stale(&mut self, ifindex: IfIndex) {
        self.journal.set_key_stale(ifindex);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<Link>> {
        let (mut released, events) =
            (std::mem::take(&mut self.released), std::mem::take(&mut self.events));
        // What left is told even if nothing else of it changed; what came and left meanwhile is
        // nobody's business.
        let changes = self.journal.take(|ifindex| self.by_index.get(ifindex).map(Box::as_ref));
        changes
            .into_iter()
            .map(|change| {
                let ifindex = change.latest().ifindex;
                let flags = events.get(&ifindex).copied().unwrap_or(LinkChange::empty());
                let change = change.with_events(flags);
                match released.remove(&ifindex) {
                    Some(link) => change.released_as(link),
                    None => change,
                }
            })
            .collect()
    }
}

/// What the kernel did with a link when it announced it for that.
fn event_flags(event: u32) -> LinkChange {
    match event {
        IFLA_EVENT_NOTIFY_PEERS => LinkChange::NOTIFY_PEERS,
        IFLA_EVENT_IGMP_RESEND => LinkChange::MCAST_REJOIN,
        _ => LinkChange::empty(),
    }
}

/// The kinds of links that there are: many links share one.
#[derive(Debug, Default)]
struct KindInterner(Vec<Arc<str>>);

impl KindInterner {
    fn intern(&mut self, kind: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| &***known == kind) {
            return Arc::clone(known);
        }
        let new: Arc<str> = kind.into();
        self.0.push(Arc::clone(&new));
        new
    }
}

impl Link {
    fn from_report(report: &LinkAttrs<'_>, kinds: &mut KindInterner) -> Self {
        let mut link = Self {
            ifindex: report.ifindex,
            name: Name::default(),
            hwaddr: None,
            original_hwaddr: if report.master.is_none() {
                report.hwaddr
            } else {
                report.permanent_hwaddr
            },
            master: None,
            flags: report.flags,
            carrier: report.carrier,
            carrier_changes: report.carrier_changes,
            oper_state: report.oper_state,
            mtu: report.mtu,
            kind: None,
            rare: None,
        };
        link.update(report, kinds);
        link
    }

    /// Whether the message brings nothing new, of all that [`update`](Self::update) takes over.
    fn is_as(&self, report: &LinkAttrs<'_>) -> bool {
        self.hwaddr == report.hwaddr
            && self.master == report.master
            && self.flags == report.flags
            && self.carrier == report.carrier
            && self.carrier_changes == report.carrier_changes
            && self.oper_state == report.oper_state
            && self.mtu == report.mtu
            && self.name == *report.name
            && self.kind.as_deref() == report.kind.as_deref()
            && self.has_rare_attrs_of(report)
    }

    fn has_rare_attrs_of(&self, report: &LinkAttrs<'_>) -> bool {
        self.phys_port_id() == report.phys_port_id
            && self.alternative_names_os().eq(report.alternative_names())
    }

    fn update(&mut self, report: &LinkAttrs<'_>, kinds: &mut KindInterner) {
        self.hwaddr = report.hwaddr;
        self.master = report.master;
        self.flags = report.flags;
        self.carrier = report.carrier;
        self.carrier_changes = report.carrier_changes;
        self.oper_state = report.oper_state;
        self.mtu = report.mtu;
        replace_name(&mut self.name, report.name);
        if self.kind.as_deref() != report.kind.as_deref() {
            self.kind = report.kind.as_deref().map(|kind| kinds.intern(kind));
        }
        if !self.has_rare_attrs_of(report) {
            let rare = RareAttrs {
                phys_port_id: report.phys_port_id.map(Box::from),
                alternative_names: report.alternative_names().map(Name::from).collect(),
            };
            self.rare = (rare != RareAttrs::default()).then(|| Box::new(rare));
        }
    }
}

/// Most messages bring the old name again: that costs no allocation.
fn replace_name(name: &mut Name, new: &OsStr) {
    if *name != *new {
        *name = new.into();
    }
}
