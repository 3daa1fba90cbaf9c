//! A directory that one test has for itself, whatever runs beside it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use nix::unistd::mkdtemp;

/// A new directory, which goes with this.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Where a socket can be.
    pub(crate) fn for_sockets() -> Self {
        Self::below(Path::new("/run"))
    }

    /// Where a program can be run. The test kernel and the machine see the same files there, other
    /// test kernels too.
    pub(crate) fn for_programs() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Self {
        Self(mkdtemp(&parent.join("libteam-test-XXXXXX")).expect("a directory can be made"))
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
