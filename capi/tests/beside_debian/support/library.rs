//! The two libraries, and programs that are started with one of them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::wait::timeout;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// Debian's `libteam.so.5`, version 1.31.
    Debian,
    /// The `libteam.so` of this package.
    Ours,
}

impl Library {
    pub(crate) const BOTH: [Self; 2] = [Self::Debian, Self::Ours];

    /// Returns the directory that holds the file `libteam.so.5`.
    pub(crate) fn directory(self) -> &'static Path {
        static DIRECTORIES: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
        match self {
            Self::Debian => DIRECTORIES[0].get_or_init(|| libraries(&debian())[0].clone()),
            Self::Ours => DIRECTORIES[1].get_or_init(directory_of_ours),
        }
    }

    /// Returns a value of `LD_LIBRARY_PATH` with which a program of Debian's uses this library.
    pub(crate) fn search_path(self) -> OsString {
        let directories = [self.directory().to_owned()].into_iter().chain(libraries(&debian()));
        env::join_paths(directories).expect("no path holds a colon")
    }

    /// Returns how long to wait for what may not happen with Debian's library.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::Debian => Duration::from_secs(4),
            Self::Ours => timeout(),
        }
    }

    /// Returns the command that starts a program, by its name or path, with this library.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut path = PathBuf::from(program.as_ref());
        if path.components().count() == 1 {
            let own = debian().join("usr/bin").join(&path);
            path = if own.is_file() { own } else { on_path(&path.to_string_lossy(), "") };
        }
        let mut command = Command::new(path);
        command.env("LD_LIBRARY_PATH", self.search_path());
        command
    }
}

/// Returns the root of Debian's packages libteam5, libteam-dev and libteam-utils.
pub(crate) fn debian() -> PathBuf {
    original("teamd", "libteam-utils")
}

/// Returns the root of the packages that `tests/kernel/run` unpacked for a program.
pub(crate) fn original(program: &str, package: &str) -> PathBuf {
    let wrapper = on_path(program, package);
    let root = wrapper.parent().and_then(Path::parent).map(|directory| directory.join("root"));
    root.filter(|root| root.is_dir()).unwrap_or_else(|| {
        panic!(
            "{} is not that of Debian's package {package} which tests/kernel/run downloads",
            wrapper.display()
        )
    })
}

/// Returns the path of a program, which is in a Debian package.
pub(crate) fn on_path(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").expect("PATH is set");
    // An ordinary user's PATH lacks the last.
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "{program}, of Debian's package {package}, is not on the PATH: tests/kernel/run downloads it where there is a \
             network, or the package can be installed"
        )
    })
}

/// Returns the directories of shared libraries below a root.
pub(crate) fn libraries(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["usr/lib", "lib"]
        .iter()
        .filter_map(|directory| fs::read_dir(root.join(directory)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
        .collect();
    found.sort_by_key(|path| !path.join("libteam.so.5").exists());
    found
}

/// Makes the directory in which the `libteam.so` that cargo built has the name by which programs
/// look for it.
fn directory_of_ours() -> PathBuf {
    let own = env::current_exe().expect("this test is a file");
    let built = own.with_file_name("libteam.so");
    assert!(built.is_file(), "{} is not built: cargo build -p libteam-capi does", built.display());
    let directory = scratch("library");
    let link = directory.join("libteam.so.5");
    // It is left from an earlier run, or another test made it at the same time.
    if fs::read_link(&link).ok().as_ref() != Some(&built) {
        let _ = fs::remove_file(&link);
        let _ = symlink(&built, &link);
    }
    assert_eq!(fs::read_link(&link).unwrap(), built);
    directory
}

/// Returns a directory for a test's files, below the one that cargo has for tests.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("beside_debian_{name}"));
    fs::create_dir_all(&directory).unwrap();
    directory
}
