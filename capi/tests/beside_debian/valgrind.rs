//! Memory errors: the C program and teamd under valgrind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::contract::program;
use crate::support::library::{Library, debian, libraries, original, scratch};
use crate::support::namespace::{cables, enter, ip};
use crate::support::process::Process;
use crate::support::wait::{is_full, wait_for};

/// Returns the command that runs a program with our library under valgrind, which writes what it
/// finds to files that begin with `log`.
fn under_valgrind(program: &Path, log: &Path, preload: Option<&Path>) -> Command {
    let root = original("valgrind", "valgrind");
    let own = libraries(&root);
    let paths = [Library::Ours.directory().to_owned()]
        .into_iter()
        .chain(own.clone())
        .chain(libraries(&debian()));
    let paths = std::env::join_paths(paths).unwrap();
    let mut command = Command::new(root.join("usr/bin/valgrind.bin"));
    command
        .env("VALGRIND_LIB", root.join("usr/libexec/valgrind"))
        .args([
            "--trace-children=no",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--num-callers=30",
        ])
        .arg(format!("--extra-debuginfo-path={}", root.join("usr/lib/debug").display()))
        .arg(format!("--log-file={}.%p", log.display()))
        .arg(
            own.iter()
                .map(|directory| directory.join("ld-linux-x86-64.so.2"))
                .find(|path| path.exists())
                .unwrap(),
        )
        .arg("--library-path")
        .arg(paths);
    if let Some(preload) = preload {
        command.arg("--preload").arg(preload);
    }
    command.arg(program);
    command
}

/// Returns the path with which the reports begin, in a directory without those of an earlier run.
fn log_of(name: &str) -> PathBuf {
    let directory = scratch(&format!("valgrind_{name}"));
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    directory.join("report")
}

/// Returns the reports that name our library, of processes that ended properly.
fn reports(log: &Path) -> (usize, Vec<String>) {
    let prefix = log.file_name().unwrap().to_string_lossy().into_owned();
    let mut ended = 0;
    let mut found = Vec::new();
    for entry in fs::read_dir(log.parent().unwrap()).unwrap().map(Result::unwrap) {
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
        ended += usize::from(text.contains("ERROR SUMMARY"));
        // A report is a paragraph.
        let blank = |line: &str| line.trim_end().ends_with("==");
        let mut paragraph = String::new();
        for line in text.lines().chain(["=="]) {
            if !blank(line) {
                paragraph += line;
                paragraph.push('\n');
                continue;
            }
            if paragraph.contains("libteam.so") && paragraph.contains(" at 0x") {
                found.push(std::mem::take(&mut paragraph));
            }
            paragraph.clear();
        }
        fs::remove_file(entry.path()).unwrap();
    }
    (ended, found)
}

#[test]
fn contract_program_has_no_memory_error_in_the_library() {
    let log = log_of("contract");
    let mut command = under_valgrind(program(), &log, None);
    if !is_full() {
        command.args(["handlers", "lookups", "deleted_port", "rtnl"]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("rtnl.end: reached"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (ended, found) = reports(&log);
    assert!(ended >= 5, "valgrind saw the end of {ended} processes only");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns a library that makes teamd leave valgrind's descriptors open.
fn keep_descriptors() -> PathBuf {
    let source =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/beside_debian/contract/keep_descriptors.c");
    let library = scratch("programs").join("keep_descriptors.so");
    let status =
        Command::new("cc").args(["-shared", "-fPIC", source, "-o"]).arg(&library).status().unwrap();
    assert!(status.success(), "{source} does not compile");
    library
}

#[test]
fn teamd_has_no_memory_error_in_the_library() {
    enter();
    cables(3);
    let log = log_of("teamd");
    let config = json!({
        "device": "team0",
        "runner": { "name": "activebackup" },
        "link_watch": { "name": "ethtool" },
        "ports": { "v0": {}, "v1": {} },
    });
    let mut command =
        under_valgrind(&debian().join("usr/bin/teamd"), &log, Some(&keep_descriptors()));
    command.args(["-t", "team0", "-c", &config.to_string()]);
    let mut teamd = Process::start(command, &scratch("output").join("teamd.valgrind"));
    let control = |words: &str| {
        let output = Library::Ours
            .command("teamdctl")
            .arg("team0")
            .args(words.split_whitespace())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let active = |port: &str| {
        wait_for(port, || {
            (control("state item get runner.active_port").1.trim() == port).then_some(())
        });
    };
    wait_for("an answer", || {
        assert_eq!(teamd.ended(), None, "{}", teamd.printed());
        control("state dump").0.then_some(())
    });
    active("v0");
    ip("link set p0 down");
    active("v1");
    assert!(control("port add v2").0);
    wait_for("v2", || control("state dump").1.contains("\"v2\"").then_some(()));
    ip("link del v0");
    assert!(control("port remove v2").0);
    ip("link del team0");
    teamd.wait();
    let (ended, found) = reports(&log);
    assert!(ended > 0, "valgrind did not see the end of teamd");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
