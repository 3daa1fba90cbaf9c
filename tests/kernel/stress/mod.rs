//! Stress test: several threads change links, ports, options and teams at random and at full
//! speed, while handles with small and large receive buffers follow, and their change handlers send
//! commands, sleep and fail.
//!
//! For every handle the test checks
//! - during a round: that each change starts where the previous one ended; that handlers are called
//!   once per batch, with the changes that the caller gets; that no object is reported as removed
//!   that existed during the whole time since the last batch, and none as added that did not exist
//!   at any time, according to a log of all actions with their times;
//! - after each round, once the kernel is quiet: that the cache equals that of a fresh handle and
//!   `ip -j -d link`, that all reported changes add up to the cache, and that no link was reported
//!   as removed more often than the kernel deleted it.
//!
//! The long form, and a repetition of one round (a failure prints the seed; the seed gives the same
//! actions, but the threads may interleave differently):
//!
//! ```sh
//! LIBTEAM_STRESS_ROUNDS=2000 TEAM_KERNEL_TIMEOUT=7200 cargo test --release --test kernel stress -- --nocapture
//! LIBTEAM_STRESS_SEED=12345 LIBTEAM_STRESS_ROUNDS=7 cargo test --test kernel stress
//! ```

mod action;
mod check;
mod convergence;
mod exclusions;
mod handler;
mod log;
mod monitor;
mod numbers;
mod observer;
mod plan;
mod round;
mod slot;
mod world;
mod writer;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use exclusions::Exclusion;
use log::Log;
use numbers::Numbers;
use round::Era;

/// The number of rounds by default.
const ROUNDS: u64 = 30;
/// The number of rounds in one network namespace.
const ROUNDS_OF_AN_ERA: u64 = 10;

fn variable(name: &str) -> Option<u64> {
    let value = env::var_os(name)?;
    Some(
        value
            .to_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{name} is not a number")),
    )
}

#[test]
fn handles_converge_under_random_changes() {
    let rounds = variable("LIBTEAM_STRESS_ROUNDS").unwrap_or(ROUNDS);
    let seed = variable("LIBTEAM_STRESS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("LIBTEAM_STRESS_SEED={seed} LIBTEAM_STRESS_ROUNDS={rounds}");
    let exclusions = Exclusion::for_this_kernel();
    if exclusions != [Exclusion::Nothing; 2] {
        println!(
            "on this kernel no era has every action: one excluded {:?}, the next {:?}",
            exclusions[0], exclusions[1]
        );
    }
    let log = Arc::new(Log::new());
    let mut numbers = Numbers::default();
    for number in 0..rounds.div_ceil(ROUNDS_OF_AN_ERA) {
        let seed = seed.wrapping_add(number);
        let exclusion = exclusions[usize::from(seed % 2 == 0)];
        numbers +=
            era(seed, exclusion, ROUNDS_OF_AN_ERA.min(rounds - number * ROUNDS_OF_AN_ERA), &log);
        println!("seed {seed}: {numbers}");
    }
    println!("{:?}", log.counts());
    if rounds >= ROUNDS {
        assert!(
            numbers.resyncs > 0 && numbers.dropped > 0 && numbers.gone > 0,
            "too few losses and deletions: {numbers}"
        );
        let undone: Vec<_> = log.counts().into_iter().filter(|(_, (done, _))| *done == 0).collect();
        assert!(undone.is_empty(), "actions that never succeeded: {undone:?}");
    }
}

#[expect(clippy::print_stdout, reason = "a failure reports the seed")]
fn era(seed: u64, exclusion: Exclusion, rounds: u64, log: &Arc<Log>) -> Numbers {
    let mut era = Era::new(seed, exclusion, log);
    for round in 1..=rounds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| era.round(round == rounds))) {
            println!("{}", log.tail());
            println!("{}", era.description());
            println!(
                "round {round} failed; to repeat it: LIBTEAM_STRESS_SEED={seed} LIBTEAM_STRESS_ROUNDS={round}"
            );
            resume_unwind(panic);
        }
    }
    era.numbers
}
