//! The time limit for a reply.

use std::time::{Duration, Instant};

use super::socket::Transport;

/// How many datagrams are read between two looks at the clock.
pub(super) const READS_BY_CLOCK: usize = 64;

/// The deadline of a reply.
///
/// The time starts with the first wait: most replies arrive without a wait, and reading the clock
/// may cost as much as reading them.
///
/// After the deadline, a limited number of datagrams is still read. They may have arrived in time,
/// e.g. while the process was stopped. The number is limited because a dump may never end.
#[derive(Debug)]
pub(super) struct Deadline {
    timeout: Duration,
    start: Option<Instant>,
    /// How many datagrams may be read before the clock is read again.
    reads_until_clock: usize,
    /// How many datagrams may be read after the deadline.
    grace_reads: usize,
    is_late: bool,
}

impl Deadline {
    /// Returns a deadline after which `grace_reads` datagrams may still be read.
    pub(super) fn new(timeout: Duration, grace_reads: usize) -> Self {
        Self {
            timeout,
            start: None,
            reads_until_clock: READS_BY_CLOCK,
            grace_reads,
            is_late: false,
        }
    }

    /// Returns the remaining time.
    pub(super) fn remaining(&mut self, transport: &dyn Transport) -> Duration {
        let now = transport.now();
        let start = *self.start.get_or_insert(now);
        let remaining = self.timeout.saturating_sub(now.saturating_duration_since(start));
        self.is_late = remaining.is_zero();
        self.reads_until_clock = READS_BY_CLOCK;
        remaining
    }

    /// Returns whether more datagrams may be read.
    pub(super) fn may_read(&mut self, transport: &dyn Transport) -> bool {
        if self.reads_until_clock == 0 {
            self.remaining(transport);
        }
        !self.is_late || self.grace_reads > 0
    }

    /// Records that datagrams were read.
    pub(super) fn record_reads(&mut self, datagrams: usize) {
        self.reads_until_clock = self.reads_until_clock.saturating_sub(datagrams);
        if self.is_late {
            self.grace_reads = self.grace_reads.saturating_sub(datagrams);
        }
    }
}
