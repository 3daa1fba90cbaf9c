//! Change handlers: when and in which order they are called, what they may do, and how they fail.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use libteam::{
    BoxError, Change, ChangeKind, Changes, Error, HandlerId, Mode, OptionId, OptionValue, Result,
    TeamHandle, TeamOption,
};

use crate::support::changes::{
    all_links, assert_no_changes, make_renamable, record_changes, take_changes, team_with,
};
use crate::support::netns::{dummies, enter, index, ip};

/// Where handlers write their names when they are called.
struct Calls {
    write: Sender<&'static str>,
    read: Receiver<&'static str>,
}

impl Calls {
    fn new() -> Self {
        let (write, read) = channel();
        Self { write, read }
    }

    /// A handler that writes its name.
    fn note(
        &self,
        name: &'static str,
    ) -> impl FnMut(&mut TeamHandle, &Changes) -> Result<(), BoxError> + use<> {
        let calls = self.write.clone();
        move |_, _| Ok(calls.send(name)?)
    }

    /// The names written since this was last called.
    fn take(&self) -> Vec<&'static str> {
        self.read.try_iter().collect()
    }
}

pub(crate) fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

/// Sets the option [`count`], which is one change.
pub(crate) fn set_count(team: &mut TeamHandle, number: u32) {
    team.set_option(&count(), number).unwrap();
}

/// The values that changes tell the option [`count`] has now.
pub(crate) fn counts(changes: &Changes) -> Vec<u32> {
    let count_of = |option: &TeamOption| match option.value() {
        OptionValue::U32(number) => (option.id() == &count()).then_some(*number),
        _ => None,
    };
    changes.options().filter_map(Change::after).filter_map(count_of).collect()
}

/// As [`counts`], of each of the batches that a handler heard.
pub(crate) fn heard_counts(heard: &Receiver<Changes>) -> Vec<Vec<u32>> {
    heard.try_iter().map(|changes| counts(&changes)).collect()
}

pub(crate) const ALL: ChangeKind = ChangeKind::all();

#[test]
fn they_are_called_in_order_first_ones_first() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    team.add_handler(ALL, calls.note("second"));
    team.add_handler(ALL, calls.note("third"));
    team.add_handler_first(ALL, calls.note("first"));
    team.add_handler(ALL, calls.note("fourth"));
    set_count(&mut team, 1);
    assert_eq!(calls.take(), [""; 0], "not before events are handled");
    take_changes(&mut team);
    assert_eq!(calls.take(), ["first", "second", "third", "fourth"]);
}

#[test]
fn each_hears_a_batch_once_and_none_hears_an_empty_one() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let heard = record_changes(&mut team);
    assert_no_changes(&mut team);
    team.refresh().unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), []);
    set_count(&mut team, 1);
    let changes = take_changes(&mut team);
    assert_no_changes(&mut team);
    team.refresh().unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [changes]);
}

#[test]
fn each_hears_only_batches_with_a_change_of_its_kinds() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &["d0"]), Calls::new());
    team.add_handler(ChangeKind::PORT, calls.note("port"));
    team.add_handler(ChangeKind::OPTION, calls.note("option"));
    team.add_handler(ChangeKind::LINK, calls.note("link"));
    team.add_handler(ChangeKind::PORT | ChangeKind::OPTION, calls.note("port or option"));
    team.add_handler(ChangeKind::empty(), calls.note("never"));
    set_count(&mut team, 1);
    assert_eq!(take_changes(&mut team).kinds(), ChangeKind::OPTION);
    assert_eq!(calls.take(), ["option", "port or option"]);
    ip("link set lo mtu 1400");
    assert_eq!(take_changes(&mut team).kinds(), ChangeKind::LINK);
    assert_eq!(calls.take(), ["link"]);
    make_renamable(&mut team, "d0");
    calls.take();
    ip("link set d0 name uplink");
    assert_eq!(take_changes(&mut team).kinds(), ChangeKind::LINK | ChangeKind::PORT);
    assert_eq!(calls.take(), ["port", "link", "port or option"]);
}

#[test]
fn one_can_be_removed_once() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    let first = team.add_handler(ALL, calls.note("first"));
    let second = team.add_handler(ALL, calls.note("second"));
    assert!(team.remove_handler(first));
    assert!(!team.remove_handler(first));
    set_count(&mut team, 1);
    take_changes(&mut team);
    assert_eq!(calls.take(), ["second"]);
    let third = team.add_handler(ALL, calls.note("third"));
    assert!(third != first && third != second, "an id is not used again");
}

