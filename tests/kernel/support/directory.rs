//! A temporary directory for one test.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use nix::unistd::mkdtemp;

/// A new directory, which is removed when this is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Returns a directory in which sockets can be created.
    pub(crate) fn for_sockets() -> Self {
        Self::below(Path::new("/run"))
    }

    /// Returns a directory from which programs can be executed. The test kernel and the machine
    /// share its files, other test kernels too.
    pub(crate) fn for_programs() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Self {
        Self(mkdtemp(&parent.join("libteam-test-XXXXXX")).expect("mkdtemp"))
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
