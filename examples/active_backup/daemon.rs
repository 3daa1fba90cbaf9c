//! The loop: waits for signals, links, the team, status requests and timeouts.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use libteam::link_events::LinkEvents;
use libteam::rtnl::{LinkInfo, RtnlSocket};
use libteam::{ErrorKind, TeamBuilder};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::Result;
use crate::config::Config;
use crate::report::report;
use crate::retry::Retry;
use crate::server::Server;
use crate::signals::Signals;
use crate::status::{PortStatus, Status};
use crate::team::Team;

/// After this time, and at the next event, the daemon retries what failed without a [`Retry`].
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Daemon<'a> {
    config: &'a Config,
    signals: Signals,
    links: LinkEvents,
    rtnl: RtnlSocket,
    server: Server,
    team: Option<Team<'a>>,
    /// When this program may create a missing team; `None` if it waits for another program to do
    /// so.
    may_create: Option<Instant>,
    /// Held after the team could not be opened or created.
    opening: Retry,
    /// Whether links may have changed since they were last checked.
    look: bool,
    retry: Option<Instant>,
    /// Whether reading link events or accepting requests failed last time: their descriptors may
    /// stay readable.
    cannot_receive: bool,
    /// The last failure that was reported, so that it is not repeated.
    reported: Option<String>,
}

/// Runs until a signal ends it.
pub(crate) fn run(config: &Config, socket: &Path, keep: bool) -> Result<()> {
    let mut daemon = Daemon::start(config, socket)?;
    daemon.work()?;
    match daemon.team {
        Some(team) if !keep => Ok(team.destroy_if_ours()?),
        _ => Ok(()),
    }
}

impl<'a> Daemon<'a> {
    /// Opens everything. A failure here is an error; later failures are retried.
    fn start(config: &'a Config, socket: &Path) -> Result<Self> {
        // First, so that a signal during the start ends the daemon in order. No call below waits
        // without a limit.
        let signals = Signals::open()?;
        // Before the first request, so that no later change is missed.
        let links = LinkEvents::new()?;
        let mut rtnl = RtnlSocket::new()?;
        let server = Server::open(socket)?;
        let team = Some(Team::open(config, &TeamBuilder::new(), &mut rtnl, true)?);
        Ok(Self {
            config,
            signals,
            links,
            rtnl,
            server,
            team,
            may_create: None,
            opening: Retry::default(),
            look: true,
            retry: None,
            cannot_receive: false,
            reported: None,
        })
    }

    fn work(&mut self) -> Result<()> {
        loop {
            let links = self.read_link_events();
            let acted = self.act();
            let answered = self.server.answer(|| self.status());
            self.cannot_receive = links.is_err() || answered.is_err();
            match links.and(acted).map_err(Into::into).and(answered) {
                Err(error) => self.report_failure(&*error),
                Ok(()) if self.retry.is_none() => self.reported = None,
                Ok(()) => {}
            }
            self.wait()?;
            if self.signals.is_end()? {
                return Ok(());
            }
        }
    }

    /// Waits until something happens or is due.
    fn wait(&self) -> Result<()> {
        let now = Instant::now();
        let others = [self.retry, self.may_create, self.opening.due(), self.look.then_some(now)];
        let due = self
            .team
            .as_ref()
            .and_then(Team::due)
            .into_iter()
            .chain(others.into_iter().flatten())
            .min();
        let remaining = due.map(|due| due.saturating_duration_since(now));
        let timeout = remaining.map(TimeSpec::from);
        let mut sources = vec![self.signals.as_fd()];
        if !self.cannot_receive {
            sources.extend([self.links.as_fd(), self.server.listener.as_fd()]);
        }
        sources.extend(
            self.team.as_ref().filter(|team| !team.cannot_receive).map(|team| team.handle.as_fd()),
        );
        let mut sources: Vec<_> =
            sources.into_iter().map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
        match ppoll(&mut sources, timeout, None) {
            // The loop checks every source in any case.
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the link events of the namespace, and records whether they concern this team. Lost
    /// events may concern it.
    fn read_link_events(&mut self) -> libteam::Result<()> {
        while let Some(event) = self.links.try_next()? {
            self.look |= event.link().is_none_or(|link| self.is_of_concern(link));
        }
        Ok(())
    }

    fn is_of_concern(&self, link: &LinkInfo) -> bool {
        let is_named =
            |name: &str| name == self.config.device || self.config.ports.contains_key(name);
        is_named(&link.name())
            || link.alternative_names().any(|name| is_named(&name))
            || self.team.as_ref().is_some_and(|team| team.is_concerned_by(link))
    }

    /// Does everything that is due.
    fn act(&mut self) -> libteam::Result<()> {
        let now = Instant::now();
        let is_retry = self.retry.take_if(|retry| *retry <= now).is_some();
        let look = std::mem::take(&mut self.look) || is_retry;
        if self.team.is_some() {
            return self.act_on_team(look);
        }
        self.team = self.open_team(look, now);
        self.act_on_team(true)
    }

    /// Opens or creates the team if an attempt is due. `look` means that links may have changed.
    fn open_team(&mut self, look: bool, now: Instant) -> Option<Team<'a>> {
        if look && self.may_create.is_none() {
            // While the daemon may create the team, its own attempts can be the cause of the
            // events.
            self.opening.hasten();
        }
        let is_retry = self.opening.expire(now);
        let may_create = self.may_create.is_some_and(|time| time <= now);
        if self.opening.is_held() || !(look || may_create || is_retry) {
            return None;
        }
        match Team::open(self.config, &TeamBuilder::new(), &mut self.rtnl, may_create) {
            Ok(team) => {
                self.may_create = None;
                self.opening.succeeded();
                Some(team)
            }
            // An event reports when the team is created.
            Err(error) if error.kind() == ErrorKind::NotFound && !may_create => None,
            Err(error) => {
                self.opening.failed(error.to_string(), now);
                self.may_create = self.may_create.and(self.opening.due());
                None
            }
        }
    }

    fn act_on_team(&mut self, look: bool) -> libteam::Result<()> {
        let Some(team) = &mut self.team else { return Ok(()) };
        let result = team.act(&mut self.rtnl, look);
        if team.is_gone() {
            report!("{} is gone", self.config.device);
            self.may_create = team.is_ours.then(|| Instant::now() + RETRY);
            self.team = None;
            // A new team may exist already, and its event may have been handled.
            self.look = true;
            return Ok(());
        }
        result
    }

    fn report_failure(&mut self, error: &dyn Error) {
        let failure = error.to_string();
        if self.reported.as_ref() != Some(&failure) {
            report!("{failure}");
            self.reported = Some(failure);
        }
        self.retry = Some(Instant::now() + RETRY);
    }

    fn status(&self) -> Status {
        let ports = self.config.ports.iter().map(|(name, port)| {
            (
                name.clone(),
                PortStatus { prio: port.prio, sticky: port.sticky, ..PortStatus::default() },
            )
        });
        let ports: BTreeMap<_, _> = ports.collect();
        let mut status = Status { device: self.config.device.clone(), ports, ..Status::default() };
        if let Some(team) = &self.team {
            team.describe(&mut status);
        }
        status
    }
}
