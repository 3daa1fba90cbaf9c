//! Network namespaces for tests and for the examples in the documentation.

#![allow(clippy::panic, reason = "a test ends where its scene cannot be made")]

use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread to a new network namespace, in which only a loopback link exists, and
/// that is down.
///
/// # Panics
///
/// Without `CAP_SYS_ADMIN`.
pub fn enter() {
    unshare(CloneFlags::CLONE_NEWNET)
        .unwrap_or_else(|error| panic!("no new network namespace: {error}"));
}

/// Runs a command: a program and its arguments, with single spaces between them.
///
/// # Panics
///
/// If it cannot be started or fails.
pub fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap_or_default()).args(words).status();
    let status = status.unwrap_or_else(|error| {
        panic!("{command}: {error} (ip and tc are in the package iproute2)")
    });
    assert!(status.success(), "{command}: {status}");
}
