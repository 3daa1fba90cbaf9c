//! A network namespace of the program's own.

use std::io;

use libteam::BoxError;
use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread, and those that it starts from now on, into a new network namespace.
pub(crate) fn enter_new_namespace() -> Result<(), BoxError> {
    let entered = unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
    entered.map_err(|error| {
        format!("cannot make a network namespace, which needs CAP_SYS_ADMIN: {error}").into()
    })
}
