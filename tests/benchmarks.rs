//! When a bar of the benchmarks fails: `benches/common`.

#![allow(clippy::expect_used, reason = "tests")]

#[path = "../benches/common/sample.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use all of it")]
mod sample;
#[path = "../benches/common/table.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use all of it")]
mod table;

use std::time::Duration;

use sample::Samples;
use table::{Bar, Compared, Row, Table};

fn samples(micros: &[u64]) -> Samples {
    let mut samples = Samples::default();
    for micros in micros {
        samples.add(Duration::from_micros(*micros));
    }
    samples
}

/// This crate with these times, against a limit of 100 µs and a C library of 400 µs.
fn times(ours: &[u64]) -> Compared {
    Compared {
        ours: samples(ours),
        limit: samples(&vec![100; ours.len()]),
        c_library: samples(&vec![400; ours.len()]),
        others: Vec::new(),
    }
}

fn row(limit: Bar, c_library: Bar) -> Row {
    Row { what: "thing".to_owned(), links: 0, limit, c_library }
}

/// Whether the table holds after these measurements, and how many of them were made.
fn judge(row: &Row, measurements: &[&[u64]]) -> (bool, usize) {
    let (mut table, mut rest) = (Table::new(), measurements.iter());
    table.compare(row, || times(rest.next().expect("no further measurement is expected")));
    (table.holds(), measurements.len() - rest.len())
}

#[test]
fn ratio_within_its_bar_is_measured_once() {
    assert_eq!(judge(&row(Bar::AtMost(1.35), Bar::None), &[&[134; 5]]), (true, 1));
    assert_eq!(judge(&row(Bar::None, Bar::AtLeast(3.0)), &[&[130; 5]]), (true, 1));
}

#[test]
fn ratio_beyond_its_bar_within_its_spread_holds() {
    // The median is 1.36, the quartiles 1.33 and 1.39.
    let spread = [&[130, 133, 136, 139, 142][..]];
    assert_eq!(judge(&row(Bar::AtMost(1.35), Bar::None), &spread), (true, 1));
    // The median is 2.94, the quartiles 2.88 and 3.01.
    assert_eq!(judge(&row(Bar::None, Bar::AtLeast(2.95)), &spread), (true, 1));
}

#[test]
fn ratio_beyond_its_bar_is_measured_again() {
    let bar = row(Bar::AtMost(1.35), Bar::None);
    assert_eq!(judge(&bar, &[&[140; 5], &[130; 5]]), (true, 2));
    assert_eq!(judge(&bar, &[&[140; 5], &[140; 5]]), (false, 2));
    let bar = row(Bar::None, Bar::AtLeast(4.0));
    assert_eq!(judge(&bar, &[&[140; 5], &[140; 5]]), (false, 2));
}

#[test]
fn only_the_row_that_fails_is_measured_again() {
    let rows = [row(Bar::AtMost(1.35), Bar::None), row(Bar::AtMost(1.1), Bar::None)];
    let (mut table, mut asked) = (Table::new(), Vec::new());
    let kept = table.compare_all(&rows, |places| {
        asked.push(places.to_vec());
        places.iter().map(|_| times(if asked.len() == 1 { &[120; 5] } else { &[105; 5] })).collect()
    });
    assert_eq!(asked, [vec![0, 1], vec![1]]);
    assert!(table.holds());
    let medians: Vec<u32> = kept
        .iter()
        .map(|times| format!("{:.0}", times.ours.seconds() * 1e6).parse().unwrap())
        .collect();
    assert_eq!(medians, [120, 105]);
}

#[test]
fn fact_that_does_not_hold_fails() {
    let mut table = Table::new();
    table.fact_beside("memory", "200 bytes", "300 bytes", true);
    assert!(table.holds());
    table.fact("memory", "300 bytes", false);
    assert!(!table.holds());
}

#[test]
fn table_is_markdown_with_a_cell_for_each_column() {
    let mut table = Table::with("links", "libnl-route", &["other"]);
    table.compare(&row(Bar::AtMost(1.35), Bar::AtLeast(2.0)), || Compared {
        others: vec![samples(&[250; 5])],
        ..times(&[125; 5])
    });
    table.fact("fact", "found", true);
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "| what | links | this crate | the limit | libnl-route | other | x the limit | libnl-route / this crate \
         | other / this crate |"
    );
    assert_eq!(
        lines[2],
        "| thing | 0 | 125 µs ±0% | 100 µs ±0% | 400 µs ±0% | 250 µs ±0% | 1.25 ±0.00 (≤ 1.35) | 3.20 ±0.00 (≥ 2) \
         | 2.00 |"
    );
    assert!(lines.iter().all(|line| line.matches('|').count() == 10), "{text}");
}
