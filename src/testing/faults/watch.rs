//! Holds what a session tells against the namespace.

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

/// What was told so far.
#[derive(Debug)]
pub(super) struct Watch {
    told: BTreeMap<Key, Value>,
    removals: BTreeMap<Key, u32>,
    /// Whether every word must be true, or only the sum must be right.
    is_strict: bool,
    scope: LinkScope,
}

impl Watch {
    /// What is there from the start is told by the cache itself.
    pub(super) fn new(start: State, is_strict: bool, scope: LinkScope) -> Self {
        Self { told: start.things, removals: BTreeMap::new(), is_strict, scope }
    }

    /// Takes down what a session tells. Each change starts from what was told before; what is told
    /// to be was once, and nothing is told to be gone more often than it went.
    pub(super) fn hear(&mut self, changes: &Changes, namespace: &Namespace) -> Verdict {
        let mut heard = vec![];
        for change in changes.links() {
            heard.push(self.hear_one(change, link, namespace)?);
        }
        for change in changes.ports() {
            heard.push(self.hear_one(change, port, namespace)?);
        }
        for change in changes.options() {
            heard.push(self.hear_one(change, option, namespace)?);
        }
        let count = heard.len();
        heard.sort();
        heard.dedup();
        prop_assert_eq!(heard.len(), count, "something is told twice in one batch");
        Ok(())
    }

    fn hear_one<T>(
        &mut self,
        change: &Change<T>,
        read: fn(&T) -> (Key, Value),
        namespace: &Namespace,
    ) -> Result<Key, TestCaseError> {
        let (key, _) = read(change.latest());
        let before = change.before().map(|before| read(before).1);
        prop_assert_eq!(
            self.told.get(&key),
            before.as_ref(),
            "{:?} was told to be something else before",
            key
        );
        if let Some(value) = change.after().map(|after| read(after).1) {
            let was = namespace.history.has(&key, &value);
            prop_assert!(was || !self.is_strict, "{:?} never was {:?}", key, value);
            let is_kept = self.scope == LinkScope::All || is_of_team(&key, &value);
            prop_assert!(is_kept, "{:?} is no port: {:?}", key, value);
            self.told.insert(key.clone(), value);
        } else {
            self.told.remove(&key);
            let told = self.removals.entry(key.clone()).or_default();
            *told += 1;
            let went = namespace.history.removals_of(&key, self.scope);
            prop_assert!(
                *told <= went || !self.is_strict,
                "{:?} is told to be gone {} times, went {}",
                key,
                told,
                went
            );
        }
        Ok(key)
    }

    /// The sum of what was told is what is there.
    pub(super) fn check_sum(&self, cache: &State) -> Verdict {
        same("what was told, and the cache", &self.told, &cache.things)
    }
}

/// Whether it is something that a session keeps that follows the team's links only.
fn is_of_team(key: &Key, value: &Value) -> bool {
    match (key, value) {
        (Key::Link(ifindex), Value::Link(link)) => *ifindex == TEAM || link.master == Some(TEAM),
        _ => true,
    }
}

/// Names what differs, not all that there is.
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
