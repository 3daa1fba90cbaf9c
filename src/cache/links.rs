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

/// The cached links, ordered by index.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The values are boxed to save memory: nodes of the map are often half empty.
    by_index: BTreeMap<IfIndex, Box<Link>>,
    kinds: KindInterner,
    replaced: HwAddrHistory,
    /// The link that is about to become a port, with its address.
    expected: Option<(IfIndex, Option<HwAddr>)>,
    /// The links that were released since the last batch, with their state after the release.
    released: HashMap<IfIndex, Link>,
    /// The events since the last batch that change no field, by link.
    events: HashMap<IfIndex, LinkChange>,
    journal: Journal<IfIndex, Link>,
}

impl Links {
    /// Iterates over the links in the order of their index.
    pub(crate) fn iter(&self) -> iter::Links<'_> {
        iter::Links(self.by_index.values())
    }

    pub(crate) fn get(&self, ifindex: IfIndex) -> Option<&Link> {
        self.by_index.get(&ifindex).map(Box::as_ref)
    }

    /// Applies a message about a link.
    ///
    /// `inherited` is the address that the link's new master gives to its ports, if any.
    /// `is_enslaved_now` means that the link became a port by the event that this message
    /// announces.
    pub(crate) fn apply(
        &mut self,
        attrs: &LinkAttrs<'_>,
        inherited: Option<HwAddr>,
        is_enslaved_now: bool,
    ) {
        let ifindex = attrs.ifindex;
        if !self.released.is_empty() {
            if let Some(link) = self.released.remove(&ifindex) {
                self.by_index.insert(ifindex, Box::new(link));
            }
        }
        let Some(link) = self.by_index.get_mut(&ifindex) else {
            let mut link = Link::from_attrs(attrs, &mut self.kinds);
            if let Some((_, own)) = self.expected.take_if(|expected| expected.0 == ifindex) {
                link.original_hwaddr = own;
            } else if is_enslaved_now && attrs.hwaddr != inherited {
                link.original_hwaddr = attrs.hwaddr;
            }
            self.by_index.insert(ifindex, Box::new(link));
            return self.journal.record(ifindex, || None, false);
        };
        let original_hwaddr = self.replaced.original_hwaddr(link, attrs, inherited);
        let events = event_flags(attrs.event);
        if events.is_empty() && link.original_hwaddr == original_hwaddr && link.matches(attrs) {
            return;
        }
        let before = Link::clone(link);
        link.update(attrs, &mut self.kinds);
        link.original_hwaddr = original_hwaddr;
        if !events.is_empty() {
            *self.events.entry(ifindex).or_insert(events) |= events;
        }
        self.journal.record(ifindex, || Some(before), !events.is_empty());
    }

    /// Remembers the address of a link that is about to become a port.
    pub(super) fn begin_enslave(&mut self, ifindex: IfIndex, hwaddr: Option<HwAddr>) {
        self.expected = Some((ifindex, hwaddr));
    }

    /// Forgets the address after the command to add the port, whether it succeeded or not.
    pub(super) fn end_enslave(&mut self) {
        self.expected = None;
    }

    /// Stops tracking a link; the message has its final state.
    pub(super) fn release(&mut self, attrs: &LinkAttrs<'_>) {
        if let Some(before) = self.by_index.remove(&attrs.ifindex) {
            let mut link = Link::clone(&before);
            link.update(attrs, &mut self.kinds);
            self.replaced.forget(attrs.ifindex);
            if self.journal.record_released(&attrs.ifindex, *before) {
                self.released.insert(attrs.ifindex, link);
            } else {
                self.events.remove(&attrs.ifindex);
            }
        } else if let Some(link) = self.released.get_mut(&attrs.ifindex) {
            link.update(attrs, &mut self.kinds);
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

    /// Stops or starts recording changes.
    pub(super) fn suspend_journal(&mut self, is_suspended: bool) {
        self.released.clear();
        self.events.clear();
        self.journal.suspend(is_suspended);
    }

    /// See [`Journal::set_stale`].
    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.journal.set_stale(is_stale);
    }

    /// Records that one link was requested, so that events about it may be older than its state.
    pub(super) fn set_link_stale(&mut self, ifindex: IfIndex) {
        self.journal.set_key_stale(ifindex);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<Link>> {
        let (mut released, events) =
            (std::mem::take(&mut self.released), std::mem::take(&mut self.events));
        // A released link is reported even if no field changed, but not if its addition was never
        // reported: then the journal has no entry.
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

/// Returns the flag for a message that announces an event and no change (`IFLA_EVENT`).
fn event_flags(event: u32) -> LinkChange {
    match event {
        IFLA_EVENT_NOTIFY_PEERS => LinkChange::NOTIFY_PEERS,
        IFLA_EVENT_IGMP_RESEND => LinkChange::MCAST_REJOIN,
        _ => LinkChange::empty(),
    }
}

/// The kinds of the links: links of one kind share one string.
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
    fn from_attrs(attrs: &LinkAttrs<'_>, kinds: &mut KindInterner) -> Self {
        let mut link = Self {
            ifindex: attrs.ifindex,
            name: Name::default(),
            hwaddr: None,
            original_hwaddr: if attrs.master.is_none() {
                attrs.hwaddr
            } else {
                attrs.permanent_hwaddr
            },
            master: None,
            flags: attrs.flags,
            carrier: attrs.carrier,
            carrier_changes: attrs.carrier_changes,
            oper_state: attrs.oper_state,
            mtu: attrs.mtu,
            kind: None,
            rare: None,
        };
        link.update(attrs, kinds);
        link
    }

    /// Returns whether [`update`](Self::update) with this message would change nothing.
    fn matches(&self, attrs: &LinkAttrs<'_>) -> bool {
        self.hwaddr == attrs.hwaddr
            && self.master == attrs.master
            && self.flags == attrs.flags
            && self.carrier == attrs.carrier
            && self.carrier_changes == attrs.carrier_changes
            && self.oper_state == attrs.oper_state
            && self.mtu == attrs.mtu
            && self.name == *attrs.name
            && self.kind.as_deref() == attrs.kind.as_deref()
            && self.has_rare_attrs_of(attrs)
    }

    fn has_rare_attrs_of(&self, attrs: &LinkAttrs<'_>) -> bool {
        self.phys_port_id() == attrs.phys_port_id
            && self.alternative_names_os().eq(attrs.alternative_names())
    }

    fn update(&mut self, attrs: &LinkAttrs<'_>, kinds: &mut KindInterner) {
        self.hwaddr = attrs.hwaddr;
        self.master = attrs.master;
        self.flags = attrs.flags;
        self.carrier = attrs.carrier;
        self.carrier_changes = attrs.carrier_changes;
        self.oper_state = attrs.oper_state;
        self.mtu = attrs.mtu;
        replace_name(&mut self.name, attrs.name);
        if self.kind.as_deref() != attrs.kind.as_deref() {
            self.kind = attrs.kind.as_deref().map(|kind| kinds.intern(kind));
        }
        if !self.has_rare_attrs_of(attrs) {
            let rare = RareAttrs {
                phys_port_id: attrs.phys_port_id.map(Box::from),
                alternative_names: attrs.alternative_names().map(Name::from).collect(),
            };
            self.rare = (rare != RareAttrs::default()).then(|| Box::new(rare));
        }
    }
}

/// Sets the name; an unchanged name, which most messages have, costs no allocation.
fn replace_name(name: &mut Name, new: &OsStr) {
    if *name != *new {
        *name = new.into();
    }
}
