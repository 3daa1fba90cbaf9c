//! The team while it is there: which port is active, and all that follows from it.

use std::time::Instant;

use libteam::{Duplex, Error, ErrorKind, IfIndex, Link, Mode, Port, Result, RtnlSocket, TeamHandle};

use crate::announcer::Announcer;
use crate::config::Config;
use crate::hwaddr;
use crate::members::{Member, Members};
use crate::say::say;
use crate::status::{PortState, PortStatus, Status};

#[derive(Debug)]
pub(crate) struct Team<'a> {
    config: &'a Config,
    pub(crate) handle: TeamHandle,
    /// Whether this program made the device.
    pub(crate) is_ours: bool,
    members: Members<'a>,
    announcer: Announcer,
    failovers: u64,
    resyncs: u64,
    /// Whether no port was up when they were last looked at.
    is_cut_off: bool,
    /// Whether the events of the team could not be read when it was last tried.
    pub(crate) is_deaf: bool,
}

impl<'a> Team<'a> {
    /// Opens the team, or creates it.
    pub(crate) fn open(config: &'a Config, may_create: bool) -> Result<Self> {
        let (handle, is_ours) = match TeamHandle::open(&config.device) {
            Err(Error::NoSuchDevice { .. }) if may_create => (TeamHandle::create(&config.device)?, true),
            handle => (handle?, false),
        };
        let announcer = Announcer::new(config.notify_peers);
        let members = Members::default();
        let mut team = Self {
            config,
            handle,
            is_ours,
            members,
            announcer,
            failovers: 0,
            resyncs: 0,
            is_cut_off: false,
            is_deaf: false,
        };
        say!("{} is {}", config.device, if is_ours { "created" } else { "taken over" });
        if let Err(error) = team.set_up() {
            team.destroy_if_ours()?;
            return Err(error);
        }
        Ok(team)
    }

    fn is_set_up(&self) -> bool {
        self.handle.mode() == Some(Mode::ActiveBackup)
    }

    fn set_up(&mut self) -> Result<()> {
        if !self.is_set_up() {
            // The mode can be set only while there are no ports; those that are configured come back.
            let ports: Vec<IfIndex> = self.handle.ports().map(Port::ifindex).collect();
            ports.into_iter().try_for_each(|port| self.handle.remove_port(port))?;
            self.handle.set_mode(Mode::ActiveBackup)?;
        }
        match self.config.hwaddr {
            Some(hwaddr) => self.handle.set_hwaddr(self.handle.team_ifindex(), hwaddr),
            None => Ok(()),
        }
    }

    /// Deletes the device if this program made it.
    pub(crate) fn destroy_if_ours(self) -> Result<()> {
        if !self.is_ours {
            return Ok(());
        }
        match self.handle.destroy() {
            Err(Error::DeviceGone { .. }) => Ok(()),
            result => result,
        }
    }

