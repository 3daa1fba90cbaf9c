//! Repeated measurements and their statistics.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The times of one program, in the order of measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.quantile(0.5).as_secs_f64()
    }

    /// Returns the median of the ratios of times that were measured close together, so that a slow
    /// phase of the machine affects both.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        let count = self.0.len().max(other.0.len());
        let at = |samples: &Self, number: usize| {
            samples
                .0
                .get(number * samples.0.len() / count)
                .copied()
                .unwrap_or_default()
                .as_secs_f64()
        };
        let mut ratios: Vec<f64> =
            (0..count).map(|number| at(self, number) / at(other, number)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(count / 2).copied().unwrap_or(f64::NAN)
    }

    /// Returns half of the interquartile range, as a share of the median.
    fn spread(&self) -> f64 {
        (self.quantile(0.75).saturating_sub(self.quantile(0.25))).as_secs_f64()
            / 2.0
            / self.seconds()
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small"
    )]
    fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len().saturating_sub(1)) as f64 * share;
        sorted.get(place.round() as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let micros = self.seconds() * 1e6;
        let percent = self.spread() * 100.0;
        match micros {
            ..100.0 => write!(formatter, "{micros:.1} µs ±{percent:.0}%"),
            ..10_000.0 => write!(formatter, "{micros:.0} µs ±{percent:.0}%"),
            _ => write!(formatter, "{:.0} ms ±{percent:.0}%", micros / 1e3),
        }
    }
}

/// Returns the time that `work` takes, without that for reading the clock, and its result, which
/// the caller drops outside of the measurement.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().saturating_sub(*CLOCK_COST), made)
}

/// The time between two readings of the clock: in User Mode Linux each is a system call.
static CLOCK_COST: LazyLock<Duration> =
    LazyLock::new(|| (0..200).map(|_| Instant::now().elapsed()).min().unwrap_or_default());