#[test]
fn one_may_remove_itself() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    let (tell, own_id) = channel::<HandlerId>();
    let mut note = calls.note("once");
    let id = team.add_handler(ALL, move |team, changes| {
        assert!(team.remove_handler(own_id.try_recv()?));
        note(team, changes)
    });
    tell.send(id).unwrap();
    team.add_handler(ALL, calls.note("always"));
    for number in [1, 2] {
        set_count(&mut team, number);
        take_changes(&mut team);
    }
    assert_eq!(calls.take(), ["once", "always", "always"]);
    assert!(!team.remove_handler(id));
}

#[test]
fn one_that_another_removes_before_its_turn_is_not_called() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    let before = team.add_handler(ALL, calls.note("before"));
    let after = team.add_handler(ALL, calls.note("after"));
    team.add_handler(ALL, calls.note("last"));
    let mut note = calls.note("remover");
    team.add_handler_first(ALL, move |team, changes| {
        team.remove_handler(after);
        note(team, changes)
    });
    set_count(&mut team, 1);
    take_changes(&mut team);
    assert_eq!(calls.take(), ["remover", "before", "last"]);
    assert!(!team.remove_handler(after) && team.remove_handler(before));
}

#[test]
fn one_that_is_added_inside_another_is_called_from_the_next_batch_on() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    let mut new = Some((calls.note("new first"), calls.note("new last")));
    let mut note = calls.note("adder");
    team.add_handler(ALL, move |team, changes| {
        if let Some((first, last)) = new.take() {
            team.add_handler_first(ALL, first);
            team.add_handler(ALL, last);
        }
        note(team, changes)
    });
    set_count(&mut team, 1);
    take_changes(&mut team);
    assert_eq!(calls.take(), ["adder"]);
    set_count(&mut team, 2);
    take_changes(&mut team);
    assert_eq!(calls.take(), ["new first", "adder", "new last"]);
}

#[test]
fn one_may_command_and_its_effect_is_told_next() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    take_changes(&mut team);
    let d0 = index("d0");
    let heard = record_changes(&mut team);
    team.add_handler(ChangeKind::OPTION, move |team, changes| {
        if counts(changes) == [1] {
            team.set_option(&count(), 2_u32)?;
            team.add_port(d0)?;
            assert!(team.is_port(d0));
        }
        Ok(())
    });
    set_count(&mut team, 1);
    let changes = take_changes(&mut team);
    assert_eq!((counts(&changes), changes.ports().len()), (vec![1], 0));
    assert!(team.wait(Some(std::time::Duration::ZERO)).unwrap());
    let changes = take_changes(&mut team);
    assert_eq!((counts(&changes), changes.ports().len()), (vec![2], 1));
    assert_no_changes(&mut team);
    assert_eq!(heard_counts(&heard), [[1], [2]]);
}

#[test]
fn one_may_delete_the_device_itself() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ChangeKind::OPTION, |_, changes| {
        if counts(changes) == [1] {
            all_links().open("team0")?.destroy()?;
        }
        Ok(())
    });
    let heard = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(take_changes(&mut team).options().len(), 1);
    assert_eq!(take_changes(&mut team).options().len(), 5);
    assert_eq!((heard.try_iter().count(), team.team_link()), (2, None));
}

/// Has a handler call `nested` when it hears count 1, after setting count 2; then the others hear
/// of it.
fn assert_nested_call_is_delivered_by_the_outer(nested: fn(&mut TeamHandle) -> Result<Changes>) {
    let mut team = team_with(Mode::RoundRobin, &[]);
    let before = record_changes(&mut team);
    let (tell, inner) = channel();
    team.add_handler(ALL, move |team, changes| {
        if counts(changes) == [1] {
            set_count(team, 2);
            tell.send(nested(team)?)?;
        }
        Ok(())
    });
    let after = record_changes(&mut team);
    set_count(&mut team, 1);
    let outer = take_changes(&mut team);
    assert_eq!(counts(&inner.try_recv().unwrap()), [2], "the nested call returns what is new");
    assert_eq!(counts(&outer), [1, 2], "the outer call returns all");
    assert_eq!(heard_counts(&before), [[1], [2]], "whole batches, one after the other");
    assert_eq!(heard_counts(&after), [[1], [2]], "whole batches, one after the other");
    assert_no_changes(&mut team);
    assert!(!team.wait(Some(std::time::Duration::ZERO)).unwrap());
}

#[test]
fn a_nested_handle_events_is_delivered_by_the_outer_call() {
    enter();
    assert_nested_call_is_delivered_by_the_outer(TeamHandle::handle_events);
}

#[test]
fn a_nested_refresh_is_delivered_by_the_outer_call() {
    enter();
    assert_nested_call_is_delivered_by_the_outer(TeamHandle::refresh);
}

