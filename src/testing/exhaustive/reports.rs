//! Compares the reports of a handle with what happened in the kernel, in order.

use std::collections::BTreeMap;

use super::Verdict;
use crate::cache::Cache;
use crate::changes::{Change, Changes};
use crate::model::link_scope::LinkScope;
use crate::testing::digest::Digest;
use crate::testing::kernel::event::TEAM;
use crate::testing::kernel::state::{Key, State, Value, link, option, port};

/// The states of each object since the state that was reported last. `None` is a state too: the
/// object does not exist, or it is a link that this handle does not track.
///
/// A report must be one of these states, and the next report must be the same state or a later one:
/// no report is false, and reports do not go back in time. The first of the states is the one that
/// was reported last.
#[derive(Debug)]
pub(super) struct Reports {
    states: BTreeMap<Key, Vec<Option<Value>>>,
    scope: LinkScope,
}

impl Reports {
    /// Begins with the existing objects, before the handle is opened.
    pub(super) fn new(existing: State, scope: LinkScope) -> Self {
        let states = existing.things.into_iter().map(|(key, value)| (key, vec![Some(value)]));
        Self { states: states.collect(), scope }
    }

    /// Records what happened in the kernel.
    pub(super) fn record(&mut self, log: Vec<(Key, Option<Value>)>) {
        for (key, value) in log {
            let value = value.filter(|value| self.is_followed(&key, value));
            let states = self.states.entry(key).or_insert_with(|| vec![None]);
            if states.last() != Some(&value) {
                states.push(value);
            }
        }
    }

    fn is_followed(&self, key: &Key, value: &Value) -> bool {
        match (key, value) {
            (Key::Link(ifindex), Value::Link(link)) => {
                self.scope == LinkScope::All || *ifindex == TEAM || link.master == Some(TEAM)
            }
            _ => true,
        }
    }

    /// Checks the state of a handle that was just opened: it is the first report of every object. A
    /// missing object is not reported: a list may have skipped a link.
    pub(super) fn check_start(&mut self, cache: &Cache) -> Verdict {
        let mut known = State::of(cache).things;
        let mut keys: Vec<_> = self.states.keys().chain(known.keys()).cloned().collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().try_for_each(|key| {
            let value = known.remove(&key);
            if value.is_none() {
                let states = self.states.entry(key.clone()).or_default();
                if states.first() != Some(&None) {
                    states.insert(0, None);
                }
            }
            self.check_report(&key, value.as_ref(), false)
        })
    }

    pub(super) fn check(&mut self, changes: &Changes) -> Verdict {
        changes.links().try_for_each(|change| self.check_change(change, link))?;
        changes.ports().try_for_each(|change| self.check_change(change, port))?;
        changes.options().try_for_each(|change| self.check_change(change, option))
    }

    fn check_change<T>(&mut self, change: &Change<T>, read: fn(&T) -> (Key, Value)) -> Verdict {
        let key = read(change.latest()).0;
        let before = change.before().map(|before| read(before).1);
        let reported = self.states.get(&key).and_then(|states| states.first().cloned()).flatten();
        if before != reported {
            return Err(format!(
                "{key:?}: the state before is {before:?}, was reported as {reported:?}"
            ));
        }
        let after = change.after().map(|after| read(after).1);
        self.check_report(&key, after.as_ref(), change.is_recreated())
    }

    fn check_report(&mut self, key: &Key, value: Option<&Value>, is_recreated: bool) -> Verdict {
        let states = self.states.entry(key.clone()).or_insert_with(|| vec![None]);
        let from = if is_recreated { states.iter().position(Option::is_none) } else { Some(0) };
        let place = from.and_then(|from| {
            states[from..]
                .iter()
                .position(|state| state.as_ref() == value)
                .map(|place| from + place)
        });
        let Some(place) = place else {
            let what = match value {
                Some(value) if is_recreated => format!("recreated as {value:?}"),
                Some(value) => format!("{value:?}"),
                None => "removed".to_owned(),
            };
            return Err(format!(
                "{key:?} is reported as {what}; it was {states:?} since the last report"
            ));
        };
        states.drain(..place);
        Ok(())
    }

    /// Checks that the reports add up to the state of the handle.
    pub(super) fn check_sum(&self, cache: &Cache) -> Verdict {
        let mut reported = BTreeMap::new();
        for (key, states) in &self.states {
            reported.extend(states[0].clone().map(|value| (key.clone(), value)));
        }
        same("the reports", &reported, "the cache", &State::of(cache).things)
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        for (key, states) in self.states.iter().filter(|(_, states)| ***states != [None]) {
            digest.debug(&(key, states));
        }
    }
}

/// Checks that two sides are equal; the message contains only the differences.
pub(super) fn same(
    one_name: &str,
    one: &BTreeMap<Key, Value>,
    other_name: &str,
    other: &BTreeMap<Key, Value>,
) -> Verdict {
    let keys = one.keys().chain(other.keys());
    let differing = keys.filter(|key| one.get(key) != other.get(key));
    let differing: BTreeMap<_, _> =
        differing.map(|key| (key, (one.get(key), other.get(key)))).collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("{one_name} and {other_name} differ: {differing:#?}"))
}
