//! The loop: waits for signals, links, the team, those who ask, and for the time when something is due.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use libteam::{ErrorKind, LinkEvents, LinkInfo, RtnlSocket};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use crate::Result;
use crate::config::Config;
use crate::report::Report;
use crate::say::say;
use crate::status::{PortStatus, Server, Status};
use crate::team::Team;

/// What failed is tried again after this, and at the next event.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Daemon<'a> {
    config: &'a Config,
    signals: SignalFd,
    links: LinkEvents,
    rtnl: RtnlSocket,
    server: Server,
    team: Option<Team<'a>>,
    /// Whether a team that is not there is this program's to create, after this time.
    may_create: Option<Instant>,
    /// Links may have come or changed since they were last looked at.
    look: bool,
    retry: Option<Instant>,
    /// Whether links or those who ask could not be heard when it was last tried: their sockets may say for ever that there
    /// is something to read.
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
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self {
            config,
            signals: SignalFd::with_flags(&signals, flags)?,
            // Before anything is asked: what happens from now on is heard.
            links: LinkEvents::new()?,
            rtnl: RtnlSocket::new()?,
            server: Server::open(socket)?,
            team: Some(Team::open(config, true)?),
            may_create: None,
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
            if self.signals.read_signal()?.is_some() {
                return Ok(());
            }
        }
    }

    /// Waits until something happens or is due.
    fn wait(&self) -> Result<()> {
        let due = self.team.as_ref().and_then(Team::due).into_iter().chain(self.retry).chain(self.may_create).min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose()?;
        let mut sources = vec![self.signals.as_fd()];
        if !self.is_deaf {
            sources.extend([self.links.as_fd(), self.server.listener.as_fd()]);
        }
        sources.extend(self.team.as_ref().filter(|team| !team.is_deaf).map(|team| team.handle.as_fd()));
        let mut sources: Vec<_> =
            sources.into_iter().map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)).collect();
        retry_on_intr(|| poll(&mut sources, timeout.as_ref()))?;
        Ok(())
    }

    /// Reads what happened to the links of the namespace, and notes whether it concerns this team, as lost events may.
    fn hear_links(&mut self) -> libteam::Result<()> {
        while let Some(event) = self.links.try_next()? {
            self.look |= event.link().is_none_or(|link| self.is_of_concern(link));
        }
        Ok(())
    }

    fn is_of_concern(&self, link: &LinkInfo) -> bool {
        let is_named = |name: &str| name == self.config.device || self.config.ports.contains_key(name);
        is_named(&link.name())
            || link.alternative_names().any(|name| is_named(&name))
            || self.team.as_ref().is_some_and(|team| team.knows(link.ifindex()))
    }

    /// Does whatever is to be done.
    fn act(&mut self) -> libteam::Result<()> {
        let now = Instant::now();
        let is_retry = self.retry.take_if(|retry| *retry <= now).is_some();
        let look = std::mem::take(&mut self.look) || is_retry;
        if self.team.is_none() {
            let may_create = self.may_create.is_some_and(|time| time <= now);
            if !look && !may_create {
                return Ok(());
            }
            match Team::open(self.config, may_create) {
                Ok(team) => self.team = Some(team),
                // Somebody will create it, and that is heard.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => {
                    self.may_create = self.may_create.map(|_| now + RETRY);
                    return Err(error);
                }
            }
            self.may_create = None;
            return self.act_on_team(true);
        }
        self.act_on_team(look)
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
            self.retry = Some(Instant::now());
            return Ok(());
        }
        result
    }

    fn complain(&mut self, error: &dyn Error) {
        let trouble = Report(error).to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            say!("{trouble}");
            self.trouble = Some(trouble);
        }
        self.retry = Some(Instant::now() + RETRY);
    }

    fn status(&self) -> Status {
        let ports = self.config.ports.iter().map(|(name, port)| {
            (name.clone(), PortStatus { prio: port.prio, sticky: port.sticky, ..PortStatus::default() })
        });
        let ports: BTreeMap<_, _> = ports.collect();
        let mut status = Status { device: self.config.device.clone(), ports, ..Status::default() };
        if let Some(team) = &self.team {
            team.describe(&mut status);
        }
        status
    }
}