    /// Whether the device was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.handle.team_link().is_none()
    }

    /// Whether something that happens to this link may change which links are ports.
    pub(crate) fn knows(&self, ifindex: IfIndex) -> bool {
        self.members.contains(ifindex)
    }

    /// Does whatever is to be done now; the most urgent first. `look` says that links may have come or changed.
    pub(crate) fn act(&mut self, rtnl: &mut RtnlSocket, look: bool) -> Result<()> {
        self.hear()?;
        if self.is_gone() {
            return Ok(());
        }
        let is_another = !self.is_set_up();
        if is_another {
            // Somebody set another mode, or another team took its place, even its index, unheard.
            say!("{} is not set up any more", self.config.device);
            self.set_up()?;
        }
        let urgent = self.follow();
        if !look && !is_another {
            return urgent;
        }
        let adopted = self.members.adopt(self.config, &mut self.handle, rtnl);
        urgent.and(adopted).and(self.follow())
    }

    fn hear(&mut self) -> Result<()> {
        let changes = self.handle.handle_events();
        self.is_deaf = changes.is_err();
        self.resyncs += u64::from(changes?.resynced());
        Ok(())
    }

    /// Has the best port carry the traffic, and does what comes with that. One failure keeps nothing else from being done.
    fn follow(&mut self) -> Result<()> {
        let active = self.fail_over();
        let settled = hwaddr::settle(self.config.runner.hwaddr_policy, &mut self.handle, &self.members);
        let announced = self.announcer.announce(&mut self.handle, Instant::now());
        active.and(settled).and(announced)
    }

    /// When to act again, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.is_deaf {
            return None;
        }
        let watched = self.members.iter().filter_map(|(_, member)| member.watch.due());
        watched.chain(self.announcer.due()).min()
    }

    /// Makes the best port the active one.
    fn fail_over(&mut self) -> Result<()> {
        let now = Instant::now();
        self.members.forget_lost(&self.handle);
        for member in self.members.iter_mut() {
            let has_link = self.handle.port(member.ifindex).is_some_and(Port::is_link_up);
            let changes = self.handle.link(member.ifindex).map_or(0, Link::carrier_changes);
            member.watch.observe(has_link, changes, now);
        }
        let active = self.handle.active_port();
        let best = self.best(active);
        let was_cut_off = std::mem::replace(&mut self.is_cut_off, best.is_none());
        let Some((name, next)) = best else { return Ok(()) };
        let is_another = active != Some(next);
        if let Err(error) = self.activate(next, is_another) {
            if error.kind() != ErrorKind::NotFound {
                return Err(error);
            }
            // It may have gone meanwhile. Then there is another that is best, or none.
            self.hear()?;
            return if self.is_gone() || !self.handle.is_port(next) { self.fail_over() } else { Err(error) };
        }
        if is_another {
            say!("{name} is active, {:.1?} after it was looked at", now.elapsed());
            self.failovers += 1;
        }
        if is_another || was_cut_off {
            self.announcer.start(now);
        }
        Ok(())
    }

    fn activate(&mut self, next: IfIndex, is_another: bool) -> Result<()> {
        // What a disabled port receives the driver drops, and teamd leaves those disabled that are not active.
        if self.handle.port_enabled(next) == Some(false) {
            self.handle.set_port_enabled(next, true)?;
        }
        if !is_another {
            return Ok(());
        }
        hwaddr::prepare(self.config.runner.hwaddr_policy, &mut self.handle, next)?;
        self.handle.set_active_port(next)
    }

    /// The port that should be active; `None` if none is up.
    fn best(&self, active: Option<IfIndex>) -> Option<(&'a str, IfIndex)> {
        let up = || self.members.iter().filter(|(_, member)| member.watch.is_up());
        let is_active = |member: &Member| Some(member.ifindex) == active;
        let stays =
            up().find(|(name, member)| is_active(member) && self.port_config(name).is_some_and(|port| port.sticky));
        let best = stays.or_else(|| {
            // The last of equals is taken: the first by its name.
            up().rev().max_by_key(|(name, member)| {
                let port = self.handle.port(member.ifindex);
                (
                    self.port_config(name).map(|port| port.prio),
                    port.and_then(Port::speed_mbps),
                    port.is_some_and(|port| port.duplex() == Duplex::Full),
                    is_active(member),
                )
            })
        });
        best.map(|(name, member)| (name, member.ifindex))
    }

    fn port_config(&self, name: &str) -> Option<&'a crate::config::Port> {
        self.config.ports.get(name)
    }

    /// Tells of the team and its ports.
    pub(crate) fn describe(&self, status: &mut Status) {
        let active = self.handle.active_port();
        status.ifindex = Some(self.handle.team_ifindex().get());
        status.hwaddr = self.handle.team_link().and_then(Link::hwaddr).map(|hwaddr| hwaddr.to_string());
        status.active = active.and_then(|active| self.handle.link(active)).map(|link| link.name().to_owned());
        (status.failovers, status.announcements, status.resyncs) = (self.failovers, self.announcer.made, self.resyncs);
        for (name, port) in &mut status.ports {
            if let Some(member) = self.members.get(name) {
                self.describe_port(member, port);
            }
        }
    }

    fn describe_port(&self, member: &Member, port: &mut PortStatus) {
        let now = Instant::now();
        let link = self.handle.link(member.ifindex);
        port.ifindex = Some(member.ifindex.get());
        port.link = link.map(|link| link.name().to_owned());
        port.hwaddr = link.and_then(Link::hwaddr).map(|hwaddr| hwaddr.to_string());
        port.speed_mbps = self.handle.port(member.ifindex).and_then(Port::speed_mbps);
        port.state = if member.watch.is_up() { PortState::Up } else { PortState::Down };
        port.changes_in_ms =
            member.watch.due().and_then(|due| u64::try_from(due.saturating_duration_since(now).as_millis()).ok());
        port.is_active = self.handle.active_port() == Some(member.ifindex);
    }
}
