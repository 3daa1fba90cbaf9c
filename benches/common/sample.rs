//! Repeated measurements, and their ratios.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The times of one contender, in the order in which they were measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

/// How many times longer one contender takes than another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// The median of the ratios of samples that were measured at about the same time.
    pub(crate) value: f64,
    /// Half of the distance between the quartiles of these ratios.
    pub(crate) spread: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the median in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        quantile(&self.sorted_seconds(), 0.5)
    }

    /// Compares samples that were measured at about the same time: a machine that is slow for some
    /// seconds is slow for both contenders.
    pub(crate) fn over(&self, other: &Self) -> Ratio {
        let count = self.0.len().max(other.0.len());
        let at = |samples: &Self, number: usize| {
            let sample = samples.0.get(number * samples.0.len() / count);
            sample.map_or(f64::NAN, Duration::as_secs_f64)
        };
        let mut ratios: Vec<f64> =
            (0..count).map(|number| at(self, number) / at(other, number)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        Ratio { value: quantile(&ratios, 0.5), spread: half_of_quartiles(&ratios) }
    }

    fn sorted_seconds(&self) -> Vec<f64> {
        let mut seconds: Vec<f64> = self.0.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        seconds
    }
}

fn half_of_quartiles(sorted: &[f64]) -> f64 {
    (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2.0
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let seconds = self.sorted_seconds();
        let micros = quantile(&seconds, 0.5) * 1e6;
        let percent = half_of_quartiles(&seconds) * 1e8 / micros;
        match micros {
            ..100.0 => write!(formatter, "{micros:.1} µs ±{percent:.0}%"),
            ..10_000.0 => write!(formatter, "{micros:.0} µs ±{percent:.0}%"),
            _ => write!(formatter, "{:.0} ms ±{percent:.0}%", micros / 1e3),
        }
    }
}

/// Measures how long `work` takes, without what reading the clock takes. The caller drops the
/// result, so that dropping it is not measured.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().saturating_sub(*CLOCK_COST), made)
}

/// The time between two readings of the clock: in User Mode Linux each is a system call.
static CLOCK_COST: LazyLock<Duration> =
    LazyLock::new(|| (0..200).map(|_| Instant::now().elapsed()).min().unwrap_or_default());
