//! Repeated announcements of the team's addresses.

use std::time::Instant;

use libteam::{AnnounceOptions, Result, TeamHandle};

use crate::config::NotifyPeers;

/// The announcements that are still due.
#[derive(Debug)]
pub(crate) struct Announcer {
    config: NotifyPeers,
    remaining: u32,
    due: Option<Instant>,
    /// How often the team was announced.
    pub(crate) made: u64,
}

impl Announcer {
    pub(crate) fn new(config: NotifyPeers) -> Self {
        Self { config, remaining: 0, due: None, made: 0 }
    }

    /// Starts a series of announcements, which replaces an unfinished one.
    pub(crate) fn start(&mut self, now: Instant) {
        self.remaining = self.config.count;
        self.due = (self.remaining > 0).then_some(now);
    }

    /// Announces the team if an announcement is due.
    pub(crate) fn announce(&mut self, team: &mut TeamHandle, now: Instant) -> Result<()> {
        if self.due.is_none_or(|due| due > now) {
            return Ok(());
        }
        let announced = team.announce_with(&AnnounceOptions::new().vlans(true));
        self.made += u64::from(announced.is_ok());
        self.remaining = self.remaining.saturating_sub(1);
        self.due = (self.remaining > 0).then(|| Instant::now() + self.config.interval);
        announced.map(drop)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
