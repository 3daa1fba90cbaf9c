//! Storms: everything that can happen to links, ports, options and teams, in a random order and at
//! full speed, while handles with small and large buffers follow and their handlers do things,
//! sleep and fail.
//!
//! Of every handle the test checks
//! - while the storm blows: that each change starts where the last one ended; that handlers are
//!   called once a batch, with what the caller gets; that nothing is told to be gone that was there
//!   all the time since the last batch, nor to be new that was not there at any time, by a log of
//!   who did what when;
//! - after each round, once it is quiet: that the cache is what a fresh handle and `ip -j -d link`
//!   see, that the sum of what was told is what is known, and that no link was told to be gone more
//!   often than it went.
//!
//! The long form, and one storm again (a failure prints the seed; what is drawn is the same then,
//! not who comes first):
//!
//! ```sh
//! LIBTEAM_STRESS_ROUNDS=2000 TEAM_KERNEL_TIMEOUT=7200 cargo test --release --test kernel storm -- --nocapture
//! LIBTEAM_STRESS_SEED=12345 LIBTEAM_STRESS_ROUNDS=7 cargo test --test kernel storm
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

use exclusions::Omission;
use log::Log;
use numbers::Numbers;
use round::Era;

/// How many rounds there are if nobody says.
const ROUNDS: u64 = 30;
/// How many of them one namespace sees.
const ROUNDS_OF_AN_ERA: u64 = 10;

fn variable(name: &str) -> Option<u64> {
    let value = env::var_os(name)?;
    Some(
        value
            .to_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{name} wants a number")),
    )
}

#[test]
fn whatever_happens_every_handle_ends_up_with_the_truth_and_tells_no_lie() {
    let rounds = variable("LIBTEAM_STRESS_ROUNDS").unwrap_or(ROUNDS);
    let seed = variable("LIBTEAM_STRESS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("LIBTEAM_STRESS_SEED={seed} LIBTEAM_STRESS_ROUNDS={rounds}");
    let omissions = Omission::on_this_kernel();
    if omissions != [Omission::Nothing; 2] {
        println!(
            "on this kernel no era has everything: one leaves out {:?}, the next {:?}",
            omissions[0], omissions[1]
        );
    }
    let log = Arc::new(Log::new());
    let mut numbers = Numbers::default();
    for number in 0..rounds.div_ceil(ROUNDS_OF_AN_ERA) {
        let seed = seed.wrapping_add(number);
        let omission = omissions[usize::from(seed % 2 == 0)];
        numbers +=
            era(seed, omission, ROUNDS_OF_AN_ERA.min(rounds - number * ROUNDS_OF_AN_ERA), &log);
        println!("seed {seed}: {numbers}");
    }
    println!("{:?}", log.counts());
    if rounds >= ROUNDS {
        assert!(
            numbers.resyncs > 0 && numbers.dropped > 0 && numbers.gone > 0,
            "a mere breeze: {numbers}"
        );
        let undone: Vec<_> = log.counts().into_iter().filter(|(_, (done, _))| *done == 0).collect();
        assert!(undone.is_empty(), "never done: {undone:?}");
    }
}

#[expect(clippy::print_stdout, reason = "a failure wants the seed")]
fn era(seed: u64, omission: Omission, rounds: u64, log: &Arc<Log>) -> Numbers {
    let mut era = Era::new(seed, omission, log);
    for round in 1..=rounds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| era.round(round == rounds))) {
            println!("{}", log.tail());
            println!("{}", era.description());
            println!(
                "round {round} failed; again: LIBTEAM_STRESS_SEED={seed} LIBTEAM_STRESS_ROUNDS={round}"
            );
            resume_unwind(panic);
        }
    }
    era.numbers
}
