//! What the handle knows: links, ports and options. Takes decoded messages, tells what they
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
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use links::Links;
use options::Options;
use ports::Ports;

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
    /// Links that showed up without being announced as new. The kernel announces a new link once it
    /// is finished; what it gives up before that goes without a word.
    unconfirmed: BTreeSet<IfIndex>,
    /// The device was deleted. What has its index later is another one.
    gone: bool,
    /// The driver told of the team since its own link was last looked at.
    team_link_stale: bool,
    /// Ports that may have another name than their links: they or their links were told of since
    /// ports were last named.
    renamed_ports: Vec<IfIndex>,
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
            unconfirmed: BTreeSet::new(),
            gone: false,
            team_link_stale: false,
            renamed_ports: Vec::new(),
            links: Links::default(),
            ports: Ports::default(),
            options: Options::default(),
        }
    }

    /// Nothing is told of what becomes known from now on.
    pub(crate) fn suspend_journal(&mut self) {
        self.set_paused(true);
    }

    /// What is known by now is no change: what changes from here on is told.
    pub(crate) fn start_journal(&mut self) {
        self.update_port_names();
        self.set_paused(false);
    }

    fn set_paused(&mut self, is_paused: bool) {
        self.links.pause(is_paused);
        self.ports.pause(is_paused);
        self.options.pause(is_paused);
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

    /// Takes over a link message.
    pub(crate) fn apply_link(&mut self, news: &LinkUpdate<'_>) {
        match news {
            LinkUpdate::New(report) => self.apply_link_attrs(report, true),
            LinkUpdate::Deleted(ifindex) => self.link_removed(*ifindex),
            LinkUpdate::Ignored => {}
        }
    }

    /// Takes over the answer to a question about a link.
    pub(crate) fn apply_link_reply(&mut self, report: &LinkAttrs<'_>) {
        self.apply_link_attrs(report, false);
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
        if report.is_new {
            self.unconfirmed.remove(&report.ifindex);
        } else if is_event
            && self.scope == LinkScope::All
            && self.links.get(report.ifindex).is_none()
        {
            self.unconfirmed.insert(report.ifindex);
        }
        // Before it is a port, a link is not followed: the first event about it is that it became
        // one.
        let is_enslaved_now = is_event && self.scope == LinkScope::Team;
        self.links.apply(report, inherited, is_enslaved_now);
        if self.ports.get(report.ifindex).is_some() {
            self.renamed_ports.push(report.ifindex);
        }
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

    /// The links that showed up unannounced, to be asked for.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = IfIndex> {
        self.unconfirmed.iter().copied()
    }

    /// They were asked for.
    pub(crate) fn clear_unconfirmed(&mut self) {
        self.unconfirmed.clear();
    }

    /// The links to follow: the team's, and those of its ports, whether the driver told of them or
    /// rtnetlink.
    pub(crate) fn tracked_links(&self) -> BTreeSet<IfIndex> {
        let links = self.links.iter().map(Link::ifindex);
        links.chain(self.ports.iter().map(Port::ifindex)).chain([self.team]).collect()
    }

    /// The ports of which the driver told, but rtnetlink did not.
    pub(crate) fn ports_without_link(&self) -> impl Iterator<Item = IfIndex> {
        self.ports.iter().map(Port::ifindex).filter(|port| self.links.get(*port).is_none())
    }

    pub(crate) fn link_removed(&mut self, ifindex: IfIndex) {
        self.unconfirmed.remove(&ifindex);
        self.links.remove(ifindex);
        if ifindex == self.team {
            self.mark_gone();
        }
    }

    /// Takes over an event of the team driver.
    pub(crate) fn apply_team_event(&mut self, report: TeamMessage) {
        if self.gone {
            return;
        }
        self.team_link_stale = true;
        match report {
            TeamMessage::Options(options) => {
                for report in self.with_port_names(options) {
                    self.options.apply(report);
                }
            }
            // Only lists are cut.
            TeamMessage::TruncatedOptions(_) => {}
            TeamMessage::Ports(ports) => {
                for port in &ports {
                    self.ports.apply(port);
                    self.renamed_ports.push(port.port.ifindex);
                    if port.flags.removed {
                        self.options.port_gone(port.port.ifindex);
                    }
                }
            }
        }
    }

    /// Takes over a whole list of ports or options: what is not in it is gone.
    pub(crate) fn apply_team_dump(&mut self, report: TeamMessage) {
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
                    self.options.port_gone(gone);
                }
                self.renamed_ports.extend(self.ports.iter().map(Port::ifindex));
                // Options that are listed after them have their names from the start.
                self.update_port_names();
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

    /// Whether the order of the ports or options is not known, so that they have to be asked for
    /// again.
    pub(crate) fn needs_list_resync(&self) -> bool {
        self.ports.order().is_doubtful() || self.options.order().is_doubtful()
    }

    /// All events that may be older than the last lists were applied.
    pub(crate) fn settle_order(&mut self) {
        self.ports.settle_order();
        self.options.settle_order();
        if self.team_link_stale {
            self.options.find_missing_options(self.ports.iter().map(Port::ifindex));
        }
    }

    /// Whether the options have to be asked for again, as the driver may be able to tell them, or
    /// may not have told all of them.
    pub(crate) fn needs_options_resync(&self) -> bool {
        self.options.is_doubtful()
    }

    /// Says whether the events that are applied from now on may be older than what is known.
    pub(crate) fn set_stale(&mut self, is_stale: bool) {
        self.links.set_stale(is_stale);
        self.ports.set_stale(is_stale);
        self.options.set_stale(is_stale);
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
        self.options.mark_local(id);
    }

    /// Whether the team's own link may be another than is known: its carrier follows the ports, and
    /// while the team is down the kernel sends no message of that.
    pub(crate) fn needs_team_link(&self) -> bool {
        self.team_link_stale && self.team_link().is_some_and(|link| !link.is_admin_up())
    }

    /// The team's own link was looked at, or is up and speaks for itself.
    pub(crate) fn team_link_refreshed(&mut self) {
        self.team_link_stale = false;
    }

    /// Whether there is something to tell.
    pub(crate) fn has_changes(&self) -> bool {
        self.links.has_changes() || self.ports.has_changes() || self.options.has_changes()
    }

    /// Tells what changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        Changes {
            links: self.links.take_changes(),
            ports: self.ports.take_changes(),
            options: self.options.take_changes(),
            resynced: false,
            inconsistent: false,
        }
    }

    /// Gives the ports the names of their links. Either can be the first to arrive, and a link can
    /// be renamed.
    pub(crate) fn update_port_names(&mut self) {
        for ifindex in std::mem::take(&mut self.renamed_ports) {
            let name =
                self.links.get(ifindex).and_then(|link| self.ports.rename(ifindex, &link.name));
            if let Some(name) = name {
                self.options.name_port(ifindex, &name);
            }
        }
    }
}
