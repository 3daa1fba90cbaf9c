//! What the handle knows: links, ports and options. Applies decoded messages, returns what they
//! changed; no I/O, no bytes.

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

/// The modes that leave a port's hardware address alone.
const MODES_KEEPING_HWADDR: [&str; 3] = [Mode::UNSET, Mode::ACTIVE_BACKUP, Mode::LOAD_BALANCE];

/// All that is known of one team and its namespace.
#[derive(Debug)]
pub(crate) struct Cache {
    team: IfIndex,
    team_name: Name,
    scope: LinkScope,
    /// The device was deleted. What has its index later is another one.
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
        self.set_paused(true);
    }

    /// Starts recording changes, from what is known now.
    pub(crate) fn start_journal(&mut self) {
        self.set_paused(false);
    }

    fn set_paused(&mut self, is_paused: bool) {
        self.links.pause(is_paused);
        self.ports.list.suspend_journal(is_paused);
        self.options.list.suspend_journal(is_paused);
    }

    pub(crate) fn team(&self) -> IfIndex {
        self.team
    }

    /// Which links are kept.
    pub(crate) fn scope(&self) -> LinkScope {
        self.scope
    }

    /// The name of the team device, or its last one.
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

    /// Whether the team device was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// The team's own link.
    pub(crate) fn team_link(&self) -> Option<&Link> {
        self.links.get(self.team).filter(|_| !self.gone)
    }

    /// Takes over a link message, and adds what it leaves to be requested.
    pub(crate) fn apply_link(&mut self, update: &LinkUpdate<'_>, recheck: &mut Recheck) {
        match update {
            LinkUpdate::New(report) => {
                if self.scope == LinkScope::All {
                    self.confirm_link(report, recheck);
                }
                self.apply_link_attrs(report, true);
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

    /// Takes over the answer to a question about a link.
    pub(crate) fn apply_link_reply(&mut self, report: &LinkAttrs<'_>) {
        self.apply_link_attrs(report, false);
    }

    /// The kernel announces a new link as new once it is finished; what it gives up before that
    /// goes without a message.
    fn confirm_link(&self, report: &LinkAttrs<'_>, recheck: &mut Recheck) {
        if report.is_new {
            recheck.links.remove(&report.ifindex);
        } else if self.links.get(report.ifindex).is_none() {
            recheck.links.insert(report.ifindex);
        }
    }

    fn apply_link_attrs(&mut self, report: &LinkAttrs<'_>, is_event: bool) {
        let is_followed = match self.scope {
            LinkScope::All => true,
            LinkScope::Team => {
                !self.gone && (report.ifindex == self.team || report.master == Some(self.team))
            }
        };
        if !is_followed {
            return self.links.release(report);
        }
        let is_team = report.ifindex == self.team && !self.gone;
        let index_reused = is_team && report.kind.as_deref() != Some(Link::TEAM_KIND);
        if index_reused && self.scope == LinkScope::Team {
            return self.link_removed(self.team);
        }
        let is_port_already =
            self.links.get(report.ifindex).is_some_and(|link| link.master().is_some());
        let master = report.master.filter(|_| !is_port_already);
        let inherited = master.and_then(|master| self.inherited_hwaddr(master));
        // Before it is a port, a link is not followed: the first event about it is that it became
        // one.
        let is_enslaved_now = is_event && self.scope == LinkScope::Team;
        self.links.apply(report, inherited, is_enslaved_now);
        self.name_port(report.ifindex);
        if index_reused {
            self.mark_gone();
        } else if is_team {
            self.team_name = report.name.into();
        }
    }

    /// The address that a master gives its new ports. Of our team's mode that is known; others may
    /// do it.
    fn inherited_hwaddr(&self, master: IfIndex) -> Option<HwAddr> {
        let mode = self.options.value(&OptionId::global(names::MODE));
        let keeps_addresses = matches!(mode, Some(OptionValue::String(mode)) if MODES_KEEPING_HWADDR.contains(&&**mode));
        let link = self.links.get(master)?;
        link.hwaddr.filter(|_| master != self.team || !keeps_addresses)
    }

    /// Notes the address of a link that is about to become a port.
    pub(crate) fn begin_enslave(&mut self, ifindex: IfIndex, hwaddr: Option<HwAddr>) {
        self.links.expect(ifindex, hwaddr);
    }

    /// It became one, or did not.
    pub(crate) fn end_enslave(&mut self) {
        self.links.expect_none();
    }

    /// The links to follow: the team's, and those of its ports, whether the driver reported them or
    /// rtnetlink.
    pub(crate) fn tracked_links(&self) -> BTreeSet<IfIndex> {
        let links = self.links.iter().map(Link::ifindex);
        links.chain(self.ports.iter().map(Port::ifindex)).chain([self.team]).collect()
    }

    /// Whether these are the links to follow. Does not allocate: this is asked for each event.
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

    /// The ports that the driver reported, but rtnetlink did not.
    pub(crate) fn ports_without_link(&self) -> impl Iterator<Item = IfIndex> {
        self.ports.iter().map(Port::ifindex).filter(|port| self.links.get(*port).is_none())
    }

    pub(crate) fn link_removed(&mut self, ifindex: IfIndex) {
        self.links.remove(ifindex);
        if ifindex == self.team {
            self.mark_gone();
        }
    }

    /// Takes over an event of the team driver, and adds what it leaves to be requested.
    pub(crate) fn apply_team_event(&mut self, report: TeamMessage, recheck: &mut Recheck) {
        if self.gone {
            return;
        }
        recheck.team_link = true;
        match report {
            TeamMessage::Options(options) => {
                for report in self.with_port_names(options) {
                    self.options.apply(report, recheck);
                }
            }
            // Only lists are cut.
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

    /// Takes over a whole list of ports or options: what is not in it is gone. Adds what it leaves
    /// to be requested.
    pub(crate) fn apply_team_dump(&mut self, report: TeamMessage, recheck: &mut Recheck) {
        if self.gone {
            return;
        }
        match report {
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
                for report in ports {
                    self.name_port(report.port.ifindex);
                }
            }
        }
    }

    /// Options with the names of their ports' links, where those are known.
    fn with_port_names(&self, mut reports: Vec<OptionItem>) -> Vec<OptionItem> {
        // The driver lists them port by port.
        for of_one_port in
            reports.chunk_by_mut(|one, next| one.option.id.port == next.option.id.port)
        {
            let ifindex = of_one_port.first().and_then(|report| report.option.id.port);
            let name = ifindex
                .and_then(|ifindex| self.ports.get(ifindex))
                .and_then(|port| port.name.as_ref());
            for report in of_one_port {
                report.option.port_name = name.cloned();
            }
        }
        reports
    }

    /// Ends a drain: all events that may be older than the last lists were applied. Adds what they
    /// leave to be requested.
    pub(crate) fn end_drain(&mut self, recheck: &mut Recheck) {
        self.ports.list.settle_order();
        self.options.list.settle_order();
        // Without an event of the driver nothing is missing that was not before.
        recheck.options |=
            recheck.team_link && self.options.are_missing_of(self.ports.iter().map(Port::ifindex));
    }

    /// Says whether the events that are applied from now on may be older than what is known.
    pub(crate) fn set_stale(&mut self, is_stale: bool) {
        self.links.set_stale(is_stale);
        self.ports.list.set_stale(is_stale);
        self.options.list.set_stale(is_stale);
    }

    /// Says that one link was asked for by itself, until the next [`set_stale`](Self::set_stale).
    /// What the events say of everything else is as new as ever.
    pub(crate) fn set_link_stale(&mut self, ifindex: IfIndex) {
        self.links.set_link_stale(ifindex);
    }

    /// The device is gone, and with it what the kernel does not announce one by one.
    fn mark_gone(&mut self) {
        self.gone = true;
        self.ports.clear();
        self.options.clear();
    }

    /// Notes that this handle set an option.
    pub(crate) fn mark_local(&mut self, id: &OptionId) {
        self.options.list.mark_local(id);
    }

    /// Whether the team exists and is down: then the kernel announces no carrier of its link.
    pub(crate) fn is_team_down(&self) -> bool {
        self.team_link().is_some_and(|link| !link.is_admin_up())
    }

    /// Whether there is something to report.
    pub(crate) fn has_changes(&self) -> bool {
        self.links.has_changes() || self.ports.list.has_changes() || self.options.list.has_changes()
    }

    /// Tells what changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        Changes {
            links: self.links.take_changes(),
            ports: self.ports.list.take_changes(),
            options: self.options.list.take_changes(),
            resynced: false,
            inconsistent: false,
        }
    }

    /// Gives a port, if it is one, the name of its link. Either can be the first to arrive, and a
    /// link can be renamed.
    fn name_port(&mut self, ifindex: IfIndex) {
        // Of very many links, few are ports.
        if self.ports.get(ifindex).is_none() {
            return;
        }
        let name = self.links.get(ifindex).and_then(|link| self.ports.rename(ifindex, &link.name));
        if let Some(name) = name {
            self.options.name_port(ifindex, &name);
        }
    }
}
