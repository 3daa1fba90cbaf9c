//! Programs that use libteam, unmodified, on this library beside Debian's own in the same kernel.
//! `cargo test` starts the tests through `tests/kernel/run`, which brings the kernel, Debian's
//! library and the programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "tests"
)]

mod support;

mod contract;
mod daemon;
mod lacp;
mod load;
mod runners;
mod teamnl;
mod valgrind;
mod watches;
