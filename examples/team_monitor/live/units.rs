//! Quantities with units.

use std::time::Duration;

/// Formats a speed in bits per second.
pub(crate) fn speed(mbps: u32) -> String {
    scaled(u64::from(mbps), &["Mb/s", "Gb/s", "Tb/s"])
}

pub(crate) fn bytes(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Formats thousandths with one decimal.
pub(crate) fn thousandths(count: u64) -> String {
    let tenths = count.saturating_add(50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Formats an age.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds / 60),
        6000..360_000 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Formats a value in the largest unit that leaves a digit before the point, with at most three
/// digits. Each unit is a thousand of the one before.
fn scaled(value: u64, units: &[&str]) -> String {
    let (mut whole, mut thousandths, mut units) = (value, 0, units.iter());
    let mut unit = units.next();
    while whole >= 1000 {
        let Some(larger) = units.next() else { break };
        (whole, thousandths, unit) = (whole / 1000, whole % 1000, Some(larger));
    }
    let unit = unit.copied().unwrap_or_default();
    let digits = match whole {
        ..10 => format!("{whole}.{:02}", thousandths / 10),
        10..100 => format!("{whole}.{}", thousandths / 100),
        _ => format!("{whole}."),
    };
    format!("{} {unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}
