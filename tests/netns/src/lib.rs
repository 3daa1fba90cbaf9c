//! Network namespaces for tests and for the examples in the documentation.

#![allow(clippy::panic, reason = "a test fails if its namespace cannot be created")]

use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread to a new network namespace that contains only a loopback link, which is
/// down.
///
/// # Panics
///
/// Without `CAP_SYS_ADMIN`.
pub fn enter() {
    unshare(CloneFlags::CLONE_NEWNET)
        .unwrap_or_else(|error| panic!("creating a network namespace: {error}"));
}

/// Runs a command: a program and its arguments, with single spaces between them.
///
/// # Panics
///
/// If the command cannot be started or fails.
pub fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap_or_default()).args(words).status();
    let status = status.unwrap_or_else(|error| {
        panic!("{command}: {error} (ip and tc are in the package iproute2)")
    });
    assert!(status.success(), "{command} failed: {status}");
}
