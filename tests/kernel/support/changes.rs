//! The changes that a handle reports, as tests use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use libteam::{
    Change, ChangeKind, Changes, Error, IfIndex, Link, LinkScope, Mode, OptionId, Port,
    TeamBuilder, TeamHandle, TeamOption,
};
use nix::errno::Errno;

use crate::support::features::renames_links_that_are_up;
use crate::support::netns::{dummies, index, ip};
use crate::support::snapshot::state;
use crate::support::timeouts::timeout;

/// Creates `team0` in this mode with new dummy devices as its ports, and discards the changes of
/// that.
pub(crate) fn team_with(mode: Mode, ports: &[&str]) -> TeamHandle {
    if !ports.is_empty() {
        dummies(ports);
    }
    let mut team = all_links().create("team0").unwrap();
    team.set_mode(mode).unwrap();
    for port in ports {
        team.add_port(index(port)).unwrap();
    }
    take_changes(&mut team);
    team
}

/// Handles the events of a team, and returns the changes.
pub(crate) fn take_changes(team: &mut TeamHandle) -> Changes {
    team.handle_events().expect("handle_events()")
}

/// Returns the changed options, before and after, without the flag that says whether this handle
/// changed them.
pub(crate) fn option_changes(changes: &Changes) -> Vec<(Option<TeamOption>, Option<TeamOption>)> {
    changes.options().map(|change| (change.before().cloned(), change.after().cloned())).collect()
}

/// Sets a link down if the kernel renames only such links, and discards the changes of that.
pub(crate) fn make_renamable(team: &mut TeamHandle, link: &str) {
    if !renames_links_that_are_up() {
        ip(&format!("link set {link} down"));
        take_changes(team);
    }
}

/// Panics if the handle reports any change.
pub(crate) fn assert_no_changes(team: &mut TeamHandle) {
    assert_eq!(take_changes(team), Changes::default());
}

/// Returns the one link that changed; panics if any other object changed.
pub(crate) fn only_link(changes: &Changes) -> Change<Link> {
    assert_eq!(
        (changes.links().len(), changes.kinds()),
        (1, ChangeKind::LINK),
        "expected a change of one link only: {changes:#?}"
    );
    changes.links().next().unwrap().clone()
}

/// Returns the one option that changed; panics if another option or a port changed. Ignores links.
pub(crate) fn only_option(changes: &Changes) -> Change<TeamOption> {
    assert_eq!(
        (changes.options().len(), changes.ports().len()),
        (1, 0),
        "expected a change of one option only: {changes:#?}"
    );
    changes.options().next().unwrap().clone()
}

/// Returns the change of one link.
pub(crate) fn link_change(changes: &Changes, ifindex: IfIndex) -> Option<&Change<Link>> {
    changes.links().find(|change| change.latest().ifindex() == ifindex)
}

/// Returns the names of the changed ports, each after the mark of its change.
pub(crate) fn port_marks(changes: &Changes) -> Vec<String> {
    let mark = |change: &Change<Port>| match (change.is_added(), change.is_removed()) {
        (true, _) => '+',
        (_, true) => '-',
        _ => '*',
    };
    changes
        .ports()
        .map(|change| format!("{}{}", mark(change), change.latest().name().unwrap_or("?")))
        .collect()
}

/// Returns the options of one port.
pub(crate) fn options_of(team: &TeamHandle, port: IfIndex) -> Vec<OptionId> {
    team.options().map(|option| option.id().clone()).filter(|id| id.port == Some(port)).collect()
}

/// Handles events until a condition holds; panics if it does not hold within the
/// [timeout](timeout()).
pub(crate) fn handle_until(
    team: &mut TeamHandle,
    what: &str,
    holds: impl Fn(&TeamHandle) -> bool,
) -> Vec<Changes> {
    let deadline = Instant::now() + timeout();
    let mut batches = vec![take_changes(team)];
    while !holds(team) {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "timeout: {what}");
        team.wait(Some(left)).unwrap();
        batches.push(take_changes(team));
    }
    batches
}

