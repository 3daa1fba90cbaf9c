//! Batches of changes that are queued for the change handlers: their order, their number, and the
//! handle that delivers them.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libteam::{BoxError, Changes, Mode, Result, TeamHandle};

use crate::handlers::{ALL, count, counts, counts_per_batch, set_count};
use crate::readiness::{Edges, assert_readable, is_readable};
use crate::support::changes::{
    Replica, all_links, assert_no_changes, record_changes, take_changes, team_with,
};
use crate::support::netns::enter;

/// The maximum number of batches that one call of `handle_events` delivers.
const MAX_BATCHES: usize = 16;

/// Opens `team0` twice; neither handle has anything to report.
fn two_handles() -> (TeamHandle, TeamHandle) {
    let team = team_with(Mode::RoundRobin, &[]);
    (team, all_links().open("team0").unwrap())
}

/// Sends `team` to the receiver, puts `spare` in its place, and fails if `spare` was used before.
fn replace(
    team: &mut TeamHandle,
    spare: &mut Option<TeamHandle>,
    keep: &Sender<TeamHandle>,
) -> Result<(), BoxError> {
    let Some(spare) = spare.take() else { return Ok(()) };
    keep.send(mem::replace(team, spare)).map_err(|_| "the receiver was dropped".into())
}

#[test]
fn call_returns_despite_endless_nested_batches() {
    const LAST: u32 = 200;
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |team, changes| {
        let newest = counts(changes).last().copied().unwrap_or(LAST);
        if newest < LAST {
            set_count(team, newest + 1);
            team.handle_events()?;
        }
        Ok(())
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    let mut returned = Vec::new();
    while returned.last() != Some(&LAST) {
        assert_readable(&mut team, true);
        let changes = take_changes(&mut team);
        let batches = counts_per_batch(&batches_received);
        assert!(batches.len() <= MAX_BATCHES, "one call delivered {} batches", batches.len());
        assert_eq!(batches.concat(), counts(&changes), "delivered and returned changes");
        returned.extend(counts(&changes));
    }
    assert_eq!(returned, (1..=LAST).collect::<Vec<_>>(), "changes of all calls in order");
    assert_readable(&mut team, false);
    assert_no_changes(&mut team);
}

#[test]
fn waiting_batch_triggers_an_edge_after_each_call() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    team.add_handler(ALL, |team, changes| {
        let newest = counts(changes).last().copied().unwrap_or(100);
        if newest < 100 {
            set_count(team, newest + 1);
            team.handle_events()?;
        }
        Ok(())
    });
    set_count(&mut team, 1);
    let mut calls = 0;
    while edges.came() {
        take_changes(&mut team);
        calls += 1;
    }
    assert!(calls > 100 / MAX_BATCHES, "{calls} calls");
    assert_eq!(team.notify_peers_count(), Some(100));
    assert_no_changes(&mut team);
}

