//! The library file and its header, beside those of Debian's libteam 1.31.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod files;
mod header;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use files::{debian_library, on_path, our_library, output, scratch};

/// The symbols that a library defines, each with its kind.
fn symbols(library: &Path) -> BTreeSet<String> {
    let listed = output(Command::new("nm").args(["-D", "--defined-only", "-P"]).arg(library));
    listed
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn exported_symbols_are_debians() {
    let (ours, debians) = (symbols(&our_library()), symbols(&debian_library()));
    assert_eq!(ours, debians);
    assert_eq!(ours.len(), 109);
    assert!(ours.iter().all(|symbol| symbol.starts_with("team_") && symbol.ends_with(" T")));
    // nm appends a version with `@`.
    assert!(ours.iter().all(|symbol| !symbol.contains('@')), "they have no versions");
}

fn dynamic(library: &Path, tag: &str) -> Vec<String> {
    let listed = output(Command::new("readelf").args(["-d", "-W"]).arg(library));
    let lines = listed.lines().filter(|line| line.contains(tag));
    lines.map(|line| line.split(['[', ']']).nth(1).unwrap().to_owned()).collect()
}

#[test]
fn soname_is_debians() {
    let soname = dynamic(&our_library(), "(SONAME)");
    assert_eq!(soname, ["libteam.so.5"]);
    assert_eq!(soname, dynamic(&debian_library(), "(SONAME)"));
}

#[test]
fn library_needs_only_the_c_library() {
    let needed = dynamic(&our_library(), "(NEEDED)");
    let known = |name: &String| {
        ["libc.so.", "libgcc_s.so.", "ld-linux"].iter().any(|known| name.starts_with(known))
    };
    assert!(!needed.is_empty() && needed.iter().all(known), "{needed:?}");
}

#[test]
fn abidiff_finds_no_incompatible_change() {
    // Debian's file has no debug information: with that of ours, abidiff would compare the types of
    // one with nothing.
    let stripped = scratch("abidiff").join("libteam.so.5");
    output(Command::new("strip").arg("-o").arg(&stripped).arg(our_library()));
    let report = Command::new(on_path("abidiff", "abigail-tools"))
        .arg(debian_library())
        .arg(&stripped)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert_eq!(report.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&report.stderr));
}
