//! Repeated measurements and what they come to.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The times that one of those compared took, in the order in which they were measured.
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

    /// The median of the ratios of what was measured at about the same time: a machine that is slow
    /// for some seconds is slow for both.
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

    /// Half of the distance between the quartiles, as a share of the median.
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

/// How long something takes, without what the clock takes, and what it makes: that is dropped by
/// the caller, and no part of it.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().saturating_sub(*CLOCK_COST), made)
}

/// What passes between two looks at the clock: in User Mode Linux each is a system call.
static CLOCK_COST: LazyLock<Duration> =
    LazyLock::new(|| (0..200).map(|_| Instant::now().elapsed()).min().unwrap_or_default());
