//! When to try again what failed: at most once a second, and less often from failure to failure.

use std::time::{Duration, Instant};

use crate::say::say;

/// The delay after the first failure, and the least time between two tries.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The delay of one operation that may fail; none as long as the operation has not failed.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    delay: Duration,
    due: Option<Instant>,
    /// The failure that was logged last.
    trouble: String,
}

impl Retry {
    /// Delays the next try, and logs the failure unless it is the one that was logged last.
    pub(crate) fn failed(&mut self, trouble: String, now: Instant) {
        self.postpone(now);
        if trouble != self.trouble {
            say!("{trouble}");
            self.trouble = trouble;
        }
    }

    /// Delays the next try: by twice the time of the last delay.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.delay = (self.delay * 2).clamp(SHORTEST, LONGEST);
        self.due = Some(now + self.delay);
    }

    /// Forgets all failures.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Starts again with the shortest delay, counted from the last try, because a success has
    /// become more likely.
    pub(crate) fn hasten(&mut self) {
        let saved = self.delay.saturating_sub(SHORTEST);
        self.due = self.due.and_then(|due| due.checked_sub(saved));
        self.delay -= saved;
    }

    /// Ends the delay if its time is over; returns whether it ended now. Without this call
    /// [`due`](Self::due) stays.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Whether it is too early for the next try.
    pub(crate) fn is_held(&self) -> bool {
        self.due.is_some()
    }

    /// When the delay is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
