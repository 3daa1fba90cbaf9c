//! The links that are the configured ports of the team.

use std::collections::BTreeMap;
use std::time::Instant;

use libteam::rtnl::{LinkInfo, RtnlSocket};
use libteam::{Error, ErrorKind, HwAddr, IfIndex, Link, Port, Result, TeamHandle};

use crate::config::Config;
use crate::refusals::Refusals;
use crate::report::report;
use crate::retry::Retry;
use crate::watch::Watch;

/// A configured port of the team.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The configured name, which can differ from the current name of the link.
    pub(crate) name: &'a str,
    pub(crate) ifindex: IfIndex,
    pub(crate) watch: Watch,
    /// The hardware address of the link outside the team.
    pub(crate) own_hwaddr: Option<HwAddr>,
    /// Held after the port could not be made active.
    pub(crate) activation: Retry,
    /// Held after the hardware address of the port could not be set.
    pub(crate) addressing: Retry,
}

/// The configured ports. A link is one member even if several of its names are configured.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    by_link: BTreeMap<IfIndex, Member<'a>>,
    /// Configured names of links that are members under another configured name.
    duplicates: BTreeMap<&'a str, IfIndex>,
    refusals: Refusals,
}

/// The links with configured names, each with the name in use.
type Found<'a> = BTreeMap<IfIndex, (&'a str, LinkInfo)>;

impl<'a> Members<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member<'a>> {
        self.by_link.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member<'a>> {
        self.by_link.values_mut()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Member<'a>> {
        self.iter().find(|member| member.name == name)
    }

    pub(crate) fn get_mut(&mut self, ifindex: IfIndex) -> Option<&mut Member<'a>> {
        self.by_link.get_mut(&ifindex)
    }

    pub(crate) fn contains(&self, ifindex: IfIndex) -> bool {
        self.by_link.contains_key(&ifindex)
    }

    /// Whether a change of this link can change which links are ports.
    pub(crate) fn concern(&self, link: &LinkInfo) -> bool {
        self.contains(link.ifindex()) || self.refusals.concern(link)
    }

    /// Returns when to look for links again, if no link changes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.refusals.due()
    }

    /// Drops members that are no longer ports.
    pub(crate) fn forget_lost(&mut self, team: &TeamHandle) {
        self.by_link.retain(|ifindex, Member { name, .. }| {
            let is_port = team.is_port(*ifindex);
            if !is_port {
                report!("{name} is no longer a port");
            }
            is_port
        });
    }

    /// Adds the links with the configured names to the team. `look` means that links may have
    /// changed. A failure does not affect the other links; the first error is returned.
    pub(crate) fn adopt(
        &mut self,
        config: &'a Config,
        team: &mut TeamHandle,
        rtnl: &mut RtnlSocket,
        look: bool,
    ) -> Result<()> {
        let now = Instant::now();
        if look {
            self.refusals.links_changed();
        }
        let held = self.refusals.held(now);
        let found = self.find(config, rtnl)?;
        self.refusals.retain(|ifindex| found.contains_key(&ifindex));
        let mut result = self.release_replaced(&found, team);
        for (ifindex, (name, link)) in found {
            let joined = match self.get_mut(ifindex) {
                Some(member) if member.name == name => continue,
                Some(member) => {
                    member.rename(name, config);
                    set_options(name, ifindex, config, team);
                    continue;
                }
                None if team.is_port(ifindex) => Ok(true),
                None if link.master().is_some() || held.contains(&ifindex) => Ok(false),
                None => self.refusals.join(name, &link, team, rtnl, now),
            };
            match joined {
                Ok(true) => self.insert(name, &link, config, team),
                Ok(false) => {}
                // The link was deleted in the meantime, which another event reports.
                Err(error) if error.kind() == ErrorKind::NotFound && team.team_link().is_some() => {
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Looks up the configured names. If several belong to one link, its interface name is used, or
    /// the first name.
    fn find(&mut self, config: &'a Config, rtnl: &mut RtnlSocket) -> Result<Found<'a>> {
        let mut found = Found::new();
        let mut duplicates = BTreeMap::new();
        for name in config.ports.keys().map(String::as_str) {
            let link = match rtnl.link_by_name(name) {
                Ok(link) => link,
                Err(Error::NoSuchDevice { .. }) => continue,
                Err(error) => return Err(error),
            };
            let ifindex = link.ifindex();
            let counts = link.name() == name || !found.contains_key(&ifindex);
            let duplicate = if counts {
                found.insert(ifindex, (name, link)).map(|(other, _)| other)
            } else {
                Some(name)
            };
            duplicates.extend(duplicate.map(|name| (name, ifindex)));
        }
        for (duplicate, ifindex) in &duplicates {
            if let Some((name, _)) =
                found.get(ifindex).filter(|_| self.duplicates.get(duplicate) != Some(ifindex))
            {
                report!("{duplicate} and {name} are the same link: {duplicate} is ignored");
            }
        }
        self.duplicates = duplicates;
        Ok(found)
    }

    /// Removes members from the team whose names belong to other links now, unless they have
    /// another configured name.
    fn release_replaced(&mut self, found: &Found<'_>, team: &mut TeamHandle) -> Result<()> {
        let names: Vec<&str> = found.values().map(|(name, _)| *name).collect();
        let mut released = Vec::new();
        self.by_link.retain(|ifindex, member| {
            let is_replaced = names.contains(&member.name) && !found.contains_key(ifindex);
            if is_replaced {
                released.push(*ifindex);
            }
            !is_replaced
        });
        for ifindex in released {
            report!("link {ifindex} is removed from the team: another link has its name");
            match team.remove_port(ifindex) {
                Err(error) if error.kind() != ErrorKind::NotFound || team.team_link().is_none() => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn insert(&mut self, name: &'a str, link: &LinkInfo, config: &Config, team: &mut TeamHandle) {
        let ifindex = link.ifindex();
        set_options(name, ifindex, config, team);
        let is_new = link.master().is_none();
        let own_hwaddr =
            if is_new { link.hwaddr() } else { team.link(ifindex).and_then(Link::original_hwaddr) };
        // A restarted daemon leaves the traffic on the port that carries it.
        let is_up =
            team.active_port() == Some(ifindex) && team.port(ifindex).is_some_and(Port::is_link_up);
        let carrier_changes = team.link(ifindex).map_or(0, Link::carrier_changes);
        report!("{name} (link {ifindex}) is a port");
        let watch = Watch::new(config.link_watch(name), is_up, carrier_changes);
        let (activation, addressing) = (Retry::default(), Retry::default());
        self.by_link
            .insert(ifindex, Member { name, ifindex, watch, own_hwaddr, activation, addressing });
    }
}

impl<'a> Member<'a> {
    /// Gives the member another configured name with its settings. The state of its link is kept.
    fn rename(&mut self, name: &'a str, config: &Config) {
        report!("{name} (link {}) was configured as {} before", self.ifindex, self.name);
        self.name = name;
        self.watch.configure(config.link_watch(name));
    }
}

/// Sets the driver's options of a port. A failure is reported and does not exclude the port.
fn set_options(name: &str, ifindex: IfIndex, config: &Config, team: &mut TeamHandle) {
    let Some(port) = config.ports.get(name) else { return };
    // For teamnl and the driver's queue override. The choice of the active port does not use it.
    let prio = team.set_port_priority(ifindex, port.prio);
    let queue = port.queue_id.map_or(Ok(()), |queue| team.set_port_queue_id(ifindex, queue));
    for error in [prio, queue].into_iter().filter_map(Result::err) {
        report!("{name}: {error}");
    }
}