#[test]
fn a_handler_that_fails_keeps_no_other_from_running() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    team.add_handler(ALL, calls.note("before"));
    team.add_handler(ALL, |_, _| Err("the first failure".into()));
    team.add_handler(ALL, |team, _| Ok(team.set_option(&OptionId::global("none"), 1_u32)?));
    team.add_handler(ALL, calls.note("after"));
    for number in [1, 2] {
        set_count(&mut team, number);
        let error = team.handle_events().unwrap_err();
        assert!(
            matches!(&error, Error::Handler { changes, .. } if counts(changes) == [number]),
            "{error:?}"
        );
        assert_eq!(error.to_string(), "calling a change handler: the first failure");
        assert!(error.source().is_none(), "the text says it all");
        assert_eq!(calls.take(), ["before", "after"]);
        assert_no_changes(&mut team);
    }
}

#[test]
fn the_error_of_a_command_inside_a_handler_comes_out_whole() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |team, _| Ok(team.set_mode(Mode::Unset)?));
    set_count(&mut team, 1);
    let error = team.handle_events().unwrap_err();
    assert_eq!(
        error.to_string(),
        "calling a change handler: setting option mode of team0 to \"*NOMODE*\": \
         invalid argument (EINVAL)"
    );
    let Error::Handler { error, .. } = error else { panic!("{error:?}") };
    let inner = error.downcast_ref::<Error>().unwrap();
    assert!(matches!(inner, Error::Kernel { errno: 22, .. }), "{inner:?}");
}

#[test]
fn a_failure_in_a_later_batch_comes_out_too() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ALL, |team, changes| {
        if counts(changes) == [2] {
            return Err("the second batch fails".into());
        }
        set_count(team, 2);
        team.handle_events()?;
        Ok(())
    });
    let heard = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(
        team.handle_events().unwrap_err().to_string(),
        "calling a change handler: the second batch fails"
    );
    assert_eq!(heard_counts(&heard), [[1], [2]]);
}

#[test]
fn one_that_puts_another_handle_in_place_of_its_own_and_fails_does_no_harm_to_either() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    // The first drops the handle that it is called with, the second keeps it for later.
    let (keep, kept) = channel();
    let mut others = [(); 2].map(|()| {
        let mut other = all_links().open("team0").unwrap();
        other.add_handler(ALL, calls.note("other"));
        other
    });
    let last = others[1].add_handler(ALL, move |_, _| Ok(()));
    let [first, mut second] = others;
    let mut first = Some(first);
    team.add_handler(ALL, move |team, _| {
        *team = first.take().unwrap();
        Err("it is gone".into())
    });
    team.add_handler(ALL, calls.note("not called"));
    set_count(&mut team, 1);
    assert_eq!(
        team.handle_events().unwrap_err().to_string(),
        "calling a change handler: it is gone"
    );
    assert_eq!(calls.take(), [""; 0]);
    set_count(&mut team, 2);
    assert_eq!(counts(&take_changes(&mut team)), [2]);
    assert_eq!(calls.take(), ["other"]);

    second.add_handler_first(ALL, {
        let mut spare = Some(team);
        move |team, _| {
            let Some(spare) = spare.take() else { return Ok(()) };
            keep.send(std::mem::replace(team, spare)).map_err(|_| "nobody keeps it")?;
            Err("it is elsewhere".into())
        }
    });
    assert!(second.handle_events().is_err());
    let mut moved = kept.try_recv().unwrap();
    set_count(&mut second, 3);
    assert_eq!(calls.take(), [""; 0]);
    assert_eq!(
        (counts(&take_changes(&mut moved)), counts(&take_changes(&mut second))),
        (vec![3], vec![3])
    );
    assert_eq!(calls.take(), ["other"; 3], "the batch that waited, and two new ones");
    assert!(moved.remove_handler(last) && !second.remove_handler(last));
}

#[test]
fn a_handler_that_panics_is_gone_and_keeps_no_other_from_running() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    team.add_handler(ALL, calls.note("before"));
    let panicking = team.add_handler(ALL, |_, _| panic!("on purpose"));
    team.add_handler(ALL, calls.note("after"));
    set_count(&mut team, 1);
    let panic = catch_unwind(AssertUnwindSafe(|| team.handle_events())).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(calls.take(), ["before", "after"]);
    assert!(!team.remove_handler(panicking));

    set_count(&mut team, 2);
    assert_eq!(
        counts(&take_changes(&mut team)),
        [1, 2],
        "the first call could not return what changed"
    );
    assert_no_changes(&mut team);
    assert_eq!(calls.take(), ["before", "after"]);
}
