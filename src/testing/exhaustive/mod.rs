//! Plays every short sequence.

mod action;
mod case;
mod reports;
mod search;

use std::time::Instant;

use self::search::search;
use crate::model::link_scope::LinkScope;
use crate::testing::kernel::event::Setting;

type Verdict = Result<(), String>;

/// How often the program calls `handle_events` at most until the cache is right.
const MAX_CALLS: u32 = 1;

fn depth() -> usize {
    std::env::var("LIBTEAM_EXHAUSTIVE_DEPTH").map_or(2, |depth| depth.parse().expect("a number"))
}

fn all_links() -> Setting {
    Setting {
        events: 8,
        answers: 0,
        items: 1,
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

fn teams_links() -> Setting {
    Setting {
        items: 2,
        batch: 8,
        attempts: 1,
        team_is_up: false,
        dumps_by_position: false,
        scope: LinkScope::Team,
        ..all_links()
    }
}

#[test]
fn every_short_sequence() {
    for setting in [all_links(), teams_links()] {
        let start = Instant::now();
        match search(setting, depth(), true) {
            Ok(found) => eprintln!(
                "{} states, {} played, {:?}",
                found.states.len(),
                found.played,
                start.elapsed()
            ),
            Err(failure) => panic!("{failure}"),
        }
    }
}
