//! Change handlers that fail or panic, or whose captured values panic when they are dropped:
//! neither the other handlers nor the caller lose the changes.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::mpsc::{Receiver, channel};

use libteam::{BoxError, Changes, Error, HandlerId, Mode, Result, TeamHandle};

use crate::handlers::{ALL, counts, counts_per_batch, set_count};
use crate::readiness::assert_readable;
use crate::support::changes::{
    all_links, assert_no_changes, record_changes, take_changes, team_with,
};
use crate::support::netns::enter;

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Bomb {}

/// A panic payload that panics with another one of its kind when it is dropped.
struct Chain;

impl Drop for Chain {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

/// Runs a call that has to panic, and returns its payload.
fn panic_of(
    team: &mut TeamHandle,
    call: fn(&mut TeamHandle) -> Result<Changes>,
) -> Box<dyn Any + Send> {
    catch_unwind(AssertUnwindSafe(|| call(team))).expect_err("the call has to panic")
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).expect("the payload has to be text")
}

/// Registers handlers around those that `add` registers. Panics unless all of them get the batch,
/// the call panics with this text, and the next call returns the changes of the first one.
fn assert_others_get_the_batch(expected: &str, add: impl FnOnce(&mut TeamHandle)) {
    let mut team = team_with(Mode::RoundRobin, &[]);
    let before = record_changes(&mut team);
    add(&mut team);
    let after = record_changes(&mut team);
    set_count(&mut team, 1);
    let panic = panic_of(&mut team, TeamHandle::handle_events);
    assert_eq!(text(&*panic), expected);
    assert_batches(&before, &after, &[1]);
    assert_readable(&mut team, true);
    assert_eq!(counts(&take_changes(&mut team)), [1], "changes that the next call returns");
    assert_batches(&before, &after, &[]);
    assert_readable(&mut team, false);
    assert_no_changes(&mut team);

    set_count(&mut team, 2);
    assert_eq!(counts(&take_changes(&mut team)), [2], "changes of a later call");
    assert_batches(&before, &after, &[2]);
}

/// Panics unless both handlers were called with exactly these counts, each in a batch of its own.
fn assert_batches(before: &Receiver<Changes>, after: &Receiver<Changes>, expected: &[u32]) {
    let expected: Vec<Vec<u32>> = expected.iter().map(|&count| vec![count]).collect();
    assert_eq!((counts_per_batch(before), counts_per_batch(after)), (expected.clone(), expected));
}

/// Registers a handler that owns a bomb and removes itself.
fn add_one_that_removes_itself(team: &mut TeamHandle, result: fn() -> Result<(), BoxError>) {
    let (sender, own_id) = channel::<HandlerId>();
    let bomb = Bomb("dropped with a removed handler");
    let id = team.add_handler(ALL, move |team, _| {
        let _owned = &bomb;
        assert!(team.remove_handler(own_id.try_recv()?));
        result()
    });
    sender.send(id).unwrap();
}

#[test]
fn drop_panic_of_self_removed_handler_spares_others() {
    enter();
    assert_others_get_the_batch("dropped with a removed handler", |team| {
        add_one_that_removes_itself(team, || Ok(()));
    });
}

#[test]
fn drop_panic_of_failed_removed_handler_spares_others() {
    enter();
    assert_others_get_the_batch("dropped with a removed handler", |team| {
        add_one_that_removes_itself(team, || Err("on purpose".into()));
    });
}

#[test]
fn drop_panic_in_remove_handler_leaves_handle_usable() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let batches = record_changes(&mut team);
    let bomb = Bomb("dropped with a removed handler");
    let id = team.add_handler(ALL, move |_, _| {
        let _owned = &bomb;
        Ok(())
    });
    let panic = catch_unwind(AssertUnwindSafe(|| team.remove_handler(id))).unwrap_err();
    assert_eq!(text(&*panic), "dropped with a removed handler");
    assert!(!team.remove_handler(id), "the handler was still registered");
    set_count(&mut team, 1);
    assert_eq!(counts(&take_changes(&mut team)), [1]);
    assert_eq!(counts_per_batch(&batches), [[1]]);
}

#[test]
fn drop_panic_of_panicked_handler_spares_others() {
    enter();
    assert_others_get_the_batch("the handler's own", |team| {
        let bomb = Bomb("dropped with a handler that panicked");
        team.add_handler(ALL, move |_, _| {
            let _owned = &bomb;
            panic!("the handler's own")
        });
    });
}

#[test]
fn drop_panic_of_second_error_spares_others() {
    enter();
    assert_others_get_the_batch("dropped as a second error", |team| {
        for error in ["dropped as the first error", "dropped as a second error"] {
            let mut fails = true;
            team.add_handler(ALL, move |_, _| {
                if std::mem::take(&mut fails) { Err(Bomb(error).into()) } else { Ok(()) }
            });
        }
    });
}

