//! Plays every short sequence of changes, faults and calls to a real handle whose kernel is the
//! model.
//!
//! # Properties
//!
//! - **Safety**: nothing that exists is reported as removed, and nothing is reported that never
//!   was. Each report of a thing is a state that the thing had at the moment of the report before or
//!   later, so reports do not go back in time either ([`reports`]).
//! - **Eventual consistency**: once the kernel is quiet, at most [`MAX_CALLS`] calls of
//!   `handle_events`, each made because the descriptor is readable, make the cache equal to the
//!   kernel's state, and the reports add up to it. Only a link without a master may be missing that
//!   a list skipped without a mark, or in each attempt with one: no library can know of it.
//!
//! # Alphabet
//!
//! The namespace has the team, two links that come and go, and a link that never changes. The team
//! has one port at most, one option, and one option of the port ([`action`]).
//!
//! - Another process creates, deletes, renames, enslaves or releases a link, or sets an option.
//! - Either event socket loses notifications.
//! - The program handles events, refreshes, or sends a command.
//! - All of the above, except calls, also happen at each system call of a call. That interrupts
//!   dumps. Besides, a read ends early there: the receive fails, or signals use up all that one call
//!   reads. Or a reply comes too late.
//! - Between two calls the last event that waits becomes one that is too long or cannot be decoded,
//!   or another process sends a forged event.
//!
//! Opening the handle is the first call of each sequence, and is not counted. Each other letter
//! counts once, so a call during which one thing happens is two letters. A call that reads a part of
//! the events is one letter.
//!
//! # States
//!
//! Sequences that lead to the same state of the kernel's model, the session, the queues and the
//! reports go on as one ([`search`]). Of two points of a call between which a happening makes no
//! difference, one is played. A run at a lower depth that does neither has to find the same states.
//!
//! # Depth
//!
//! `cargo test` plays sequences of [`DEPTH`] letters. The environment variable
//! `LIBTEAM_EXHAUSTIVE_DEPTH` sets another number; the output has the numbers of states and
//! sequences:
//!
//! ```console
//! $ LIBTEAM_EXHAUSTIVE_DEPTH=4 cargo test --release --lib testing::exhaustive -- --nocapture
//! ```
//!
//! `tests/mutations/run` breaks the library in many ways and checks that this enumeration finds
//! each.

mod action;
mod case;
mod reports;
mod search;

use std::time::Instant;

use self::search::{Pruning, search};
use crate::model::link_scope::LinkScope;
use crate::testing::kernel::event::Setting;

/// The result of a check: what is wrong.
type Verdict = Result<(), String>;

/// How many letters each sequence has at most, unless the environment says otherwise.
const DEPTH: usize = 2;

/// How often the program calls `handle_events` at most until the cache is right. The first call may
/// return an error that came behind what an earlier call read.
const MAX_CALLS: u32 = 2;

fn depth() -> usize {
    let depth = std::env::var("LIBTEAM_EXHAUSTIVE_DEPTH");
    depth.map_or(DEPTH, |depth| depth.parse().expect("LIBTEAM_EXHAUSTIVE_DEPTH is a number"))
}

/// A handle that follows all links, on a kernel that continues a dump by position, as older kernels
/// do, and thus skips links. Each receive reads one datagram.
fn all_links() -> Setting {
    Setting {
        events: 8,
        answers: 0,
        items: 2,
        attempts: 2,
        batch: 1,
        team_is_up: true,
        mode: 0,
        ports: 0,
        dumps_by_position: true,
        scope: LinkScope::All,
        filter_memory: usize::MAX,
    }
}

/// A handle that follows the team's links, where the team is down, so that the kernel announces no
/// carrier. Each receive reads many datagrams.
fn links_of_team() -> Setting {
    Setting {
        batch: 8,
        attempts: 1,
        team_is_up: false,
        dumps_by_position: false,
        scope: LinkScope::Team,
        ..all_links()
    }
}

fn check_all_sequences(name: &str, setting: Setting) {
    let (start, depth) = (Instant::now(), depth());
    match search(setting, depth, Pruning::On) {
        Ok(found) => eprintln!(
            "{name}: depth {depth}, {} states, {} sequences, {:.1} s",
            found.states.len(),
            found.played,
            start.elapsed().as_secs_f64()
        ),
        Err(failure) => panic!("{name}: {failure}"),
    }
}

#[test]
fn all_links_every_sequence_keeps_both_properties() {
    check_all_sequences("all links", all_links());
}

#[test]
fn links_of_team_every_sequence_keeps_both_properties() {
    check_all_sequences("links of the team", links_of_team());
}

#[test]
fn pruned_search_finds_every_state() {
    for setting in [all_links(), links_of_team()] {
        let [pruned, whole] = [Pruning::On, Pruning::Off].map(|pruning| {
            search(setting, 2, pruning).unwrap_or_else(|failure| panic!("{failure}"))
        });
        assert!(pruned.played < whole.played, "{} of {} sequences", pruned.played, whole.played);
        let is_missed = |state: &u128| !pruned.states.contains_key(state);
        let missed: Vec<_> = whole.states.iter().filter(|(state, _)| is_missed(state)).collect();
        assert!(missed.is_empty(), "{} states are missed, such as {:?}", missed.len(), missed[0].1);
        assert_eq!(pruned.states.len(), whole.states.len());
    }
}
