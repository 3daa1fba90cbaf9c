//! The files to compare, and the programs that compare them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `libteam.so` that cargo built beside this test.
pub(crate) fn our_library() -> PathBuf {
    let library = env::current_exe().unwrap().with_file_name("libteam.so");
    assert!(
        library.is_file(),
        "{} is not built: cargo build -p libteam-capi does",
        library.display()
    );
    library
}

/// The root of Debian's packages libteam5 and libteam-dev, which the kernel runner downloads.
fn debian() -> PathBuf {
    let program = on_path("teamd", "libteam-utils");
    let root = program.parent().and_then(Path::parent).unwrap().join("root");
    assert!(root.is_dir(), "{} is not that which tests/kernel/run downloads", program.display());
    root
}

pub(crate) fn debian_library() -> PathBuf {
    let directories = fs::read_dir(debian().join("usr/lib")).unwrap();
    let libraries = directories.map(|entry| entry.unwrap().path().join("libteam.so.5"));
    libraries.into_iter().find(|library| library.exists()).expect("libteam5 has libteam.so.5")
}

/// The directory of Debian's `team.h`.
pub(crate) fn debian_include() -> PathBuf {
    let directory = debian().join("usr/include");
    assert!(directory.join("team.h").is_file(), "libteam-dev has team.h");
    directory
}

/// The directory of our `team.h`.
pub(crate) fn our_include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// The path of a program, which is in a Debian package.
pub(crate) fn on_path(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").expect("PATH is set");
    let found = env::split_paths(&path).map(|directory| directory.join(program));
    found.into_iter().find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{program}, of Debian's package {package}, is missing: tests/kernel/run downloads it where there is a network")
    })
}

/// A directory for a test's files.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi_{name}"));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// What a program prints; it has to succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
