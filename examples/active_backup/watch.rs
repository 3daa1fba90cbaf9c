//! The delayed state of a link.

use std::time::Instant;

use crate::config::LinkWatch;

/// The state of the link of one port.
#[derive(Debug)]
pub(crate) struct Watch {
    config: LinkWatch,
    /// The delayed state.
    is_up: bool,
    /// When the delayed state changes, unless the link changes back before.
    due: Option<Instant>,
    /// Shows whether the link went down and up between two observations.
    carrier_changes: u32,
}

impl Watch {
    /// Starts with a state, before the first observation.
    pub(crate) fn new(config: LinkWatch, is_up: bool, carrier_changes: u32) -> Self {
        Self { config, is_up, due: None, carrier_changes }
    }

    /// Replaces the delays, with effect from the next change.
    pub(crate) fn configure(&mut self, config: LinkWatch) {
        self.config = config;
    }

    /// Records the state of the link in the kernel.
    pub(crate) fn observe(&mut self, has_link: bool, carrier_changes: u32, now: Instant) {
        let flapped = carrier_changes != self.carrier_changes;
        self.carrier_changes = carrier_changes;
        // The link went down and up again between two observations.
        self.is_up &= !(flapped && has_link && self.config.delay_down.is_zero());
        if has_link == self.is_up {
            self.due = None;
        } else if self.due.is_none() || flapped {
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

    /// Returns when the delayed state changes, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
