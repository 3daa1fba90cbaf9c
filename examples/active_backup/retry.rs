//! Delays retries: one second after the first failure, then longer after each one.

use std::time::{Duration, Instant};

use crate::report::report;

/// The delay after the first failure, and the shortest time between two attempts.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The delay of an operation; none while the operation has not failed.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    delay: Duration,
    due: Option<Instant>,
    /// The last failure that was reported.
    reported: String,
}

impl Retry {
    /// Delays the next attempt, and reports the failure unless it equals the last one.
    pub(crate) fn failed(&mut self, failure: String, now: Instant) {
        self.postpone(now);
        if failure != self.reported {
            report!("{failure}");
            self.reported = failure;
        }
    }

    /// Delays the next attempt by twice the last delay.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.delay = (self.delay * 2).clamp(SHORTEST, LONGEST);
        self.due = Some(now + self.delay);
    }

    /// Forgets all failures.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Starts again with the shortest delay, counted from the last attempt, because success has
    /// become more likely.
    pub(crate) fn hasten(&mut self) {
        let saved = self.delay.saturating_sub(SHORTEST);
        self.due = self.due.and_then(|due| due.checked_sub(saved));
        self.delay -= saved;
    }

    /// Ends the delay if its time is over; returns whether it ended in this call. Without this call
    /// [`due`](Self::due) does not change.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Whether it is too early for the next attempt.
    pub(crate) fn is_held(&self) -> bool {
        self.due.is_some()
    }

    /// Returns when the delay is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
