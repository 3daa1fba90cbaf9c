//! How long a test waits, and how often it repeats.

use std::fs;
use std::time::{Duration, Instant};

/// Returns the limit of a wait: long enough even on an emulated or busy machine.
pub(crate) fn timeout() -> Duration {
    Duration::from_secs(60) * slowness()
}

/// The limit for all rounds together.
const LIMIT: Duration = Duration::from_secs(120);

/// Returns the factor for a time within which something has to be done: 10 on QEMU's emulated
/// processor, which its name identifies, 1 elsewhere.
pub(crate) fn slowness() -> u32 {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    if processors.contains("QEMU TCG CPU") { 10 } else { 1 }
}

/// Counts to `count`, or on a slow machine as far as the time limit allows, but at least to
/// `least`.
pub(crate) fn rounds(count: u32, least: u32) -> impl Iterator<Item = u32> {
    let end = Instant::now() + LIMIT;
    (0..count).take_while(move |&round| round < least || Instant::now() < end)
}
