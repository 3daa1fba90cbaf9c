//! The loop: waits for signals, links, the team, those who ask, and for the time when something is
//! due.

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
use crate::retry::Retry;
use crate::say::say;
use crate::server::Server;
use crate::signals::Signals;
use crate::status::{PortStatus, Status};
use crate::team::Team;

/// After this, and at the next event, the daemon tries again what failed and what no [`Retry`]
/// delays.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Daemon<'a> {
    config: &'a Config,
    signals: Signals,
    links: LinkEvents,
    rtnl: RtnlSocket,
    server: Server,
    team: Option<Team<'a>>,
    /// Whether a team that is not there is this program's to create, after this time.
    may_create: Option<Instant>,
    /// Held while the team is there, but could not be taken over, or could not be created.
    opening: Retry,
    /// Links may have come or changed since they were last looked at.
    look: bool,
    retry: Option<Instant>,
    /// Whether links or those who ask could not be heard when it was last tried: their sockets may
    /// say for ever that there is something to read.
    is_deaf: bool,
    /// The trouble that was told last: it is not told again and again.
    trouble: Option<String>,
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
    /// What cannot be had now is an error; later it is waited for.
    fn start(config: &'a Config, socket: &Path) -> Result<Self> {
        // First: a signal that comes while this starts ends it in order. Nothing below waits
        // without a limit.
        let signals = Signals::open()?;
        // Before anything is asked: what happens from now on is heard.
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
            is_deaf: false,
            trouble: None,
        })
    }

    fn work(&mut self) -> Result<()> {
        loop {
            let heard = self.hear_links();
            let acted = self.act();
            let answered = self.server.answer(|| self.status());
            self.is_deaf = heard.is_err() || answered.is_err();
            match heard.and(acted).map_err(Into::into).and(answered) {
                Err(error) => self.complain(&*error),
                Ok(()) if self.retry.is_none() => self.trouble = None,
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
        let left = due.map(|due| due.saturating_duration_since(now));
        let timeout = left.map(TimeSpec::from);
        let mut sources = vec![self.signals.as_fd()];
        if !self.is_deaf {
            sources.extend([self.links.as_fd(), self.server.listener.as_fd()]);
        }
        sources.extend(
            self.team.as_ref().filter(|team| !team.is_deaf).map(|team| team.handle.as_fd()),
        );
        let mut sources: Vec<_> =
            sources.into_iter().map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
        match ppoll(&mut sources, timeout, None) {
            // The loop looks at every source again in any case.
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what happened to the links of the namespace, and notes whether it concerns this team,
    /// as lost events may.
    fn hear_links(&mut self) -> libteam::Result<()> {
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

    /// Does whatever is to be done.
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

    /// Takes over or creates the team, if it is time to try. `look` says that links may have come
    /// or changed.
    fn open_team(&mut self, look: bool, now: Instant) -> Option<Team<'a>> {
        if look && self.may_create.is_none() {
            // Not so where the daemon's own attempts to create it may be what changed.
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
            // When it is created, that is heard.
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
            say!("{} is gone", self.config.device);
            self.may_create = team.is_ours.then(|| Instant::now() + RETRY);
            self.team = None;
            // Another one may be there already, and its coming is heard and forgotten.
            self.look = true;
            return Ok(());
        }
        result
    }

    fn complain(&mut self, error: &dyn Error) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            say!("{trouble}");
            self.trouble = Some(trouble);
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
