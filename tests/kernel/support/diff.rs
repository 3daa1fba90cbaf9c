//! The difference between two states, computed without the library, against what the library tells.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use libteam::{Change, ChangeKind, Changes, OptionId, OptionValue, Port, TeamHandle};

use crate::support::snapshot::{LinkState, State, state};
use crate::support::timeouts::patience;

/// What each thing was before and is after, of those that differ.
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

    /// Panics if something is told twice.
    pub(crate) fn told(changes: &Changes) -> Self {
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

fn each_once<K: Ord + Clone + Debug, V>(told: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in told {
        assert!(map.insert(key.clone(), value).is_none(), "{key:?} is told twice in one batch");
    }
    map
}

/// Registers a handler and returns what it is called with.
pub(crate) fn overhear(team: &mut TeamHandle) -> Receiver<Changes> {
    let (tell, told) = channel();
    let all = ChangeKind::all();
    team.add_handler(all, move |_, changes| Ok(tell.send(changes.clone())?));
    told
}

/// Handles events until the kernel has said everything that it says in its own time.
pub(crate) fn until_quiet(team: &mut TeamHandle) {
    let deadline = Instant::now() + patience();
    while team.wait(Some(Duration::from_millis(60))).unwrap() {
        team.handle_events().unwrap();
        assert!(Instant::now() < deadline, "the namespace does not come to rest");
    }
}

/// Reads what was lost, by one call, and panics unless it tells exactly the difference to the state
/// before, to the handlers too, and the cache is the truth afterwards.
pub(crate) fn assert_made_good(
    team: &mut TeamHandle,
    handler: &Receiver<Changes>,
    before: &State,
) -> Changes {
    let mut fresh = TeamHandle::builder()
        .link_scope(team.link_scope())
        .open_index(team.ifindex())
        .expect("the team is there");
    until_quiet(&mut fresh);
    let changes = team.handle_events().unwrap();
    assert!(changes.is_resynced(), "nothing was lost");
    assert!(!changes.is_inconsistent());
    let expected = Difference::between(before, &state(&fresh));
    let told = Difference::told(&changes);
    assert_eq!(told.links, expected.links, "not the links that differ");
    assert_eq!(told.ports, expected.ports, "not the ports that differ");
    assert_eq!(told.options, expected.options, "not the options that differ");
    let calls: Vec<Changes> = handler.try_iter().collect();
    let expected_calls: Vec<Changes> =
        (!changes.kinds().is_empty()).then(|| changes.clone()).into_iter().collect();
    assert_eq!(calls, expected_calls, "the handler is not told once of what differs");
    crate::support::snapshot::assert_true(team);
    assert_eq!(team.handle_events().unwrap(), Changes::default(), "it is told again");
    changes
}
