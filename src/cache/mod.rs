//! What the handle knows: links, ports and options. Takes decoded messages, tells what they changed; no I/O, no bytes.

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
use crate::netlink::codec::link::{LinkNews, LinkReport};
use crate::netlink::codec::team::{OptionReport, Report};

/// The modes that leave a port's hardware address alone.
const KEEP_ADDRESSES: [&str; 3] = [Mode::UNSET, Mode::ACTIVE_BACKUP, Mode::LOAD_BALANCE];

/// All that is known of one team and its namespace.
#[derive(Debug)]
pub(crate) struct Cache {
    team: IfIndex,
    team_name: Name,
    scope: LinkScope,
    /// Links that showed up without being announced as new. The kernel announces a new link once it is finished; what it
    /// gives up before that goes without a word.
    unannounced: BTreeSet<IfIndex>,
    /// The device was deleted. What has its index later is another one.
    gone: bool,
    /// The driver told of the team since its own link was last looked at.
    stirred: bool,
    /// Ports that may have another name than their links: they or their links were told of since ports were last named.
    unnamed: Vec<IfIndex>,
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
            unannounced: BTreeSet::new(),
            gone: false,
            stirred: false,
            unnamed: Vec::new(),
            links: Links::default(),
            ports: Ports::default(),
            options: Options::default(),
        }
    }

    /// Nothing is told of what becomes known from now on.
    pub(crate) fn pause(&mut self) {
        self.set_paused(true);
    }

    /// What is known by now is no change: what changes from here on is told.
    pub(crate) fn resume(&mut self) {
        self.name_ports();
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
    pub(crate) fn apply_link(&mut self, news: &LinkNews<'_>) {
        match news {
            LinkNews::Present(report) => self.link_told(report, true),
            LinkNews::Removed(ifindex) => self.link_removed(*ifindex),
            LinkNews::Irrelevant => {}
        }
    }

    /// Takes over the answer to a question about a link.
    pub(crate) fn link_present(&mut self, report: &LinkReport<'_>) {
        self.link_told(report, false);
    }

    fn link_told(&mut self, report: &LinkReport<'_>, is_event: bool) {
        let is_followed = match self.scope {
            LinkScope::All => true,
            LinkScope::Team => !self.gone && (report.ifindex == self.team || report.master == Some(self.team)),
        };
        if !is_followed {
            return self.links.leave(report);
        }
        let is_team = report.ifindex == self.team && !self.gone;
        let is_usurped = is_team && report.kind.as_deref() != Some(Link::TEAM_KIND);
        if is_usurped && self.scope == LinkScope::Team {
            return self.link_removed(self.team);
        }
        let is_port_already = self.links.get(report.ifindex).is_some_and(|link| link.master().is_some());
        let master = report.master.filter(|_| !is_port_already);
        let given = master.and_then(|master| self.address_given_by(master));
        if report.is_announced {
            self.unannounced.remove(&report.ifindex);
        } else if is_event && self.scope == LinkScope::All && self.links.get(report.ifindex).is_none() {
            self.unannounced.insert(report.ifindex);
        }
        // Before it is a port, a link is not followed: the first event about it is that it became one.
        let is_enslaved_now = is_event && self.scope == LinkScope::Team;
        self.links.apply(report, given, is_enslaved_now);
        if self.ports.get(report.ifindex).is_some() {
            self.unnamed.push(report.ifindex);
        }
        if is_usurped {
            self.team_gone();
        } else if is_team {
            self.team_name = report.name.into();
        }
    }

    /// The address that a master gives its new ports. Of our team's mode that is known; others may do it.
    fn address_given_by(&self, master: IfIndex) -> Option<HwAddr> {
        let mode = self.options.value(&OptionId::global(names::MODE));
        let keeps_addresses = matches!(mode, Some(OptionValue::String(mode)) if KEEP_ADDRESSES.contains(&&**mode));
        let link = self.links.get(master)?;
        link.hwaddr.filter(|_| master != self.team || !keeps_addresses)
    }

    /// Notes the address of a link that is about to become a port.
    pub(crate) fn expect_port(&mut self, ifindex: IfIndex, hwaddr: Option<HwAddr>) {
        self.links.expect(ifindex, hwaddr);
    }

    /// It became one, or did not.
    pub(crate) fn expect_no_port(&mut self) {
        self.links.expect_none();
    }

    /// The links that showed up unannounced, to be asked for.
    pub(crate) fn unannounced(&self) -> impl Iterator<Item = IfIndex> {
        self.unannounced.iter().copied()
    }

    /// They were asked for.
    pub(crate) fn all_announced(&mut self) {
        self.unannounced.clear();
    }

    /// The links to follow: the team's, and those of its ports, whether the driver told of them or rtnetlink.
    pub(crate) fn followed(&self) -> BTreeSet<IfIndex> {
        let links = self.links.iter().map(Link::ifindex);
        links.chain(self.ports.iter().map(Port::ifindex)).chain([self.team]).collect()
    }

    /// The ports of which the driver told, but rtnetlink did not.
    pub(crate) fn ports_without_link(&self) -> impl Iterator<Item = IfIndex> {
        self.ports.iter().map(Port::ifindex).filter(|port| self.links.get(*port).is_none())
    }

    pub(crate) fn link_removed(&mut self, ifindex: IfIndex) {
        self.unannounced.remove(&ifindex);
        self.links.remove(ifindex);
        if ifindex == self.team {
            self.team_gone();
        }
    }

    /// Takes over an event of the team driver.
    pub(crate) fn apply_team(&mut self, report: Report) {
        if self.gone {
            return;
        }
        self.stirred = true;
        match report {
            Report::Options(options) => {
                for report in self.with_port_names(options) {
                    self.options.apply(report);
                }
            }
            // Only lists are cut.
            Report::FirstOptions(_) => {}
            Report::Ports(ports) => {
                for port in &ports {
                    self.ports.apply(port);
                    self.unnamed.push(port.port.ifindex);
                    if port.fate.removed {
                        self.options.port_gone(port.port.ifindex);
                    }
                }
            }
        }
    }

    /// Takes over a whole list of ports or options: what is not in it is gone.
    pub(crate) fn replace_team(&mut self, report: Report) {
        if self.gone {
            return;
        }
        match report {
            Report::Options(options) => {
                let options = self.with_port_names(options);
                self.options.replace(options);
            }
            Report::FirstOptions(first) => {
                let options = self.options.with_rest(first, |port| self.ports.get(port).is_some());
                let options = self.with_port_names(options);
                self.options.replace_cut(options);
            }
            Report::Ports(ports) => {
                for gone in self.ports.replace(&ports) {
                    self.options.port_gone(gone);
                }
                self.unnamed.extend(self.ports.iter().map(Port::ifindex));
                // Options that are listed after them have their names from the start.
                self.name_ports();
            }
        }
    }

    /// Options with the names of their ports' links, where those are known.
    fn with_port_names(&self, mut reports: Vec<OptionReport>) -> Vec<OptionReport> {
        // The driver lists them port by port.
        for of_one_port in reports.chunk_by_mut(|one, next| one.option.id.port == next.option.id.port) {
            let ifindex = of_one_port.first().and_then(|report| report.option.id.port);
            let name = ifindex.and_then(|ifindex| self.ports.get(ifindex)).and_then(|port| port.name.as_ref());
            for report in of_one_port {
                report.option.port_name = name.cloned();
            }
        }
        reports
    }

    /// Whether the order of the ports or options is not known, so that they have to be asked for again.
    pub(crate) fn is_order_doubtful(&self) -> bool {
        self.ports.order().is_doubtful() || self.options.order().is_doubtful()
    }

    /// All events that may be older than the last lists were applied.
    pub(crate) fn settle_order(&mut self) {
        self.ports.settle_order();
        self.options.settle_order();
        if self.stirred {
            self.options.look_for_gaps(self.ports.iter().map(Port::ifindex));
        }
    }

    /// Whether the options have to be asked for again, as the driver may be able to tell them, or may not have told all
    /// of them.
    pub(crate) fn are_options_doubtful(&self) -> bool {
        self.options.is_doubtful()
    }

    /// The device is gone, and with it what the kernel does not announce one by one.
    fn team_gone(&mut self) {
        self.gone = true;
        self.ports.clear();
        self.options.clear();
    }

    /// Notes that this handle set an option.
    pub(crate) fn set_by_us(&mut self, id: &OptionId) {
        self.options.set_by_us(id);
    }

    /// Whether the team's own link may be another than is known: its carrier follows the ports, and while the team is
    /// down the kernel sends no message of that.
    pub(crate) fn is_team_link_doubtful(&self) -> bool {
        self.stirred && self.team_link().is_some_and(|link| !link.is_admin_up())
    }

    /// The team's own link was looked at, or is up and speaks for itself.
    pub(crate) fn trust_team_link(&mut self) {
        self.stirred = false;
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

    /// Gives the ports the names of their links. Either can be the first to arrive, and a link can be renamed.
    pub(crate) fn name_ports(&mut self) {
        for ifindex in std::mem::take(&mut self.unnamed) {
            let name = self.links.get(ifindex).and_then(|link| self.ports.rename(ifindex, &link.name));
            if let Some(name) = name {
                self.options.name_port(ifindex, &name);
            }
        }
    }
}
