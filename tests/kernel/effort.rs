//! How long a test repeats what is the better test the more often it is done.

use std::time::{Duration, Instant};

/// Long enough for all of it, unless the machine is emulated.
const LIMIT: Duration = Duration::from_secs(120);

/// Counts to `wanted`: on a slow machine as far as it gets in the time there is, but no less far than `least`.
pub(crate) fn rounds(wanted: u32, least: u32) -> impl Iterator<Item = u32> {
    let end = Instant::now() + LIMIT;
    (0..wanted).take_while(move |&round| round < least || Instant::now() < end)
}
