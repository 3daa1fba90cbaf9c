//! Which links are the configured ports of the team.

use std::collections::{BTreeMap, BTreeSet};

use libteam::{Error, ErrorKind, HwAddr, IfIndex, Link, LinkInfo, LinkSettings, Port, Result, RtnlSocket, TeamHandle};

use crate::config::Config;
use crate::say::say;
use crate::watch::Watch;

/// A link that is a port of the team, by its configuration.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) ifindex: IfIndex,
    pub(crate) watch: Watch,
    /// The hardware address that it has when it is no port.
    pub(crate) own_hwaddr: Option<HwAddr>,
}

/// The members by their configured names, which may not be the names that their links have now.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(BTreeMap<&'a str, Member>);

impl<'a> Members<'a> {
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&'a str, &Member)> {
        self.0.iter().map(|(name, member)| (*name, member))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.values_mut()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.0.get(name)
    }

    pub(crate) fn contains(&self, ifindex: IfIndex) -> bool {
        self.0.values().any(|member| member.ifindex == ifindex)
    }

    /// Forgets those that are no ports any more.
    pub(crate) fn forget_lost(&mut self, team: &TeamHandle) {
        self.0.retain(|name, member| {
            let is_port = team.is_port(member.ifindex);
            if !is_port {
                say!("{name} is no port any more");
            }
            is_port
        });
    }

    /// Makes ports of the links that have the configured names. One that cannot be made a port keeps no other from it;
    /// the first error is returned.
    pub(crate) fn adopt(&mut self, config: &'a Config, team: &mut TeamHandle, rtnl: &mut RtnlSocket) -> Result<()> {
        let mut found = BTreeMap::new();
        for name in config.ports.keys() {
            match rtnl.link_by_name(name) {
                Ok(link) => drop(found.insert(name.as_str(), link)),
                Err(Error::NoSuchDevice { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut result = self.release_replaced(&found, team);
        for (name, link) in found {
            if self.get(name).is_some_and(|member| member.ifindex == link.ifindex()) {
                continue;
            }
            match join(&link, team, rtnl) {
                Ok(true) => self.insert(name, &link, config, team),
                Ok(false) => {}
                // It went meanwhile, which is an event of its own.
                Err(error) if error.kind() == ErrorKind::NotFound && team.team_link().is_some() => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Releases the members whose names other links have now, unless they have got a configured name themselves.
    fn release_replaced(&mut self, found: &BTreeMap<&str, LinkInfo>, team: &mut TeamHandle) -> Result<()> {
        let wanted: BTreeSet<IfIndex> = found.values().map(LinkInfo::ifindex).collect();
        let mut released = Vec::new();
        self.0.retain(|name, member| {
            let is_replaced = found.get(name).is_some_and(|link| link.ifindex() != member.ifindex);
            let is_kept =
                !is_replaced && !found.iter().any(|(other, link)| other != name && link.ifindex() == member.ifindex);
            if is_replaced && !wanted.contains(&member.ifindex) {
                released.push(member.ifindex);
            }
            is_kept
        });
        for ifindex in released {
            say!("the link {ifindex} is released: another one has its name");
            match team.remove_port(ifindex) {
                Err(error) if error.kind() != ErrorKind::NotFound || team.team_link().is_none() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn insert(&mut self, name: &'a str, link: &LinkInfo, config: &Config, team: &mut TeamHandle) {
        let ifindex = link.ifindex();
        let prio = config.ports.get(name).map_or(0, |port| port.prio);
        // For teamnl and the driver's queue override; the choice of the active port does not rest on it.
        if let Err(error) = team.set_port_priority(ifindex, prio) {
            say!("{name}: {error}");
        }
        let is_new = link.master().is_none();
        let own_hwaddr = if is_new { link.hwaddr() } else { team.link(ifindex).and_then(Link::original_hwaddr) };
        // A daemon that starts again does not take the traffic from the port that carries it.
        let is_up = team.active_port() == Some(ifindex) && team.port(ifindex).is_some_and(Port::is_link_up);
        let carrier_changes = team.link(ifindex).map_or(0, Link::carrier_changes);
        say!("{name} (link {ifindex}) is a port");
        let watch = Watch::new(config.link_watch(name), is_up, carrier_changes);
        self.0.insert(name, Member { ifindex, watch, own_hwaddr });
    }
}

/// Makes a link a port of the team; false if it has another master.
fn join(link: &LinkInfo, team: &mut TeamHandle, rtnl: &mut RtnlSocket) -> Result<bool> {
    if team.is_port(link.ifindex()) {
        return Ok(true);
    }
    if link.master().is_some() {
        return Ok(false);
    }
    let is_up = link.is_admin_up();
    if is_up {
        rtnl.set_link(link.ifindex(), &LinkSettings::new().down())?;
    }
    let added = team.add_port(link.ifindex());
    if is_up && added.is_err() {
        rtnl.set_link(link.ifindex(), &LinkSettings::new().up())?;
    }
    added.map(|()| true)
}
