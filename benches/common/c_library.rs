//! Programs that use a C library.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Names a directory with the C libraries, their headers and teamd, for machines that do not have
/// them installed. The runner sets it.
const ROOT_VARIABLE: &str = "TEAM_BENCH_C_LIBRARY";

/// The directory under which the C library and its programs are installed.
pub(crate) fn root() -> PathBuf {
    env::var_os(ROOT_VARIABLE).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

pub(crate) struct CLibrary {
    program: PathBuf,
}

impl CLibrary {
    /// Compiles a program of `benches/c/` with these libraries.
    pub(crate) fn build(name: &str, libraries: &[&str]) -> Self {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/c").join(name).with_extension("c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(source);
        let root = root();
        compiler
            .arg("-I")
            .arg(root.join("usr/include"))
            .arg("-I")
            .arg(root.join("usr/include/libnl3"));
        if root != Path::new("/") {
            for place in
                ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|place| root.join(place))
            {
                compiler.arg("-L").arg(&place);
                compiler.arg(format!("-Wl,-rpath,{0},-rpath-link,{0}", place.display()));
            }
        }
        // A RUNPATH would not apply to the libraries that these libraries need.
        compiler
            .arg("-Wl,--disable-new-dtags")
            .args(libraries.iter().map(|library| format!("-l:{library}")));
        let status = compiler.status().expect("cc, which Rust links with, is installed");
        assert!(
            status.success(),
            "{name}.c does not compile: are libteam-dev and libnl-route-3-dev installed?"
        );
        Self { program }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the program with these words; returns how long each thing took that it did.
    pub(crate) fn run(&self, words: &[String]) -> Vec<Duration> {
        let mut command = Command::new(&self.program);
        command.args(words);
        // As large a receive buffer as this crate asks for.
        let output = command.env("TEAM_EVENT_BUFSIZE", "1048576").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {stderr}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| Duration::from_nanos(line.parse().expect("a number of nanoseconds")))
            .collect()
    }
}
