//! The difference between two states, computed without the library, and the difference that the
//! library reports.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use libteam::{Change, Changes, OptionId, OptionValue, Port, TeamHandle};

use crate::support::snapshot::{LinkState, State, state};
use crate::support::timeouts::timeout;

/// The objects that differ, each before and after the change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) links: BTreeMap<u32, Pair<LinkState>>,
    pub(crate) ports: BTreeMap<u32, Pair<Port>>,
    pub(crate) options: BTreeMap<OptionId, Pair<OptionValue>>,
}

type Pair<T> = (Option<T>, Option<T>);

impl Difference {
    pub(crate) fn between(before: &State, after: &State) -> Self {
        Self {
            links: pairs(&before.links, &after.links),
            ports: pairs(&ports(before), &ports(after)),
            options: pairs(&before.options, &after.options),
        }
    }

    /// Returns the difference that changes describe. Panics if an object is reported twice.
    pub(crate) fn reported(changes: &Changes) -> Self {
        let link = |change: &Change<libteam::Link>| {
            let pair = (change.before().map(LinkState::from), change.after().map(LinkState::from));
            (change.latest().ifindex().get(), pair)
        };
        let port = |change: &Change<Port>| {
            (change.latest().ifindex().get(), (change.before().cloned(), change.after().cloned()))
        };
        let option = |change: &Change<libteam::TeamOption>| {
            let value =
                |option: Option<&libteam::TeamOption>| option.map(|option| option.value().clone());
            (change.latest().id().clone(), (value(change.before()), value(change.after())))
        };
        Self {
            links: each_once(changes.links().map(link)),
            ports: each_once(changes.ports().map(port)),
            options: each_once(changes.options().map(option)),
        }
    }
}

fn ports(state: &State) -> BTreeMap<u32, Port> {
    state.ports.iter().map(|port| (port.ifindex().get(), port.clone())).collect()
}

fn pairs<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeMap<K, Pair<V>> {
    before
        .keys()
        .chain(after.keys())
        .map(|key| (key.clone(), (before.get(key).cloned(), after.get(key).cloned())))
        .filter(|(_, (before, after))| before != after)
        .collect()
}

fn each_once<K: Ord + Clone + Debug, V>(objects: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in objects {
        assert!(map.insert(key.clone(), value).is_none(), "{key:?} is reported twice in one batch");
    }
    map
}

/// Handles events until the kernel sends no more delayed ones.
pub(crate) fn handle_until_quiet(team: &mut TeamHandle) {
    let deadline = Instant::now() + timeout();
    while team.wait(Some(Duration::from_millis(60))).unwrap() {
        team.handle_events().unwrap();
        assert!(
            Instant::now() < deadline,
            "events still arrive in the namespace after the timeout"
        );
    }
}

/// Handles a loss of events with one call. Panics unless the call returns exactly the difference
/// from the state before, handlers get the same changes, and the cache equals the kernel's state
/// afterwards.
pub(crate) fn assert_recovered(
    team: &mut TeamHandle,
    handler: &Receiver<Changes>,
    before: &State,
) -> Changes {
    let mut fresh = TeamHandle::builder()
        .link_scope(team.link_scope())
        .open_index(team.ifindex())
        .expect("opening a second handle");
    handle_until_quiet(&mut fresh);
    let changes = team.handle_events().unwrap();
    assert!(changes.is_resynced(), "no events were lost: {changes:#?}");
    assert!(!changes.is_inconsistent());
    let expected = Difference::between(before, &state(&fresh));
    let reported = Difference::reported(&changes);
    assert_eq!(reported.links, expected.links, "reported and expected links");
    assert_eq!(reported.ports, expected.ports, "reported and expected ports");
    assert_eq!(reported.options, expected.options, "reported and expected options");
    let calls: Vec<Changes> = handler.try_iter().collect();
    let expected_calls: Vec<Changes> =
        (!changes.kinds().is_empty()).then(|| changes.clone()).into_iter().collect();
    assert_eq!(calls, expected_calls, "calls of the handler");
    crate::support::snapshot::assert_matches_kernel(team);
    assert_eq!(
        team.handle_events().unwrap(),
        Changes::default(),
        "the second call reports changes"
    );
    changes
}
