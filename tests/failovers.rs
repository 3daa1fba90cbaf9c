//! The failovers of `tests/kernel/failovers.rs`, measured in a process without other tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "this uses little of the kernel tests' helpers")]

#[path = "kernel/failovers.rs"]
mod failovers;
#[path = "kernel/support/mod.rs"]
mod support;
