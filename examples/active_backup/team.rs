//! The team while it exists: chooses the active port, and what follows from that.

use std::cmp::Reverse;
use std::time::Instant;

use libteam::rtnl::{LinkInfo, RtnlSocket};
use libteam::{
    Duplex, Error, ErrorKind, IfIndex, Link, LinkSettings, Mode, Port, Result, TeamBuilder,
    TeamHandle,
};

use crate::announcer::Announcer;
use crate::config::Config;
use crate::hwaddr;
use crate::members::{Member, Members};
use crate::report::report;
use crate::retry::Retry;
use crate::status::{PortState, PortStatus, Status};

#[derive(Debug)]
pub(crate) struct Team<'a> {
    config: &'a Config,
    pub(crate) handle: TeamHandle,
    /// Whether this program created the device.
    pub(crate) is_ours: bool,
    members: Members<'a>,
    announcer: Announcer,
    failovers: u64,
    resyncs: u64,
    /// Whether no port could carry the traffic at the last check.
    is_cut_off: bool,
    /// Held after the team could not be set up.
    setup: Retry,
    /// Held after the hardware address of the team could not be set.
    addressing: Retry,
    /// Whether handling the events of the team failed last time.
    pub(crate) cannot_receive: bool,
}

impl<'a> Team<'a> {
    /// Opens or creates the team in the namespace of `teams` and `rtnl`.
    pub(crate) fn open(
        config: &'a Config,
        teams: &TeamBuilder,
        rtnl: &mut RtnlSocket,
        may_create: bool,
    ) -> Result<Self> {
        let (handle, is_ours) = match teams.open(&config.device) {
            Err(Error::NoSuchDevice { .. }) if may_create => (teams.create(&config.device)?, true),
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
            setup: Retry::default(),
            addressing: Retry::default(),
            cannot_receive: false,
        };
        if let Err(error) = team.set_up(rtnl) {
            team.destroy_if_ours()?;
            return Err(error);
        }
        report!("{} is {}", config.device, if is_ours { "created" } else { "taken over" });
        Ok(team)
    }

    fn is_set_up(&self) -> bool {
        self.handle.mode() == Some(Mode::ActiveBackup)
    }

    fn set_up(&mut self, rtnl: &mut RtnlSocket) -> Result<()> {
        if !self.is_set_up() {
            // The mode can be set only without ports. The configured ports are added again later.
            let ports: Vec<IfIndex> = self.handle.ports().map(Port::ifindex).collect();
            ports.into_iter().try_for_each(|port| self.handle.remove_port(port))?;
            self.handle.set_mode(Mode::ActiveBackup)?;
        }
        let ifindex = self.handle.ifindex();
        if let Some(hwaddr) = self.config.hwaddr {
            self.handle.set_hwaddr(ifindex, hwaddr)?;
        }
        if self.handle.team_link().is_some_and(Link::is_admin_up) {
            return Ok(());
        }
        rtnl.set_link(ifindex, &LinkSettings::new().up())
    }

    /// Deletes the device if this program created it.
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

    /// Whether a change of this link can change which links are ports.
    pub(crate) fn is_concerned_by(&self, link: &LinkInfo) -> bool {
        self.members.concern(link)
    }

    /// Does everything that is due, the most urgent first. `look` means that links may have
    /// changed.
    pub(crate) fn act(&mut self, rtnl: &mut RtnlSocket, look: bool) -> Result<()> {
        self.handle_events()?;
        if self.is_gone() {
            return Ok(());
        }
        let now = Instant::now();
        let is_another = !self.is_set_up();
        if is_another {
            self.setup.expire(now);
            if self.setup.is_held() {
                return Ok(());
            }
            // Another process set another mode, or another team has the index of the old one.
            report!("{} is no longer in the mode activebackup", self.config.device);
            if let Err(error) = self.set_up(rtnl) {
                if !self.is_gone() {
                    self.setup.failed(error.to_string(), now);
                }
                return Ok(());
            }
        }
        self.setup.succeeded();
        let urgent = self.follow();
        let is_time = self.members.due().is_some_and(|due| due <= now);
        if !look && !is_another && !is_time {
            return urgent;
        }
        let adopted = self.members.adopt(self.config, &mut self.handle, rtnl, look || is_another);
        urgent.and(adopted).and(self.follow())
    }

    fn handle_events(&mut self) -> Result<()> {
        let changes = self.handle.handle_events();
        self.cannot_receive = changes.is_err();
        self.resyncs += u64::from(changes?.is_resynced());
        Ok(())
    }

    /// Makes the best port active, then sets hardware addresses and announces. A failure of one
    /// step does not stop the others.
    fn follow(&mut self) -> Result<()> {
        let now = Instant::now();
        self.addressing.expire(now);
        for member in self.members.iter_mut() {
            member.activation.expire(now);
            member.addressing.expire(now);
        }
        let active = self.fail_over(now);
        let policy = self.config.runner.hwaddr_policy;
        hwaddr::settle(policy, &mut self.handle, &mut self.members, &mut self.addressing);
        active.and(self.announcer.announce(&mut self.handle, Instant::now()))
    }

