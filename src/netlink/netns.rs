use std::fs::{File, Metadata, metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// The file of the calling thread's network namespace, if `/proc` is mounted.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// Returns the calling thread's network namespace, or `None` if `/proc` does not show it.
pub(crate) fn current() -> io::Result<Option<File>> {
    match File::open(CURRENT) {
        Ok(namespace) => Ok(Some(namespace)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Runs a function in a network namespace; no privilege is needed if the thread is already there.
pub(crate) fn run_in_if_needed<R: Send>(
    namespace: &File,
    run: impl FnOnce() -> io::Result<R> + Send,
) -> io::Result<R> {
    let identity = |file: &Metadata| (file.dev(), file.ino());
    match (namespace.metadata(), metadata(CURRENT)) {
        (Ok(there), Ok(here)) if identity(&there) == identity(&here) => run(),
        _ => run_in(Some(namespace.as_fd()), run),
    }
}

/// Runs a function in a network namespace, or in that of the calling thread for `None`.
///
/// A temporary thread enters the namespace and runs the function. The calling thread stays in its
/// own namespace, so that no return to it can fail.
pub(crate) fn run_in<R: Send>(
    namespace: Option<BorrowedFd<'_>>,
    run: impl FnOnce() -> io::Result<R> + Send,
) -> io::Result<R> {
    let Some(namespace) = namespace else { return run() };
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("libteam-netns".to_owned()).spawn_scoped(scope, || {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                run()
            })?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
