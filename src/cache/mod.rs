//! The cache of a handle: applies decoded messages to links, ports and options, and returns what
//! changed.
//!
//! The room does no I/O and sees no bytes. It uses the decoded messages of `netlink::codec`, the
//! values of `model`, and `changes`. The sessions in `team` own a [`Cache`]: they give it messages,
//! send the requests that [`Recheck`] collects, and take its [`Changes`].

pub(crate) mod links;
pub(crate) mod options;
pub(crate) mod ports;

#[cfg(any(test, fuzzing))]
mod invariants;
pub(crate) mod iter;
mod journal;
mod option_map;
mod order;
mod original_hwaddr;
pub(crate) mod recheck;
#[cfg(test)]
mod tests;
mod tracked;

use std::collections::BTreeSet;

use links::Links;
use options::Options;
use ports::Ports;
use recheck::Recheck;

use crate::changes::Changes;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::mode::Mode;
use crate::model::name::Name;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::model::port::Port;
use crate::netlink::codec::link::{LinkAttrs, LinkUpdate};
use crate::netlink::codec::team::{OptionItem, TeamMessage};

/// The modes in which a port keeps its hardware address.
const MODES_KEEPING_HWADDR: [&str; 3] = [Mode::UNSET, Mode::ACTIVE_BACKUP, Mode::LOAD_BALANCE];

/// The links, ports and options that a handle knows.
#[derive(Debug)]
pub(crate) struct Cache {
    team: IfIndex,
    team_name: Name,
    scope: LinkScope,
    /// The team was deleted; a link that has its index later is another device.
    gone: bool,
    links: Links,
    ports: Ports,
    options: Options,
}

impl Cache {
    pub(crate) fn new(team: IfIndex, team_name: Name, scope: LinkScope) -> Self {
        Self {
            team,
            team_name,
            scope,
            gone: false,
            links: Links::default(),
            ports: Ports::default(),
            options: Options::default(),
        }
    }

    /// Stops recording changes.
    pub(crate) fn suspend_journal(&mut self) {
        self.set_suspended(true);
    }

    /// Starts recording changes from the current state on.
    pub(crate) fn start_journal(&mut self) {
        self.set_suspended(false);
    }

    fn set_suspended(&mut self, is_suspended: bool) {
        self.links.suspend_journal(is_suspended);
        self.ports.list.suspend_journal(is_suspended);
        self.options.list.suspend_journal(is_suspended);
    }

    pub(crate) fn team(&self) -> IfIndex {
        self.team
    }

    /// Returns which links are tracked.
    pub(crate) fn scope(&self) -> LinkScope {
        self.scope
    }

