//! Which states each thing had, and how often it was removed.

use std::collections::BTreeMap;

use super::event::TEAM;
use super::state::{Key, Value};
use crate::model::link_scope::LinkScope;

#[derive(Debug, Default)]
pub(crate) struct History {
    values: BTreeMap<Key, Vec<Value>>,
    removals: BTreeMap<Key, u32>,
    /// What happened in order, since it was last taken, where it is recorded: each state, and
    /// `None` where a thing was removed.
    log: Option<Vec<(Key, Option<Value>)>>,
}

impl History {
    /// Starts recording what happens in order.
    #[cfg(test)]
    pub(crate) fn start_log(&mut self) {
        self.log = Some(vec![]);
    }

    /// Takes what happened since this was last called.
    #[cfg(test)]
    pub(crate) fn take_log(&mut self) -> Vec<(Key, Option<Value>)> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn note(&mut self, key: Key, value: Value) {
        if let Some(log) = &mut self.log {
            log.push((key.clone(), Some(value.clone())));
        }
        let values = self.values.entry(key).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    pub(crate) fn record_removed(&mut self, key: Key) {
        if let Some(log) = &mut self.log {
            log.push((key.clone(), None));
        }
        *self.removals.entry(key).or_default() += 1;
    }

    /// Whether a thing ever had this state.
    pub(crate) fn has(&self, key: &Key, value: &Value) -> bool {
        self.values.get(key).is_some_and(|values| values.contains(value))
    }

    /// Returns how often a thing was removed. For a session that follows only the team's links, a
    /// link is removed when it stops being a port.
    pub(crate) fn removals_of(&self, key: &Key, scope: LinkScope) -> u32 {
        let key = match key {
            Key::Link(ifindex) if scope == LinkScope::Team && *ifindex != TEAM => {
                Key::Port(*ifindex)
            }
            _ => key.clone(),
        };
        self.removals.get(&key).copied().unwrap_or(0)
    }
}
