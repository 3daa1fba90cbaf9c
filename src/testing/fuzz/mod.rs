//! The functions that the fuzz targets under `fuzz/` run, each with any bytes. They panic where the
//! crate panics, and where its results contradict each other.
//!
//! They are compiled where `cargo fuzz` sets `--cfg fuzzing`, and for the tests, which run them on
//! the corpora.

mod bpf;
mod cache;
mod codec;
mod values;

/// A target's name, which is that of its program and of its corpus, and what it runs.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 10] = [
    ("attribute", codec::attribute),
    ("bpf", bpf::program),
    ("cache", cache::cache),
    ("ctrl", codec::ctrl),
    ("frame", codec::frame),
    ("hash_fields", values::hash_fields),
    ("link", codec::link),
    ("names", values::names),
    ("option_value", values::option_value),
    ("team", codec::team),
];

/// Runs one target with one input.
///
/// # Panics
///
/// If there is no such target, and where the target finds a fault.
pub fn run(target: &str, input: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    assert!(found.is_some(), "there is no fuzz target {target}");
    if let Some((_, run)) = found {
        run(input);
    }
}

#[cfg(test)]
mod tests;
