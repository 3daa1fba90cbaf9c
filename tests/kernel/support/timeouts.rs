//! How long a test repeats what is the better test the more often it is done, and how long it
//! waits.

use std::fs;
use std::time::{Duration, Instant};

/// What happens at all has happened after this, even on a machine that is emulated or busy.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(60) * slowness()
}

/// Long enough for all of it, unless the machine is emulated.
const LIMIT: Duration = Duration::from_secs(120);

/// By how much a time is to be longer that something has to be done in: QEMU's emulated processor
/// is slower by this at least, and says by its name what it is.
pub(crate) fn slowness() -> u32 {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    if processors.contains("QEMU TCG CPU") { 10 } else { 1 }
}

/// Counts to `wanted`: on a slow machine as far as it gets in the time there is, but no less far
/// than `least`.
pub(crate) fn rounds(wanted: u32, least: u32) -> impl Iterator<Item = u32> {
    let end = Instant::now() + LIMIT;
    (0..wanted).take_while(move |&round| round < least || Instant::now() < end)
}
