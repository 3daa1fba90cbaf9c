//! Measured alone: no other test of this program runs beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "it uses little of what the kernel tests share")]

#[path = "kernel/failovers.rs"]
mod failovers;
#[path = "kernel/support/mod.rs"]
mod support;
