//! Compares the reports of a session with what happened in the kernel.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::changes::{Change, Changes};
use crate::model::link_scope::LinkScope;
use crate::testing::kernel::event::TEAM;
use crate::testing::kernel::namespace::Namespace;
use crate::testing::kernel::state::{Key, State, Value, link, option, port};

pub(super) type Verdict = Result<(), TestCaseError>;

/// The reports of the session so far.
#[derive(Debug)]
pub(super) struct Watch {
    reported: BTreeMap<Key, Value>,
    removals: BTreeMap<Key, u32>,
    /// Whether each report must be right, or only the sum of the reports.
    is_strict: bool,
    scope: LinkScope,
}

impl Watch {
    /// Begins with the contents of the cache after the start.
    pub(super) fn new(start: State, is_strict: bool, scope: LinkScope) -> Self {
        Self { reported: start.things, removals: BTreeMap::new(), is_strict, scope }
    }

    /// Checks one batch of reports: each change starts from the state that was reported last, its
    /// new state existed at some time, and an object is not reported as removed more often than it
    /// was removed.
    pub(super) fn check(&mut self, changes: &Changes, namespace: &Namespace) -> Verdict {
        let mut keys = vec![];
        for change in changes.links() {
            keys.push(self.check_one(change, link, namespace)?);
        }
        for change in changes.ports() {
            keys.push(self.check_one(change, port, namespace)?);
        }
        for change in changes.options() {
            keys.push(self.check_one(change, option, namespace)?);
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), count, "something is reported twice in one batch");
        Ok(())
    }

    fn check_one<T>(
        &mut self,
        change: &Change<T>,
        read: fn(&T) -> (Key, Value),
        namespace: &Namespace,
    ) -> Result<Key, TestCaseError> {
        let (key, _) = read(change.latest());
        let before = change.before().map(|before| read(before).1);
        prop_assert_eq!(
            self.reported.get(&key),
            before.as_ref(),
            "{:?} was reported in another state before",
            key
        );
        if let Some(value) = change.after().map(|after| read(after).1) {
            let was = namespace.history.has(&key, &value);
            prop_assert!(was || !self.is_strict, "{:?} was never {:?}", key, value);
            let is_kept = self.scope == LinkScope::All || is_of_team(&key, &value);
            prop_assert!(is_kept, "{:?} is not a port: {:?}", key, value);
            self.reported.insert(key.clone(), value);
        } else {
            self.reported.remove(&key);
            let reported = self.removals.entry(key.clone()).or_default();
            *reported += 1;
            let removed = namespace.history.removals_of(&key, self.scope);
            prop_assert!(
                *reported <= removed || !self.is_strict,
                "{:?} is reported as removed {} times, was removed {} times",
                key,
                reported,
                removed
            );
        }
        Ok(key)
    }

    /// Checks that the reports add up to the contents of the cache.
    pub(super) fn check_sum(&self, cache: &State) -> Verdict {
        same("the reports and the cache", &self.reported, &cache.things)
    }
}

/// Returns whether a session that tracks only the team's links has this object.
fn is_of_team(key: &Key, value: &Value) -> bool {
    match (key, value) {
        (Key::Link(ifindex), Value::Link(link)) => *ifindex == TEAM || link.master == Some(TEAM),
        _ => true,
    }
}

/// Checks that two sides are equal; the message contains only the differences.
pub(super) fn same<K: Ord + Clone + Debug, V: PartialEq + Clone + Debug>(
    what: &str,
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> Verdict {
    let keys = one.keys().chain(other.keys());
    let differing: BTreeMap<_, _> = keys
        .filter(|key| one.get(key) != other.get(key))
        .map(|key| (key.clone(), (one.get(key), other.get(key))))
        .collect();
    prop_assert!(differing.is_empty(), "{}: {:#?}", what, differing);
    Ok(())
}
