//! How long an answer is waited for, and read.

use std::time::{Duration, Instant};

use super::socket::Transport;

/// How many datagrams are read, before any wait, without looking at the clock.
pub(super) const READS_BY_CLOCK: usize = 64;

/// The time that an answer has. It starts when there is something to wait for: most answers are there at once, and the
/// clock may cost as much as they do.
///
/// What came in time is still read after it, which is more than nothing where the process had been stopped; but only so
/// much, as a dump may never end.
#[derive(Debug)]
pub(super) struct Deadline {
    timeout: Duration,
    start: Option<Instant>,
    /// How many datagrams may be read until the clock is looked at again.
    unwatched: usize,
    late_reads: usize,
    is_late: bool,
}

impl Deadline {
    /// After it, so many datagrams may still be read.
    pub(super) fn new(timeout: Duration, late_reads: usize) -> Self {
        Self { timeout, start: None, unwatched: READS_BY_CLOCK, late_reads, is_late: false }
    }

    /// What is left of the time.
    pub(super) fn left(&mut self, transport: &dyn Transport) -> Duration {
        let now = transport.now();
        let start = *self.start.get_or_insert(now);
        let left = self.timeout.saturating_sub(now.saturating_duration_since(start));
        self.is_late = left.is_zero();
        self.unwatched = READS_BY_CLOCK;
        left
    }

    /// Whether to look for more datagrams.
    pub(super) fn allows_read(&mut self, transport: &dyn Transport) -> bool {
        if self.unwatched == 0 {
            self.left(transport);
        }
        !self.is_late || self.late_reads > 0
    }

    /// So many datagrams were read.
    pub(super) fn count(&mut self, datagrams: usize) {
        self.unwatched = self.unwatched.saturating_sub(datagrams);
        if self.is_late {
            self.late_reads = self.late_reads.saturating_sub(datagrams);
        }
    }
}
