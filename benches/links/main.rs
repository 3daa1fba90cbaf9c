//! Listing links and receiving their events on the kernel that the machine runs, against
//! libnl-route: `cargo bench --bench links`. `benches/compare` has other crates beside them.
//!
//! It needs no team driver, so the runner takes the running kernel if that gives network
//! namespaces, else the test kernel.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../common/c_library.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod c_library;
#[path = "../common/links.rs"]
mod links;
#[path = "../common/netlink.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod netlink;
#[path = "../../tests/kernel/support/netns.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod netns;
#[path = "../../tests/kernel/support/raw.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod raw;
#[path = "../common/receive.rs"]
mod receive;
#[path = "../common/sample.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod sample;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let table = links::measure(Vec::new);
    println!("{table}");
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
