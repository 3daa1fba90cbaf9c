use std::io;
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs something in a network namespace; in the calling thread's own one if none is given.
///
/// The calling thread never moves. A thread that does the work there ends with it: there is no way back that could
/// fail, and nobody is left in the wrong namespace.
pub(crate) fn within<R: Send>(
    namespace: Option<BorrowedFd<'_>>,
    run: impl FnOnce() -> io::Result<R> + Send,
) -> io::Result<R> {
    let Some(namespace) = namespace else { return run() };
    thread::scope(|scope| {
        let guest = thread::Builder::new().name("libteam-netns".to_owned()).spawn_scoped(scope, || {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
            run()
        })?;
        guest.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