    /// Returns when to act again, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.cannot_receive || self.setup.is_held() {
            return self.setup.due();
        }
        let members = self.members.iter().flat_map(|member| {
            [member.watch.due(), member.activation.due(), member.addressing.due()]
                .into_iter()
                .flatten()
        });
        let others =
            [self.announcer.due(), self.members.due(), self.setup.due(), self.addressing.due()];
        members.chain(others.into_iter().flatten()).min()
    }

    /// Makes the best port the active one, or the next best if that fails.
    fn fail_over(&mut self, now: Instant) -> Result<()> {
        self.members.forget_lost(&self.handle);
        for member in self.members.iter_mut() {
            let has_link = self.handle.port(member.ifindex).is_some_and(Port::is_link_up);
            let changes = self.handle.link(member.ifindex).map_or(0, Link::carrier_changes);
            member.watch.observe(has_link, changes, now);
        }
        loop {
            let active = self.handle.active_port();
            let Some((name, next)) = self.best(active) else {
                if !self.is_cut_off {
                    self.is_cut_off = true;
                    // Ports that failed before are tried again when no other is left.
                    self.members.iter_mut().for_each(|member| member.activation.hasten());
                }
                return Ok(());
            };
            let is_another = active != Some(next);
            let Err(error) = self.activate(next, is_another) else {
                self.is_active_now(name, next, is_another, now);
                return Ok(());
            };
            if error.kind() == ErrorKind::NotFound {
                // The port may have been removed in the meantime.
                self.handle_events()?;
                if self.is_gone() {
                    return Ok(());
                }
                self.members.forget_lost(&self.handle);
            }
            if let Some(member) = self.members.get_mut(next) {
                member
                    .activation
                    .failed(format!("{name} cannot be active: {error}"), Instant::now());
            }
        }
    }

    fn is_active_now(&mut self, name: &str, port: IfIndex, is_another: bool, since: Instant) {
        if let Some(member) = self.members.get_mut(port) {
            member.activation.succeeded();
        }
        let was_cut_off = std::mem::take(&mut self.is_cut_off);
        if is_another {
            report!("{name} is active, {:.1?} after the decision", since.elapsed());
            self.failovers += 1;
        }
        if is_another || was_cut_off {
            self.announcer.start(since);
        }
    }

    /// Makes a port carry the traffic.
    fn activate(&mut self, next: IfIndex, is_another: bool) -> Result<()> {
        // The driver drops what a disabled port receives, and teamd disables ports that are not
        // active.
        if self.handle.port_enabled(next) == Some(false) {
            self.handle.set_port_enabled(next, true)?;
        }
        hwaddr::prepare(self.config.runner.hwaddr_policy, &mut self.handle, next)?;
        if is_another { self.handle.set_active_port(next) } else { Ok(()) }
    }

    /// Returns the port that should be active, or `None` if no port is up and can be active.
    fn best(&self, active: Option<IfIndex>) -> Option<(&'a str, IfIndex)> {
        let fit = || {
            self.members
                .iter()
                .filter(|member| member.watch.is_up() && !member.activation.is_held())
        };
        let is_active = |member: &Member<'_>| Some(member.ifindex) == active;
        let config = |member: &Member<'_>| self.config.ports.get(member.name);
        let stays = fit()
            .find(|member| is_active(member) && config(member).is_some_and(|port| port.sticky));
        let best = stays.or_else(|| {
            fit().max_by_key(|member| {
                let port = self.handle.port(member.ifindex);
                (
                    config(member).map(|port| port.prio),
                    port.and_then(Port::speed_mbps),
                    port.is_some_and(|port| port.duplex() == Duplex::Full),
                    is_active(member),
                    // Among equal ports, the first by name.
                    Reverse(member.name),
                )
            })
        });
        best.map(|member| (member.name, member.ifindex))
    }

    /// Adds the team and its ports to the status.
    pub(crate) fn describe(&self, status: &mut Status) {
        let active = self.handle.active_port();
        status.ifindex = Some(self.handle.ifindex().get());
        status.hwaddr =
            self.handle.team_link().and_then(Link::hwaddr).map(|hwaddr| hwaddr.to_string());
        status.active =
            active.and_then(|active| self.handle.link(active)).map(|link| link.name().to_owned());
        (status.failovers, status.announcements, status.resyncs) =
            (self.failovers, self.announcer.made, self.resyncs);
        for (name, port) in &mut status.ports {
            if let Some(member) = self.members.named(name) {
                self.describe_port(member, port);
            }
        }
    }

    fn describe_port(&self, member: &Member<'_>, port: &mut PortStatus) {
        let now = Instant::now();
        let link = self.handle.link(member.ifindex);
        port.ifindex = Some(member.ifindex.get());
        port.link = link.map(|link| link.name().to_owned());
        port.hwaddr = link.and_then(Link::hwaddr).map(|hwaddr| hwaddr.to_string());
        port.speed_mbps = self.handle.port(member.ifindex).and_then(Port::speed_mbps);
        port.state = if member.watch.is_up() { PortState::Up } else { PortState::Down };
        port.changes_in_ms = member
            .watch
            .due()
            .and_then(|due| u64::try_from(due.saturating_duration_since(now).as_millis()).ok());
        port.is_active = self.handle.active_port() == Some(member.ifindex);
    }
}
