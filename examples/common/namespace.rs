//! A network namespace for the program alone.

use std::io;

use libteam::BoxError;
use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread, and the threads that it starts later, into a new network namespace.
pub(crate) fn enter_new_namespace() -> Result<(), BoxError> {
    let entered = unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
    entered.map_err(|error| {
        format!("creating a network namespace (requires CAP_SYS_ADMIN): {error}").into()
    })
}
