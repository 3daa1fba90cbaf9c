//! How long an answer is waited for, and read.

use std::time::{Duration, Instant};

use super::socket::Transport;

/// How many datagrams are read, before any wait, without looking at the clock.
pub(super) const READS_BY_CLOCK: usize = 64;

/// The time that an answer has. It starts when there is something to wait for: most answers are
/// there at once, and the clock may cost as much as they do.
///
/// What came in time is still read after it, which is more than nothing where the process had been
/// stopped; but only so much, as a dump may never end.
#[derive(Debug)]
pub(super) struct Deadline {
    timeout: Duration,
    start: Option<Instant>,
    /// How many datagrams may be read until the clock is looked at again.
    reads_until_clock: usize,
    grace_reads: usize,
    is_late: bool,
}

impl Deadline {
    /// After it, so many datagrams may still be read.
    pub(super) fn new(timeout: Duration, grace_reads: usize) -> Self {
        Self {
            timeout,
            start: None,
            reads_until_clock: READS_BY_CLOCK,
            grace_reads,
            is_late: false,
        }
    }

    /// What is left of the time.
    pub(super) fn remaining(&mut self, transport: &dyn Transport) -> Duration {
        let now = transport.now();
        let start = *self.start.get_or_insert(now);
        let remaining = self.timeout.saturating_sub(now.saturating_duration_since(start));
        self.is_late = remaining.is_zero();
        self.reads_until_clock = READS_BY_CLOCK;
        remaining
    }

    /// Whether to look for more datagrams.
    pub(super) fn may_read(&mut self, transport: &dyn Transport) -> bool {
        if self.reads_until_clock == 0 {
            self.remaining(transport);
        }
        !self.is_late || self.grace_reads > 0
    }

    /// So many datagrams were read.
    pub(super) fn record_reads(&mut self, datagrams: usize) {
        self.reads_until_clock = self.reads_until_clock.saturating_sub(datagrams);
        if self.is_late {
            self.grace_reads = self.grace_reads.saturating_sub(datagrams);
        }
    }
}