    /// Returns the name of the team, or the last name of a deleted team.
    pub(crate) fn team_name(&self) -> &Name {
        &self.team_name
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Returns whether the team was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Returns the team's own link, or `None` if the team was deleted.
    pub(crate) fn team_link(&self) -> Option<&Link> {
        self.links.get(self.team).filter(|_| !self.gone)
    }

    /// Applies a link event, and adds to `recheck` what has to be requested because of it.
    pub(crate) fn apply_link(&mut self, update: &LinkUpdate<'_>, recheck: &mut Recheck) {
        match update {
            LinkUpdate::New(attrs) => {
                if self.scope == LinkScope::All {
                    self.confirm_link(attrs, recheck);
                }
                self.apply_link_attrs(attrs, true);
            }
            LinkUpdate::Deleted(ifindex) => {
                if self.scope == LinkScope::All {
                    recheck.links.remove(ifindex);
                }
                self.link_removed(*ifindex);
            }
            LinkUpdate::Ignored => {}
        }
    }

    /// Applies a message about a link from the reply to a request.
    pub(crate) fn apply_link_reply(&mut self, attrs: &LinkAttrs<'_>) {
        self.apply_link_attrs(attrs, false);
    }

    /// Marks an unknown link as to be rechecked until the kernel announces it as new.
    ///
    /// The kernel does so when the link is complete. If the creation of a link fails before that,
    /// the kernel sends no message about its removal.
    fn confirm_link(&self, attrs: &LinkAttrs<'_>, recheck: &mut Recheck) {
        if attrs.is_new {
            recheck.links.remove(&attrs.ifindex);
        } else if self.links.get(attrs.ifindex).is_none() {
            recheck.links.insert(attrs.ifindex);
        }
    }

    fn apply_link_attrs(&mut self, attrs: &LinkAttrs<'_>, is_event: bool) {
        let is_tracked = match self.scope {
            LinkScope::All => true,
            LinkScope::Team => {
                !self.gone && (attrs.ifindex == self.team || attrs.master == Some(self.team))
            }
        };
        if !is_tracked {
            return self.links.release(attrs);
        }
        let is_team = attrs.ifindex == self.team && !self.gone;
        let index_reused = is_team && attrs.kind.as_deref() != Some(Link::TEAM_KIND);
        if index_reused && self.scope == LinkScope::Team {
            return self.link_removed(self.team);
        }
        let is_port_already =
            self.links.get(attrs.ifindex).is_some_and(|link| link.master().is_some());
        let master = attrs.master.filter(|_| !is_port_already);
        let inherited = master.and_then(|master| self.inherited_hwaddr(master));
        // In this scope a link is not tracked before it is a port, so that its first event reports
        // that it became one.
        let is_enslaved_now = is_event && self.scope == LinkScope::Team;
        self.links.apply(attrs, inherited, is_enslaved_now);
        self.name_port(attrs.ifindex);
        if index_reused {
            self.mark_gone();
        } else if is_team {
            self.team_name = attrs.name.into();
        }
    }

    /// Returns the address that a master gives to its new ports, or `None` if it gives none.
    ///
    /// For this team, the mode decides; for any other master, assume that it does.
    fn inherited_hwaddr(&self, master: IfIndex) -> Option<HwAddr> {
        let mode = self.options.value(&OptionId::global(names::MODE));
        let keeps_addresses = matches!(mode, Some(OptionValue::String(mode)) if MODES_KEEPING_HWADDR.contains(&&**mode));
        let link = self.links.get(master)?;
        link.hwaddr.filter(|_| master != self.team || !keeps_addresses)
    }

    /// Remembers the address of a link that is about to become a port.
    pub(crate) fn begin_enslave(&mut self, ifindex: IfIndex, hwaddr: Option<HwAddr>) {
        self.links.begin_enslave(ifindex, hwaddr);
    }

    /// Forgets the address after the command to add the port, whether it succeeded or not.
    pub(crate) fn end_enslave(&mut self) {
        self.links.end_enslave();
    }

    /// Returns the links to track: those of the team and its ports.
    ///
    /// A port is one that the driver or rtnetlink reported.
    pub(crate) fn tracked_links(&self) -> BTreeSet<IfIndex> {
        let links = self.links.iter().map(Link::ifindex);
        links.chain(self.ports.iter().map(Port::ifindex)).chain([self.team]).collect()
    }

    /// Returns whether the tracked links are exactly these. Does not allocate: the session calls this
    /// for each event.
    pub(crate) fn tracks_exactly(&self, links: &BTreeSet<IfIndex>) -> bool {
        let is_tracked = |ifindex: &IfIndex| {
            *ifindex == self.team
                || self.links.get(*ifindex).is_some()
                || self.ports.get(*ifindex).is_some()
        };
        let known = self.links.iter().map(Link::ifindex);
        links.contains(&self.team)
            && links.iter().all(is_tracked)
            && known.chain(self.ports.iter().map(Port::ifindex)).all(|link| links.contains(&link))
    }

    /// Returns the ports that the driver reported, but rtnetlink did not.
    pub(crate) fn ports_without_link(&self) -> impl Iterator<Item = IfIndex> {
        self.ports.iter().map(Port::ifindex).filter(|port| self.links.get(*port).is_none())
    }

    /// Removes a link; if it is the team's own, marks the team as deleted.
    pub(crate) fn link_removed(&mut self, ifindex: IfIndex) {
        self.links.remove(ifindex);
        if ifindex == self.team {
            self.mark_gone();
        }
    }

    /// Applies an event of the team driver, and adds to `recheck` what has to be requested.
    pub(crate) fn apply_team_event(&mut self, message: TeamMessage, recheck: &mut Recheck) {
        if self.gone {
            return;
        }
        recheck.team_link = true;
        match message {
            TeamMessage::Options(options) => {
                for item in self.with_port_names(options) {
                    self.options.apply(item, recheck);
                }
            }
            // Only the reply to a request can be truncated.
            TeamMessage::TruncatedOptions(_) => {}
            TeamMessage::Ports(ports) => {
                for port in &ports {
                    self.ports.apply(port, recheck);
                    self.name_port(port.port.ifindex);
                    if port.flags.removed {
                        self.options.port_gone(port.port.ifindex, recheck);
                    }
                }
            }
        }
    }

    /// Replaces the ports or the options by a list, and adds to `recheck` what has to be requested.
    pub(crate) fn apply_team_dump(&mut self, message: TeamMessage, recheck: &mut Recheck) {
        if self.gone {
            return;
        }
        match message {
            TeamMessage::Options(options) => {
                let options = self.with_port_names(options);
                self.options.replace(options);
            }
            TeamMessage::TruncatedOptions(first) => {
                let options =
                    self.options.merge_known(first, |port| self.ports.get(port).is_some());
                let options = self.with_port_names(options);
                self.options.replace_truncated(options);
            }
            TeamMessage::Ports(ports) => {
                for gone in self.ports.replace(&ports) {
                    self.options.port_gone(gone, recheck);
                }
                for item in ports {
                    self.name_port(item.port.ifindex);
                }
            }
        }
    }

    /// Sets the port names of the options, as far as the names are known.
    fn with_port_names(&self, mut items: Vec<OptionItem>) -> Vec<OptionItem> {
        // The driver lists the options port by port, so look up each port only once.
        for of_one_port in items.chunk_by_mut(|one, next| one.option.id.port == next.option.id.port)
        {
            let ifindex = of_one_port.first().and_then(|item| item.option.id.port);
            let name = ifindex
                .and_then(|ifindex| self.ports.get(ifindex))
                .and_then(|port| port.name.as_ref());
            for item in of_one_port {
                item.option.port_name = name.cloned();
            }
        }
        items
    }

    /// Ends a drain: all events that may be older than the last lists were applied.
    ///
    /// Adds to `recheck` what has to be requested.
    pub(crate) fn end_drain(&mut self, recheck: &mut Recheck) {
        self.ports.list.settle_order();
        self.options.list.settle_order();
        // Options can only have become missing if there was an event of the driver.
        recheck.options |=
            recheck.team_link && self.options.are_missing_of(self.ports.iter().map(Port::ifindex));
    }

    /// Sets whether the events that are applied from now on may be older than the cached state.
    pub(crate) fn set_stale(&mut self, is_stale: bool) {
        self.links.set_stale(is_stale);
        self.ports.list.set_stale(is_stale);
        self.options.list.set_stale(is_stale);
    }

    /// Records that one link was requested, so that events about it may be older than its state.
    ///
    /// This holds until the next call of [`set_stale`](Self::set_stale).
    pub(crate) fn set_link_stale(&mut self, ifindex: IfIndex) {
        self.links.set_link_stale(ifindex);
    }

    /// Marks the team as deleted and removes all ports and options.
    ///
    /// The kernel does not announce the removal of each of them.
    fn mark_gone(&mut self) {
        self.gone = true;
        self.ports.clear();
        self.options.clear();
    }

    /// Records that this handle set an option.
    pub(crate) fn mark_local(&mut self, id: &OptionId) {
        self.options.list.mark_local(id);
    }

    /// Returns whether the team exists and is administratively down.
    ///
    /// The kernel then announces no change of its carrier.
    pub(crate) fn is_team_down(&self) -> bool {
        self.team_link().is_some_and(|link| !link.is_admin_up())
    }

    /// Returns whether there is something to report.
    pub(crate) fn has_changes(&self) -> bool {
        self.links.has_changes() || self.ports.list.has_changes() || self.options.list.has_changes()
    }

    /// Takes the changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Changes {
        Changes {
            links: self.links.take_changes(),
            ports: self.ports.list.take_changes(),
            options: self.options.list.take_changes(),
            resynced: false,
            inconsistent: false,
        }
    }

    /// Copies the name of a link to the port and its options, if the link is a port.
    ///
    /// This is called after each message about the link or the port: either can arrive first, and a
    /// link can be renamed.
    fn name_port(&mut self, ifindex: IfIndex) {
        // Return early: of many links, few are ports.
        if self.ports.get(ifindex).is_none() {
            return;
        }
        let name = self.links.get(ifindex).and_then(|link| self.ports.rename(ifindex, &link.name));
        if let Some(name) = name {
            self.options.name_port(ifindex, &name);
        }
    }
}