#[test]
fn drop_panic_of_error_after_a_panic_spares_others() {
    enter();
    assert_others_get_the_batch("on purpose", |team| {
        let mut fails = true;
        team.add_handler(ALL, move |_, _| {
            if std::mem::take(&mut fails) {
                Err(Bomb("dropped as an error").into())
            } else {
                Ok(())
            }
        });
        team.add_handler(ALL, |_, _| panic!("on purpose"));
    });
}

#[test]
fn drop_panic_of_second_payload_spares_others() {
    enter();
    assert_others_get_the_batch("on purpose", |team| {
        team.add_handler(ALL, |_, _| panic!("on purpose"));
        team.add_handler(ALL, |_, _| panic_any(Bomb("dropped as a panic's payload")));
    });
}

#[test]
fn endless_drop_panics_of_second_payload_spare_others() {
    enter();
    assert_others_get_the_batch("on purpose", |team| {
        team.add_handler(ALL, |_, _| panic!("on purpose"));
        team.add_handler(ALL, |_, _| panic_any(Chain));
    });
}

#[test]
fn drop_panics_of_replaced_handle_keep_the_changes() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = Some(all_links().open("team0").unwrap());
    team.add_handler(ALL, move |team, _| {
        *team = other.take().ok_or("second call of this handler")?;
        Ok(())
    });
    for _ in 0..2 {
        let bomb = Bomb("dropped with the handle");
        team.add_handler(ALL, move |_, _| {
            let _owned = &bomb;
            Ok(())
        });
    }
    set_count(&mut team, 1);
    let panic = panic_of(&mut team, TeamHandle::handle_events);
    assert_eq!(text(&*panic), "dropped with the handle");
    assert_eq!(counts(&take_changes(&mut team))[..1], [1]);
}

/// Panics unless, after a handler panicked in this call, the next call of `next` returns its
/// changes and all later ones.
fn assert_next_call_returns_the_changes(
    call: fn(&mut TeamHandle) -> Result<Changes>,
    next: fn(&mut TeamHandle) -> Result<Changes>,
) {
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |_, _| panic!("on purpose"));
    let batches = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(text(&*panic_of(&mut team, call)), "on purpose");
    assert_readable(&mut team, true);
    set_count(&mut team, 2);
    assert_eq!(counts(&next(&mut team).unwrap()), [1, 2]);
    assert_eq!(counts_per_batch(&batches), [[1], [2]]);
    assert_readable(&mut team, false);
    assert_no_changes(&mut team);
}

#[test]
fn handler_panic_keeps_changes_for_next_call() {
    enter();
    assert_next_call_returns_the_changes(TeamHandle::handle_events, TeamHandle::handle_events);
}

#[test]
fn handler_panic_in_refresh_keeps_changes_for_next() {
    enter();
    assert_next_call_returns_the_changes(TeamHandle::refresh, TeamHandle::handle_events);
}

#[test]
fn handler_panic_keeps_changes_for_next_refresh() {
    enter();
    assert_next_call_returns_the_changes(TeamHandle::handle_events, TeamHandle::refresh);
}

/// Panics unless the error of a handler in this call carries the changes, and no other call returns
/// them.
fn assert_error_carries_the_changes(call: fn(&mut TeamHandle) -> Result<Changes>) {
    let mut team = team_with(Mode::RoundRobin, &[]);
    let first_heard = record_changes(&mut team);
    team.add_handler(ALL, |team, changes| {
        if counts(changes) == [1] {
            set_count(team, 2);
            team.handle_events()?;
        }
        Err(format!("{:?} is refused", counts(changes)).into())
    });
    let last_heard = record_changes(&mut team);
    set_count(&mut team, 1);
    match call(&mut team) {
        Err(Error::Handler { error, changes, .. }) => {
            assert_eq!(error.to_string(), "[1] is refused", "text of the first error");
            assert_eq!(counts(&changes), [1, 2]);
        }
        other => panic!("not an error of a handler: {other:?}"),
    }
    assert_batches(&first_heard, &last_heard, &[1, 2]);
    assert_readable(&mut team, false);
    assert_no_changes(&mut team);
    team.refresh().unwrap();
}

#[test]
fn handler_error_carries_the_changes() {
    enter();
    assert_error_carries_the_changes(TeamHandle::handle_events);
}

#[test]
fn handler_error_in_refresh_carries_the_changes() {
    enter();
    assert_error_carries_the_changes(TeamHandle::refresh);
}

#[test]
fn handler_error_carries_changes_left_by_a_panic() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |_, _| panic!("on purpose"));
    set_count(&mut team, 1);
    panic_of(&mut team, TeamHandle::handle_events);
    team.add_handler(ALL, |_, _| Err("on purpose".into()));
    set_count(&mut team, 2);
    match team.handle_events() {
        Err(Error::Handler { changes, .. }) => assert_eq!(counts(&changes), [1, 2]),
        other => panic!("not an error of a handler: {other:?}"),
    }
}

#[test]
fn size_of_an_error_stays_small() {
    assert!(size_of::<Error>() <= 128, "size of Error: {} bytes", size_of::<Error>());
}
