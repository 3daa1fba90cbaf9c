//! The field's own scenario: `cargo bench --bench flapping`, and a short form with `-- --short`.
//!
//! Several teams carry many VLANs, all of which flap while ports come and go; each follower of the
//! teams must be right afterwards. And one process follows hundreds of small teams, against one
//! process for each. Followers are this crate with each scope, a program on the C library and
//! teamd; the latter two also with this project's libteam.so.5, if `TEAM_BENCH_LIBTEAM` names it.
//!
//! `--calm` is the control: only the last changes are made, without any flapping before. A follower
//! that is not right then is compared wrongly, and its row of the other runs says nothing.
//!
//! `cargo bench --bench flapping -- vlans` runs only that part; the other one is processes. The
//! benchmark ends with an error if this crate is not right in time, or ever reported something
//! wrong.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../common/c_library.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod c_library;
#[path = "../common/follow.rs"]
mod follow;
#[path = "../common/follower.rs"]
mod follower;
mod kernel_alone;
#[path = "../../tests/kernel/support/netns.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests, which use all of it")]
mod netns;
#[path = "../common/process.rs"]
mod process;
mod processes;
#[path = "../../tests/kernel/support/raw.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests, which use all of it")]
mod raw;
mod scene;
mod teamd;
mod vlans;

use std::env;
use std::process::ExitCode;

/// The size of the scenario.
#[derive(Clone, Copy, Debug)]
struct Size {
    teams: u16,
    vlans: u16,
    seconds: u64,
    /// How many seconds a follower may take once the kernel is quiet.
    patience: u64,
    /// The small teams of the second part.
    small_teams: usize,
}

const LONG: Size = Size { teams: 8, vlans: 250, seconds: 20, patience: 40, small_teams: 256 };
const SHORT: Size = Size { teams: 2, vlans: 25, seconds: 1, patience: 2, small_teams: 8 };

fn main() -> ExitCode {
    // What cargo adds begins with dashes.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [follow::ARGUMENT, ref rest @ ..] => {
            follow::run(rest);
            return ExitCode::SUCCESS;
        }
        [kernel_alone::ARGUMENT, ..] => {
            kernel_alone::run();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let has = |option: &str| words.iter().any(|word| word == option);
    let mut size = if has("--short") { SHORT } else { LONG };
    if has("--calm") {
        size.seconds = 0;
    }
    let parts: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| *word == part);
    let mut holds = true;
    if is_wanted("vlans") {
        holds &= vlans::measure(size);
    }
    if is_wanted("processes") {
        holds &= processes::measure(size);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
