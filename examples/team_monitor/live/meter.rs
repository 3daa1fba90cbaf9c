//! The rate of a counter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time over which rates are averaged.
const WINDOW: Duration = Duration::from_secs(5);

/// The values of a counter during the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The first is the last value before the window, or the oldest.
    values: VecDeque<(Instant, u64)>,
}

impl Meter {
    pub(crate) fn record(&mut self, value: u64, now: Instant) {
        // A lower value means that the counter was reset.
        if value < self.latest() {
            self.values.clear();
        }
        self.values.push_back((now, value));
        while self
            .values
            .get(1)
            .is_some_and(|(time, _)| now.saturating_duration_since(*time) >= WINDOW)
        {
            self.values.pop_front();
        }
    }

    pub(crate) fn latest(&self) -> u64 {
        self.values.back().map_or(0, |(_, value)| *value)
    }

    /// Returns the average rate in thousandths per second. The first second counts as a whole one
    /// before it is over.
    pub(crate) fn thousandths_per_second(&self, now: Instant) -> u64 {
        let Some((start, first)) = self.values.front() else { return 0 };
        let time = now.saturating_duration_since(*start).max(Duration::from_secs(1));
        let grown = u128::from(self.latest() - first);
        u64::try_from(grown * 1_000_000 / time.as_millis()).unwrap_or(u64::MAX)
    }
}
