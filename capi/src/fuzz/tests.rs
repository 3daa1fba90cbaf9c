use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{TARGETS, run};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The targets of this package in a directory: the other targets are the library's.
fn targets_in(name: &str) -> BTreeSet<String> {
    let names = files(&directory(name));
    let names = names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("capi_")).collect()
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
fn each_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets_in("fuzz_targets"), targets);
    assert_eq!(targets_in("corpus"), targets);
}

#[test]
fn corpora_have_no_fault() {
    for (target, _) in TARGETS {
        let count = play(target, &directory("corpus").join(target));
        assert!(count > 0, "the corpus of {target} is empty");
    }
}

#[test]
fn regressions_have_no_fault() {
    for target in targets_in("regressions") {
        let count = play(&target, &directory("regressions").join(&target));
        assert!(count > 0, "the regressions of {target} are empty");
    }
}
