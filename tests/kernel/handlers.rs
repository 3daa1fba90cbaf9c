//! Change handlers: when and in which order they are called, which commands they may give, and how
//! they fail.

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

/// A channel to which handlers write their names when they are called.
struct Calls {
    write: Sender<&'static str>,
    read: Receiver<&'static str>,
}

impl Calls {
    fn new() -> Self {
        let (write, read) = channel();
        Self { write, read }
    }

    /// Returns a handler that writes its name.
    fn note(
        &self,
        name: &'static str,
    ) -> impl FnMut(&mut TeamHandle, &Changes) -> Result<(), BoxError> + use<> {
        let calls = self.write.clone();
        move |_, _| Ok(calls.send(name)?)
    }

    /// Returns the names written since the last call.
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

/// Returns the new values of the option [`count`] in changes.
pub(crate) fn counts(changes: &Changes) -> Vec<u32> {
    let count_of = |option: &TeamOption| match option.value() {
        OptionValue::U32(number) => (option.id() == &count()).then_some(*number),
        _ => None,
    };
    changes.options().filter_map(Change::after).filter_map(count_of).collect()
}

/// Like [`counts`], but for each of the batches that a handler received.
pub(crate) fn counts_per_batch(batches: &Receiver<Changes>) -> Vec<Vec<u32>> {
    batches.try_iter().map(|changes| counts(&changes)).collect()
}

pub(crate) const ALL: ChangeKind = ChangeKind::all();

#[test]
fn handlers_are_called_in_order_of_registration() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    team.add_handler(ALL, calls.note("second"));
    team.add_handler(ALL, calls.note("third"));
    team.add_handler_first(ALL, calls.note("first"));
    team.add_handler(ALL, calls.note("fourth"));
    set_count(&mut team, 1);
    assert_eq!(calls.take(), [""; 0], "calls before events are handled");
    take_changes(&mut team);
    assert_eq!(calls.take(), ["first", "second", "third", "fourth"]);
}

#[test]
fn each_handler_gets_each_batch_with_changes_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let batches = record_changes(&mut team);
    assert_no_changes(&mut team);
    team.refresh().unwrap();
    assert_eq!(batches.try_iter().collect::<Vec<_>>(), []);
    set_count(&mut team, 1);
    let changes = take_changes(&mut team);
    assert_no_changes(&mut team);
    team.refresh().unwrap();
    assert_eq!(batches.try_iter().collect::<Vec<_>>(), [changes]);
}

#[test]
fn handler_gets_only_batches_of_its_kinds() {
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
fn handler_can_be_removed_once() {
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
    assert!(third != first && third != second, "ids {first:?}, {second:?}, {third:?}");
}

#[test]
fn handler_may_remove_itself() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    let (sender, own_id) = channel::<HandlerId>();
    let mut note = calls.note("once");
    let id = team.add_handler(ALL, move |team, changes| {
        assert!(team.remove_handler(own_id.try_recv()?));
        note(team, changes)
    });
    sender.send(id).unwrap();
    team.add_handler(ALL, calls.note("always"));
    for number in [1, 2] {
        set_count(&mut team, number);
        take_changes(&mut team);
    }
    assert_eq!(calls.take(), ["once", "always", "always"]);
    assert!(!team.remove_handler(id));
}

#[test]
fn handler_removed_by_an_earlier_one_is_not_called() {
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
fn handler_added_by_handler_gets_the_next_batch() {
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
fn command_in_a_handler_is_reported_in_next_batch() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    take_changes(&mut team);
    let d0 = index("d0");
    let batches = record_changes(&mut team);
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
    assert_eq!(counts_per_batch(&batches), [[1], [2]]);
}

#[test]
fn handler_may_delete_the_device() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ChangeKind::OPTION, |_, changes| {
        if counts(changes) == [1] {
            all_links().open("team0")?.destroy()?;
        }
        Ok(())
    });
    let batches = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(take_changes(&mut team).options().len(), 1);
    assert_eq!(take_changes(&mut team).options().len(), 5);
    assert_eq!((batches.try_iter().count(), team.team_link()), (2, None));
}