#[test]
fn nested_calls_in_each_batch_keep_the_queue_bounded() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut replica = Replica::of(&team);
    let (report, reported) = channel();
    // Each batch causes three more, until the handler is removed.
    let goes_on = Arc::new(AtomicBool::new(true));
    let still_goes_on = Arc::clone(&goes_on);
    let mut next = 1;
    team.add_handler(ALL, move |team, _| {
        for _ in 0..3 {
            if still_goes_on.load(Ordering::Relaxed) {
                next += 1;
                set_count(team, next);
                assert_eq!(counts(&team.handle_events()?), [next]);
            }
        }
        Ok(report.send(next)?)
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    for call in 0..40 {
        let changes = take_changes(&mut team);
        assert!(
            counts(&changes).len() <= MAX_BATCHES,
            "number of changes that call {call} returns: {}",
            counts(&changes).len()
        );
        let batches: Vec<Changes> = batches_received.try_iter().collect();
        assert!(batches.len() <= MAX_BATCHES, "call {call} delivered {} batches", batches.len());
        // Panics unless each change starts where the previous one ended.
        for changes in &batches {
            replica.apply(changes);
            assert_eq!(counts(changes).len(), 1, "changes of an option in one batch");
        }
    }
    goes_on.store(false, Ordering::Relaxed);
    let mut calls = 0;
    while team.wait(Some(Duration::ZERO)).unwrap() {
        take_changes(&mut team);
        calls += 1;
    }
    assert!(calls <= 2, "{calls} calls to deliver the queue");
    for changes in batches_received.try_iter() {
        replica.apply(&changes);
    }
    assert_eq!(replica, Replica::of(&team));
    assert_eq!(
        team.option(&count()).unwrap().value().to_string(),
        reported.try_iter().last().unwrap().to_string()
    );
}

#[test]
fn nested_loop_ends_without_new_events() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |team, changes| {
        if counts(changes) == [1] {
            set_count(team, 2);
            for round in 0.. {
                if !team.wait(Some(Duration::ZERO))? {
                    break;
                }
                team.handle_events()?;
                assert!(round < 10, "the descriptor is still readable inside a handler");
            }
        }
        Ok(())
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(counts(&take_changes(&mut team)), [1, 2]);
    assert_eq!(counts_per_batch(&batches_received), [[1], [2]]);
}

#[test]
fn handler_added_after_a_batch_does_not_get_it() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let (send, heard_by_added) = channel();
    team.add_handler(ALL, move |team, changes| {
        if counts(changes) == [1] {
            set_count(team, 2);
            team.handle_events()?;
            let send = send.clone();
            team.add_handler(ALL, move |_, changes| Ok(send.send(changes.clone())?));
        }
        Ok(())
    });
    set_count(&mut team, 1);
    take_changes(&mut team);
    set_count(&mut team, 3);
    take_changes(&mut team);
    assert_eq!(counts_per_batch(&heard_by_added), [[3]]);
}

/// A handle whose second of three handlers replaced it with another one, and the batches of each
/// handler.
struct Replaced {
    kept: TeamHandle,
    in_place: TeamHandle,
    batches: [Receiver<Changes>; 3],
    returned: Changes,
}

impl Replaced {
    /// Replaces a handle inside its handler, after `work`.
    fn after(work: fn(&mut TeamHandle) -> Result<()>) -> Self {
        let (mut team, spare) = two_handles();
        let (keep, kept) = channel();
        let (send, own) = channel();
        let before = record_changes(&mut team);
        let mut spare = Some(spare);
        team.add_handler(ALL, move |team, changes| {
            send.send(changes.clone())?;
            if spare.is_some() {
                work(team)?;
            }
            replace(team, &mut spare, &keep)
        });
        let after = record_changes(&mut team);
        set_count(&mut team, 1);
        let returned = take_changes(&mut team);
        Self {
            kept: kept.try_recv().unwrap(),
            in_place: team,
            batches: [before, own, after],
            returned,
        }
    }

    fn counts_per_handler(&self) -> [Vec<Vec<u32>>; 3] {
        self.batches.each_ref().map(counts_per_batch)
    }
}

#[test]
fn replaced_handle_delivers_its_queue_in_order() {
    enter();
    let mut replaced = Replaced::after(|team| {
        set_count(team, 2);
        team.handle_events().map(drop)
    });
    assert_eq!(counts(&replaced.returned), [1]);
    assert_readable(&mut replaced.kept, true);
    set_count(&mut replaced.kept, 3);
    assert_eq!(counts(&take_changes(&mut replaced.kept)), [2, 3]);
    let all = vec![vec![1], vec![2], vec![3]];
    assert_eq!(replaced.counts_per_handler(), [all.clone(), all.clone(), all]);
    assert_readable(&mut replaced.kept, false);
    assert_no_changes(&mut replaced.kept);
    assert_eq!(
        counts(&take_changes(&mut replaced.in_place)).last(),
        Some(&3),
        "changes of the handle that replaced it"
    );
    assert_readable(&mut replaced.in_place, false);
}

#[test]
fn replaced_handle_delivers_the_rest_of_a_batch() {
    enter();
    let mut replaced = Replaced::after(|_| Ok(()));
    assert_eq!(replaced.counts_per_handler(), [vec![vec![1]], vec![vec![1]], vec![]]);
    assert!(
        is_readable(&replaced.kept),
        "not readable, but the replaced handle has a batch to deliver"
    );
    assert_no_changes(&mut replaced.kept);
    assert_eq!(replaced.counts_per_handler(), [vec![], vec![], vec![vec![1]]]);
    assert_readable(&mut replaced.kept, false);
    set_count(&mut replaced.kept, 2);
    take_changes(&mut replaced.kept);
    assert_eq!(
        replaced.counts_per_handler(),
        [vec![vec![2]], vec![vec![2]], vec![vec![2]]],
        "batches of each handler after another change"
    );
}