/// Handles events until the cache equals that of a fresh handle; panics if it never does.
pub(crate) fn handle_until_converged(team: &mut TeamHandle) {
    let deadline = Instant::now() + timeout();
    loop {
        let fresh = state(
            &TeamHandle::builder()
                .link_scope(team.link_scope())
                .open_index(team.ifindex())
                .expect("opening a second handle"),
        );
        take_changes(team);
        if state(team) == fresh {
            return;
        }
        assert!(Instant::now() < deadline, "{:#?} did not become {fresh:#?}", state(team));
        team.wait(Some(Duration::from_millis(20))).unwrap();
    }
}

/// Registers a handler for all kinds of changes, and returns the receiver of its calls.
pub(crate) fn record_changes(team: &mut TeamHandle) -> Receiver<Changes> {
    let (sender, receiver) = channel();
    let everything = ChangeKind::all();
    team.add_handler(everything, move |_, changes| Ok(sender.send(changes.clone())?));
    receiver
}

/// Returns the error number of an error of the kernel.
pub(crate) fn kernel_errno(error: &Error) -> Errno {
    assert!(matches!(error, Error::Kernel { .. }), "not an error of the kernel: {error:?}");
    Errno::from_raw(error.raw_os_error().unwrap())
}

/// Returns the text that the library gives an error number.
pub(crate) fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::EACCES => "permission denied (EACCES)",
        Errno::EADDRNOTAVAIL => "cannot assign requested address (EADDRNOTAVAIL)",
        Errno::EBUSY => "device or resource busy (EBUSY)",
        Errno::EEXIST => "file exists (EEXIST)",
        Errno::EINVAL => "invalid argument (EINVAL)",
        Errno::ENODEV => "no such device (ENODEV)",
        Errno::EOPNOTSUPP => "operation not supported on transport endpoint (EOPNOTSUPP)",
        Errno::EPERM => "operation not permitted (EPERM)",
        Errno::ERANGE => "math result not representable (ERANGE)",
        Errno::ESRCH => "no such process (ESRCH)",
        other => panic!("no text for {other:?} here"),
    }
}

/// A state built from the reported changes alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replica {
    links: BTreeMap<IfIndex, Link>,
    ports: BTreeMap<IfIndex, Port>,
    options: BTreeMap<OptionId, TeamOption>,
}

impl Replica {
    pub(crate) fn of(team: &TeamHandle) -> Self {
        Self {
            links: team.links().map(|link| (link.ifindex(), link.clone())).collect(),
            ports: team.ports().map(|port| (port.ifindex(), port.clone())).collect(),
            options: team.options().map(|option| (option.id().clone(), option.clone())).collect(),
        }
    }

    /// Applies the changes of one batch; panics if an object changes twice, and if a change does
    /// not start from the known state.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        replay(&mut self.links, changes.links(), Link::ifindex);
        replay(&mut self.ports, changes.ports(), Port::ifindex);
        replay(&mut self.options, changes.options(), |option| option.id().clone());
    }
}

fn replay<'a, K: Ord + Clone, V>(
    known: &mut BTreeMap<K, V>,
    changes: impl Iterator<Item = &'a Change<V>>,
    key: impl Fn(&V) -> K,
) where
    V: Clone + PartialEq + Debug + 'a,
{
    let mut seen = BTreeSet::new();
    for change in changes {
        let id = key(change.latest());
        assert!(seen.insert(id.clone()), "second change of an object in one batch: {change:?}");
        let before = match change.after() {
            Some(after) => known.insert(id, after.clone()),
            None => known.remove(&id),
        };
        assert_eq!(before.as_ref(), change.before(), "start of a change and last reported state");
    }
}

/// Opens teams whose handle follows all links of the namespace.
pub(crate) fn all_links() -> TeamBuilder {
    TeamHandle::builder().link_scope(LinkScope::All)
}
