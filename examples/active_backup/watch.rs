//! Whether a link is up, said with a delay.

use std::time::Instant;

use crate::config::LinkWatch;

/// What is known of the link of one port.
#[derive(Debug)]
pub(crate) struct Watch {
    config: LinkWatch,
    /// What counts.
    is_up: bool,
    /// When the opposite comes to count, unless the link is back before.
    due: Option<Instant>,
    /// By which a link shows that it was gone meanwhile.
    carrier_changes: u32,
}

impl Watch {
    /// What counts before the link is looked at.
    pub(crate) fn new(config: LinkWatch, is_up: bool, carrier_changes: u32) -> Self {
        Self { config, is_up, due: None, carrier_changes }
    }

    /// Replaces the delays, from the next change on.
    pub(crate) fn configure(&mut self, config: LinkWatch) {
        self.config = config;
    }

    /// Notes what the kernel says of the link now.
    pub(crate) fn observe(&mut self, has_link: bool, carrier_changes: u32, now: Instant) {
        let was_gone = carrier_changes != self.carrier_changes;
        self.carrier_changes = carrier_changes;
        // Back already, and nobody saw it go.
        self.is_up &= !(was_gone && has_link && self.config.delay_down.is_zero());
        if has_link == self.is_up {
            self.due = None;
        } else if self.due.is_none() || was_gone {
            let delay = if has_link { self.config.delay_up } else { self.config.delay_down };
            self.due = Some(now + delay);
        }
        if self.due.is_some_and(|due| due <= now) {
            self.is_up = has_link;
            self.due = None;
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    /// When to look again, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