#[test]
fn replaced_handle_triggers_one_edge() {
    enter();
    let (mut team, spare) = two_handles();
    let edges = Edges::of(&team);
    let (keep, kept) = channel();
    let mut spare = Some(spare);
    team.add_handler(ALL, move |team, _| replace(team, &mut spare, &keep));
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    assert!(edges.came());
    take_changes(&mut team);
    assert!(edges.came(), "no edge for the queued batch");
    let mut kept = kept.try_recv().unwrap();
    assert_no_changes(&mut kept);
    assert!(!edges.came());
    assert_eq!(counts_per_batch(&batches_received), [[1]]);
}

#[test]
fn swapped_handle_delivers_its_queue_in_order() {
    enter();
    let (mut team, other) = two_handles();
    let elsewhere = Arc::new(Mutex::new(other));
    let other = Arc::clone(&elsewhere);
    let mut is_first = true;
    let id = team.add_handler(ALL, move |team, _| {
        if mem::take(&mut is_first) {
            set_count(team, 2);
            team.handle_events()?;
            set_count(team, 3);
            team.handle_events()?;
            mem::swap(team, &mut *other.lock().unwrap());
        }
        Ok(())
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(counts(&take_changes(&mut team)), [1]);
    let mut swapped = elsewhere.lock().unwrap();
    assert_readable(&mut swapped, true);
    set_count(&mut swapped, 4);
    assert_eq!(counts(&take_changes(&mut swapped)), [2, 3, 4]);
    assert_eq!(counts_per_batch(&batches_received), [[1], [2], [3], [4]]);
    assert!(swapped.remove_handler(id), "the handler was removed");
}

#[test]
fn handle_swapped_back_continues() {
    enter();
    let (mut team, mut other) = two_handles();
    let heard_by_other = record_changes(&mut other);
    team.add_handler(ALL, move |team, changes| {
        if counts(changes) == [1] {
            mem::swap(team, &mut other);
            team.handle_events()?;
            mem::swap(team, &mut other);
            set_count(team, 2);
            team.handle_events()?;
        }
        Ok(())
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(counts(&take_changes(&mut team)), [1, 2]);
    assert_eq!(counts_per_batch(&batches_received), [[1], [2]]);
    assert_eq!(counts_per_batch(&heard_by_other), [[1]]);
    assert_readable(&mut team, false);
}

#[test]
fn replaced_handle_delivers_after_the_handler_returns() {
    enter();
    let (mut team, spare) = two_handles();
    let (keep, kept) = channel();
    let mut spare = Some(spare);
    team.add_handler(ALL, move |team, _| {
        let Some(spare) = spare.take() else { return Ok(()) };
        let mut own = mem::replace(team, spare);
        set_count(&mut own, 2);
        assert_eq!(counts(&own.handle_events()?), [2]);
        keep.send(own).map_err(|_| "the receiver was dropped".into())
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(counts(&take_changes(&mut team)), [1]);
    let mut kept = kept.try_recv().unwrap();
    assert_readable(&mut kept, true);
    assert_eq!(counts(&take_changes(&mut kept)), [2]);
    assert_eq!(counts_per_batch(&batches_received), [[1], [2]]);
    assert_readable(&mut kept, false);
}

#[test]
fn replaced_handle_drops_its_panicking_handler() {
    enter();
    let (mut team, spare) = two_handles();
    let (keep, kept) = channel();
    let mut spare = Some(spare);
    let id = team.add_handler(ALL, move |team, _| {
        replace(team, &mut spare, &keep)?;
        panic!("on purpose")
    });
    let batches_received = record_changes(&mut team);
    set_count(&mut team, 1);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| team.handle_events())).unwrap_err();
    let mut kept = kept.try_recv().unwrap();
    assert_readable(&mut kept, true);
    assert_no_changes(&mut kept);
    assert_eq!(counts_per_batch(&batches_received), [[1]]);
    assert!(!kept.remove_handler(id));
    assert_eq!(counts(&take_changes(&mut team))[..1], [1], "changes that the next call returns");
}
