//! Repeated measurements and what they come to.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The times that one of those compared took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort_unstable();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What counts: the lower quartile. Whatever else a machine has to do only ever adds to a time, and for seconds.
    fn time(&self) -> Duration {
        self.quantile(0.25)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.time().as_secs_f64()
    }

    pub(crate) fn over(&self, other: &Self) -> f64 {
        self.seconds() / other.seconds()
    }

    /// How much higher the median is, as a share.
    fn spread(&self) -> f64 {
        self.quantile(0.5).as_secs_f64() / self.seconds() - 1.0
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    fn quantile(&self, share: f64) -> Duration {
        let place = (self.0.len().saturating_sub(1)) as f64 * share;
        self.0.get(place.round() as usize).copied().unwrap_or_default()
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
            ..100.0 => write!(formatter, "{micros:.1} µs +{percent:.0}%"),
            ..10_000.0 => write!(formatter, "{micros:.0} µs +{percent:.0}%"),
            _ => write!(formatter, "{:.0} ms +{percent:.0}%", micros / 1e3),
        }
    }
}

/// How long something takes, without what the clock takes, and what it makes: that is dropped by the caller, and no part
/// of it.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().saturating_sub(*CLOCK_COST), made)
}

/// What passes between two looks at the clock: in User Mode Linux each is a system call.
static CLOCK_COST: LazyLock<Duration> =
    LazyLock::new(|| (0..200).map(|_| Instant::now().elapsed()).min().unwrap_or_default());
