//! What the fuzz targets of this package run, each with any bytes. A target panics where the
//! library does, and where its result differs from a second statement of the rule.
//!
//! Compiled where `cargo fuzz` sets `--cfg fuzzing`, and for the tests, which run the corpora.

mod format;
mod option_value;

use std::ffi::{CStr, CString};

/// A target's name, which is that of its program and of its corpus, and its function.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 2] =
    [("capi_format", format::format), ("capi_option_value", option_value::option_value)];

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

/// Splits an input after its first C string, which a NUL or the end of the input ends.
fn split_text(input: &[u8]) -> (CString, &[u8]) {
    match CStr::from_bytes_until_nul(input) {
        Ok(text) => (text.to_owned(), input.get(text.count_bytes() + 1..).unwrap_or_default()),
        Err(_) => (CString::new(input).unwrap_or_default(), &[]),
    }
}

#[cfg(test)]
mod tests;
