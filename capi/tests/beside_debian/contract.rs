//! A C program that exercises every function and every rule of the C interface, on both libraries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::library::{Library, debian, libraries, scratch};

const SOURCE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/beside_debian/contract/contract.c");

/// The cases whose results differ on purpose: lines of a name, a colon and the reason.
const ALLOWED: &str = include_str!("contract/allowed.txt");

/// Compiles a C program against Debian's header and library, as an unmodified program is.
pub(crate) fn compile(source: &str, name: &str) -> PathBuf {
    let program = scratch("programs").join(name);
    let root = debian();
    let output = Command::new("cc")
        .args(["-g", "-O1", "-Wall", "-Wno-deprecated-declarations"])
        .arg(format!("-I{}", root.join("usr/include").display()))
        .args([source, "-o"])
        .arg(&program)
        .args(libraries(&root).iter().map(|directory| format!("-L{}", directory.display())))
        .args(
            libraries(&root)
                .iter()
                .map(|directory| format!("-Wl,-rpath-link,{}", directory.display())),
        )
        .arg("-l:libteam.so.5")
        .output()
        .expect("cc, of Debian's package gcc, which Rust links with, starts");
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    program
}

pub(crate) fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile(SOURCE, "contract"))
}

/// Runs the program and returns what it prints: the results by case.
fn results(library: Library) -> BTreeMap<String, String> {
    let output = library.command(program()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{library:?}: {}\n{text}{errors}", output.status);
    let line = |line: &str| {
        let (case, result) = line.split_once(": ").or_else(|| line.split_once(':'))?;
        Some((case.to_owned(), result.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn results_differ_only_where_allowed() {
    let [debian, ours] = std::thread::scope(|scope| {
        Library::BOTH
            .map(|library| scope.spawn(move || results(library)))
            .map(|thread| thread.join().unwrap())
    });
    assert!(debian.len() > 300, "only {} results", debian.len());
    let allowed: BTreeMap<&str, &str> = ALLOWED
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(": ").expect("a line has a case, a colon and a reason"))
        .collect();
    let cases: std::collections::BTreeSet<&String> = debian.keys().chain(ours.keys()).collect();
    let mut wrong = Vec::new();
    let mut differing = Vec::new();
    for case in cases {
        let [debian, ours] =
            [&debian, &ours].map(|results| results.get(case).map_or("(nothing)", String::as_str));
        if debian == ours {
            continue;
        }
        let why = allowed.get(&**case);
        eprintln!(
            "{case}\n  Debian's: {debian}\n  ours:     {ours}\n  ({})",
            why.unwrap_or(&"NOT ALLOWED")
        );
        differing.push(&**case);
        wrong.extend(why.is_none().then_some(case));
    }
    eprintln!("{} results, {} of which differ", debian.len(), differing.len());
    assert!(wrong.is_empty(), "the libraries differ in {wrong:#?}");
    let stale: Vec<&&str> = allowed.keys().filter(|case| !differing.contains(*case)).collect();
    assert!(
        stale.is_empty(),
        "the libraries do not differ in {stale:#?}, which the file of differences lists"
    );
}
