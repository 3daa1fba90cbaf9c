//! Plays every short sequence of changes, faults and calls to a real handle on the model of the
//! kernel.
//!
//! # Properties
//!
//! - **Safety**: no existing object is reported as removed, and no state is reported that never
//!   existed. An object had each reported state when its previous state was reported, or later, so
//!   that reports do not go back in time ([`reports`]).
//! - **Eventual consistency**: once the kernel is quiet, at most [`MAX_CALLS`] calls of
//!   `handle_events`, each made because the descriptor is readable, make the cache equal to the
//!   kernel's state, and the reports add up to that state. The only object that may be missing is a
//!   link without a master that a list skipped without a mark, or that each attempt skipped with
//!   one: no library can know of this link.
//!
//! # Alphabet
//!
//! The namespace has the team, two links that are created and deleted, and a link that never
//! changes. The team has at most one port, one option, and one option of the port ([`action`]).
//!
//! - Another process creates, deletes, renames, enslaves or releases a link, or sets an option.
//! - Either event socket loses notifications.
//! - The program handles events, refreshes, or sends a command.
//! - All of these, except calls, also happen at each system call of a call, which interrupts dumps.
//!   In addition, a read ends early there, because the receive fails or signals use up everything
//!   that one call reads; or a reply comes too late.
//! - Between two calls, the last queued event becomes one that is too long or cannot be decoded, or
//!   another process sends a forged event.
//!
//! Opening the handle is the first call of each sequence, and is not counted. Every other letter
//! counts as one, so that a call with one happening during it is two letters. A call that reads a
//! part of the events is one letter.
//!
//! # States
//!
//! Sequences that lead to the same state of the model, the session, the queues and the reports are
//! continued only once ([`search`]). If it makes no difference at which of two points of a call
//! something happens, only one of them is played. A run at a lower depth without this pruning must
//! find the same states.
//!
//! # Depth
//!
//! `cargo test` plays sequences of [`DEPTH`] letters. The environment variable
//! `LIBTEAM_EXHAUSTIVE_DEPTH` sets another number. The output contains the numbers of states and
//! sequences:
//!
//! ```console
//! $ LIBTEAM_EXHAUSTIVE_DEPTH=4 cargo test --release --lib testing::exhaustive -- --nocapture
//! ```
//!
//! `tests/mutations/run` breaks the library in many ways, and checks that this enumeration finds
//! each fault.

mod action;
mod case;
mod reports;
mod search;

use std::time::Instant;

use self::search::{Pruning, search};
use crate::model::link_scope::LinkScope;
use crate::testing::kernel::event::Setting;

/// The result of a check; an error says what is wrong.
type Verdict = Result<(), String>;

/// How many letters each sequence has at most, unless the environment says otherwise.
const DEPTH: usize = 2;

/// The maximum number of calls of `handle_events` until the cache is right. The first call may
/// return an error that was queued behind the events that an earlier call read.
const MAX_CALLS: u32 = 2;

fn depth() -> usize {
    let depth = std::env::var("LIBTEAM_EXHAUSTIVE_DEPTH");
    depth.map_or(DEPTH, |depth| depth.parse().expect("LIBTEAM_EXHAUSTIVE_DEPTH is a number"))
}

/// Returns the setting of a handle that tracks all links. The kernel continues a dump by position,
/// as older kernels do, and thus skips links. Each receive reads one datagram.
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

/// Returns the setting of a handle that tracks the team's links. The team is down, so that the
/// kernel announces no carrier. Each receive reads many datagrams.
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
