use std::fs::{File, Metadata, metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// The calling thread's own network namespace, as long as `/proc` is mounted.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// The calling thread's own network namespace; `None` where `/proc` does not show it.
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

/// Runs something in a network namespace. Where the calling thread is in that one already, it takes
/// no privilege.
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

/// Runs something in a network namespace; in the calling thread's own one if none is given.
///
/// The calling thread never moves. A thread that does the work there ends with it: there is no way
/// back that could fail, and nobody is left in the wrong namespace.
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
