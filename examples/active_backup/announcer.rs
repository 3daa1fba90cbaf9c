//! Announcements that are repeated.

use std::time::Instant;

use libteam::{AnnounceOptions, Result, TeamHandle};

use crate::config::NotifyPeers;

/// The announcements that are still to be made.
#[derive(Debug)]
pub(crate) struct Announcer {
    config: NotifyPeers,
    left: u32,
    due: Option<Instant>,
    /// How often the team was announced.
    pub(crate) made: u64,
}

impl Announcer {
    pub(crate) fn new(config: NotifyPeers) -> Self {
        Self { config, left: 0, due: None, made: 0 }
    }

    /// Has the team announced from now on; what was left of earlier announcements is part of that.
    pub(crate) fn start(&mut self, now: Instant) {
        self.left = self.config.count;
        self.due = (self.left > 0).then_some(now);
    }

    /// Announces the team if it is time.
    pub(crate) fn announce(&mut self, team: &mut TeamHandle, now: Instant) -> Result<()> {
        if self.due.is_none_or(|due| due > now) {
            return Ok(());
        }
        let announced = team.announce_with(&AnnounceOptions::new().vlans(true));
        self.made += u64::from(announced.is_ok());
        self.left = self.left.saturating_sub(1);
        self.due = (self.left > 0).then(|| Instant::now() + self.config.interval);
        announced.map(drop)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