/// Makes a handler call `nested` at count 1, after setting count 2, and checks what the calls
/// return and the other handlers get.
fn assert_nested_call_is_delivered_by_outer(nested: fn(&mut TeamHandle) -> Result<Changes>) {
    let mut team = team_with(Mode::RoundRobin, &[]);
    let before = record_changes(&mut team);
    let (sender, inner) = channel();
    team.add_handler(ALL, move |team, changes| {
        if counts(changes) == [1] {
            set_count(team, 2);
            sender.send(nested(team)?)?;
        }
        Ok(())
    });
    let after = record_changes(&mut team);
    set_count(&mut team, 1);
    let outer = take_changes(&mut team);
    assert_eq!(counts(&inner.try_recv().unwrap()), [2], "changes that the nested call returns");
    assert_eq!(counts(&outer), [1, 2], "changes that the outer call returns");
    assert_eq!(counts_per_batch(&before), [[1], [2]], "batches of the handler before");
    assert_eq!(counts_per_batch(&after), [[1], [2]], "batches of the handler after");
    assert_no_changes(&mut team);
    assert!(!team.wait(Some(std::time::Duration::ZERO)).unwrap());
}

#[test]
fn nested_handle_events_is_delivered_by_outer_call() {
    enter();
    assert_nested_call_is_delivered_by_outer(TeamHandle::handle_events);
}

#[test]
fn nested_refresh_is_delivered_by_outer_call() {
    enter();
    assert_nested_call_is_delivered_by_outer(TeamHandle::refresh);
}

#[test]
fn failing_handler_does_not_stop_others() {
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
            "expected Handler: {error:?}"
        );
        assert_eq!(error.to_string(), "calling a change handler: the first failure");
        assert!(error.source().is_none(), "source besides the text: {:?}", error.source());
        assert_eq!(calls.take(), ["before", "after"]);
        assert_no_changes(&mut team);
    }
}

#[test]
fn error_of_a_command_in_a_handler_is_kept_whole() {
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
    assert!(matches!(inner, Error::Kernel { errno: 22, .. }), "expected Kernel: {inner:?}");
}

#[test]
fn error_in_a_later_batch_is_returned() {
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
    let batches = record_changes(&mut team);
    set_count(&mut team, 1);
    assert_eq!(
        team.handle_events().unwrap_err().to_string(),
        "calling a change handler: the second batch fails"
    );
    assert_eq!(counts_per_batch(&batches), [[1], [2]]);
}

#[test]
fn failing_handler_that_replaces_its_handle_is_safe() {
    enter();
    let (mut team, calls) = (team_with(Mode::RoundRobin, &[]), Calls::new());
    // The first handler drops its handle, the second one keeps it for later.
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
        Err("the handle was dropped".into())
    });
    team.add_handler(ALL, calls.note("not called"));
    set_count(&mut team, 1);
    assert_eq!(
        team.handle_events().unwrap_err().to_string(),
        "calling a change handler: the handle was dropped"
    );
    assert_eq!(calls.take(), [""; 0]);
    set_count(&mut team, 2);
    assert_eq!(counts(&take_changes(&mut team)), [2]);
    assert_eq!(calls.take(), ["other"]);

    second.add_handler_first(ALL, {
        let mut spare = Some(team);
        move |team, _| {
            let Some(spare) = spare.take() else { return Ok(()) };
            keep.send(std::mem::replace(team, spare)).map_err(|_| "the receiver was dropped")?;
            Err("the handle was moved".into())
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
    assert_eq!(calls.take(), ["other"; 3], "calls for the queued batch and two new ones");
    assert!(moved.remove_handler(last) && !second.remove_handler(last));
}

#[test]
fn panicking_handler_is_removed_and_others_run() {
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
    assert_eq!(counts(&take_changes(&mut team)), [1, 2], "changes that the second call returns");
    assert_no_changes(&mut team);
    assert_eq!(calls.take(), ["before", "after"]);
}
