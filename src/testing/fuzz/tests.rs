use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{TARGETS, run};

/// A directory under `fuzz/`, which no packed crate has.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name);
    assert!(path.is_dir(), "{} is missing: this test runs in the repository only", path.display());
    path
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn stems(directory: &Path) -> BTreeSet<String> {
    files(directory)
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The targets of this package in a directory: capi/ tests its own.
fn targets_in(name: &str) -> BTreeSet<String> {
    stems(&directory(name)).into_iter().filter(|name| !name.starts_with("capi_")).collect()
}

#[test]
fn each_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets_in("fuzz_targets"), targets);
    assert_eq!(targets_in("corpus"), targets);
}

/// Runs a target with each file of a directory, and returns how many there are.
fn play(target: &str, directory: &Path) -> usize {
    let inputs = files(directory);
    for input in &inputs {
        let bytes = fs::read(input).unwrap();
        let played = std::panic::catch_unwind(|| run(target, &bytes));
        assert!(played.is_ok(), "{} makes {target} panic", input.display());
    }
    inputs.len()
}

#[test]
fn corpora_find_no_fault() {
    for (target, _) in TARGETS {
        assert!(
            play(target, &directory("corpus").join(target)) > 0,
            "the corpus of {target} is empty"
        );
    }
}

#[test]
fn regressions_find_no_fault() {
    for target in targets_in("regressions") {
        let regressions = directory("regressions").join(&target);
        assert!(play(&target, &regressions) > 0, "{} is empty", regressions.display());
    }
}
