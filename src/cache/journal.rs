//! The journal of changes: for each changed object, its state before its first change in a batch.

use std::collections::BTreeSet;
use std::hash::Hash;

use indexmap::IndexMap;

use crate::changes::Change;

/// The number of cancelled entries from which on they are dropped.
///
/// Dropping moves all other entries, so that it is not done for each one.
const MAX_CANCELLED: usize = 32;

/// The objects that were changed since the last batch, in the order of their first change.
///
/// Each entry has the state of the object before its first change.
#[derive(Debug)]
pub(super) struct Journal<K, V> {
    entries: IndexMap<K, Entry<V>>,
    /// The number of cancelled entries.
    cancelled_count: usize,
    /// While this is set, nothing is recorded.
    is_suspended: bool,
    /// Removals may be older than the cached state: see [`set_stale`](Self::set_stale).
    is_stale: bool,
    /// The keys of objects whose removal may be older than the cached state.
    stale_keys: BTreeSet<K>,
}

#[derive(Debug)]
struct Entry<V> {
    before: Option<V>,
    /// The state with which the kernel announced the removal.
    final_state: Option<V>,
    /// The kernel marked the object as changed.
    flagged_by_kernel: bool,
    /// This handle changed the object.
    is_local: bool,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// The object exists, or was removed only by events that may be outdated.
    Kept,
    /// The object was removed, and not added again.
    Removed,
    /// The object existed before, was removed, and was added again.
    Recreated,
    /// The object was added and removed again, so that there is nothing to report.
    Cancelled,
}

impl<V> Entry<V> {
    fn new(before: Option<V>) -> Self {
        Self {
            before,
            final_state: None,
            flagged_by_kernel: false,
            is_local: false,
            presence: Presence::Kept,
        }
    }
}

impl<K, V> Default for Journal<K, V> {
    fn default() -> Self {
        Self {
            entries: IndexMap::new(),
            cancelled_count: 0,
            is_suspended: false,
            is_stale: false,
            stale_keys: BTreeSet::new(),
        }
    }
}

impl<K: Hash + Ord, V: PartialEq + Clone> Journal<K, V> {
    /// Stops or starts recording.
    pub(super) fn suspend(&mut self, is_suspended: bool) {
        self.is_suspended = is_suspended;
    }

    /// Sets whether the events that are recorded from now on may be older than the cached state.
    ///
    /// A removal and an addition by such events may be those of a former object with the same key,
    /// so that they do not mark the object as recreated.
    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.is_stale = is_stale;
        self.stale_keys.clear();
    }

    /// Like [`set_stale`](Self::set_stale) for one object, until the next call of `set_stale`.
    pub(super) fn set_key_stale(&mut self, key: K) {
        self.stale_keys.insert(key);
    }

    /// Records that an object was added or changed, with its state before.
    ///
    /// Only the state before the first change of a batch is kept.
    pub(super) fn record(
        &mut self,
        key: K,
        before: impl FnOnce() -> Option<V>,
        flagged_by_kernel: bool,
    ) {
        let Some(entry) = self.entry(key, before) else { return };
        entry.flagged_by_kernel |= flagged_by_kernel;
        if entry.presence == Presence::Removed {
            entry.presence = Presence::Recreated;
        }
        entry.final_state = None;
    }

    /// Records that an object was removed, with the state that the kernel announced, if any.
    ///
    /// Returns false if the addition of the object was never reported: then there is nothing to
    /// report.
    pub(super) fn record_removed(
        &mut self,
        key: K,
        before: impl FnOnce() -> Option<V>,
        final_state: Option<V>,
        flagged_by_kernel: bool,
    ) -> bool {
        let is_stale = self.is_stale || self.stale_keys.contains(&key);
        let Some(entry) = self.entry(key, before) else { return true };
        if entry.before.is_none() {
            entry.presence = Presence::Cancelled;
            self.cancelled_count += 1;
            self.drop_cancelled();
            return false;
        }
        entry.flagged_by_kernel |= flagged_by_kernel;
        entry.final_state = final_state;
        entry.presence = if is_stale { Presence::Kept } else { Presence::Removed };
        true
    }

    /// Records that an object exists, but is not tracked any more.
    ///
    /// The result is that of [`record_removed`](Self::record_removed).
    pub(super) fn record_released(&mut self, key: &K, before: V) -> bool
    where
        K: Clone,
    {
        let is_reported = self.record_removed(key.clone(), || Some(before), None, false);
        if let Some(entry) = self.entries.get_mut(key).filter(|_| is_reported) {
            entry.presence = Presence::Kept;
        }
        is_reported
    }

    /// Records that this handle changed an object, whose current state is `now`.
    pub(super) fn record_local(&mut self, key: K, now: Option<V>) {
        let is_recorded =
            self.entries.get(&key).is_some_and(|entry| entry.presence != Presence::Cancelled);
        if now.is_none() && !is_recorded {
            return;
        }
        let Some(entry) = self.entry(key, || now) else { return };
        entry.flagged_by_kernel = true;
        entry.is_local = true;
    }

    /// Drops the cancelled entries if they are many.
    ///
    /// This bounds the memory of a handle whose changes are never taken while objects are added and
    /// removed.
    fn drop_cancelled(&mut self) {
        if self.cancelled_count > MAX_CANCELLED && self.cancelled_count > self.entries.len() / 2 {
            self.entries.retain(|_, entry| entry.presence != Presence::Cancelled);
            self.cancelled_count = 0;
        }
    }

    /// Returns the entry of an object, or `None` while the journal is suspended.
    fn entry(&mut self, key: K, before: impl FnOnce() -> Option<V>) -> Option<&mut Entry<V>> {
        if self.is_suspended {
            return None;
        }
        match self.entries.entry(key) {
            indexmap::map::Entry::Vacant(vacant) => Some(vacant.insert(Entry::new(before()))),
            indexmap::map::Entry::Occupied(occupied) => {
                let entry = occupied.into_mut();
                if entry.presence == Presence::Cancelled {
                    *entry = Entry::new(before());
                    self.cancelled_count -= 1;
                }
                Some(entry)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.len() == self.cancelled_count
    }

    /// Takes the changes up to the current state, in the order of the first change of each object.
    pub(super) fn take<'a>(&mut self, now: impl Fn(&K) -> Option<&'a V>) -> Vec<Change<V>>
    where
        V: 'a,
    {
        self.cancelled_count = 0;
        let entries = std::mem::take(&mut self.entries)
            .into_iter()
            .filter(|(_, entry)| entry.presence != Presence::Cancelled);
        entries
            .filter_map(|(key, entry)| {
                let after = now(&key);
                let is_recreated = entry.presence == Presence::Recreated && after.is_some();
                let differs =
                    entry.flagged_by_kernel || is_recreated || entry.before.as_ref() != after;
                let change = Change::between(entry.before, after.cloned()).filter(|_| differs)?;
                let change = change.with_final_state(entry.final_state);
                let change = change.made_locally(entry.is_local);
                Some(if is_recreated { change.recreated() } else { change })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the changes of a journal that recorded these states of one object.
    fn changes_over(values: &[Option<i32>], flagged: bool) -> Vec<Change<i32>> {
        let mut journal = Journal::default();
        for value in &values[..values.len() - 1] {
            journal.record("key", || *value, flagged);
        }
        let last = values.last().unwrap();
        journal.take(|_| last.as_ref())
    }

    #[test]
    fn batch_reports_only_its_overall_difference() {
        assert_eq!(
            changes_over(&[Some(1), Some(2), Some(3)], false),
            [Change::between(Some(1), Some(3)).unwrap()]
        );
        assert_eq!(
            changes_over(&[None, Some(2), Some(3)], false),
            [Change::between(None, Some(3)).unwrap()]
        );
        let removed = [Change::between(Some(1), None).unwrap()];
        assert_eq!(changes_over(&[Some(1), None], false), removed);
        assert_eq!(changes_over(&[Some(1), Some(2), Some(1)], false), []);
        assert_eq!(changes_over(&[None, Some(2), None], false), []);
    }

    #[test]
    fn flagged_object_is_reported_even_if_equal() {
        let equal = [Change::between(Some(1), Some(1)).unwrap()];
        assert_eq!(changes_over(&[Some(1), Some(1)], true), equal);
        assert_eq!(changes_over(&[None, Some(2), None], true), []);
    }

    #[test]
    fn removed_object_keeps_announced_final_state() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), Some(2), false);
        let changes = journal.take(|_| None);
        assert_eq!(
            (changes[0].before(), changes[0].after(), changes[0].latest()),
            (Some(&1), None, &2)
        );
    }

    #[test]
    fn final_state_is_dropped_when_object_is_added_again() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), Some(2), false);
        journal.record("key", || None, false);
        assert_eq!(journal.take(|_| None), [Change::between(Some(1), None).unwrap()]);
        journal.record_removed("key", || Some(1), Some(2), false);
        assert_eq!(journal.take(|_| Some(&3)), [Change::between(Some(1), Some(3)).unwrap()]);
        journal.record_removed("key", || None, Some(2), true);
        assert_eq!(journal.take(|_| None), []);
    }

    #[test]
    fn suspended_journal_records_nothing() {
        let mut journal = Journal::default();
        journal.suspend(true);
        journal.record("key", || None, true);
        assert!(journal.record_removed("key", || Some(1), Some(2), true));
        journal.record_local("key", Some(1));
        assert!(journal.is_empty());
        journal.suspend(false);
        journal.record("key", || Some(1), false);
        assert_eq!(journal.take(|_| Some(&3)), [Change::between(Some(1), Some(3)).unwrap()]);
    }

    #[test]
    fn objects_added_and_removed_use_bounded_memory() {
        let mut journal = Journal::default();
        journal.record(0, || Some(1), false);
        for key in 1..10_000 {
            journal.record(key, || None, true);
            assert!(
                !journal.record_removed(key, || Some(2), Some(2), true),
                "removal of {key}, whose addition was not reported, is reported"
            );
            journal.record_local(key, None);
            let entries = journal.entries.len();
            assert!(entries < 100, "{entries} entries after {key}, expected less than 100");
        }
        journal.record(20_000, || None, false);
        let expected =
            [Change::between(Some(1), Some(3)).unwrap(), Change::between(None, Some(3)).unwrap()];
        assert_eq!(journal.take(|_| Some(&3)), expected);
    }

    #[test]
    fn cancelled_object_added_again_is_new() {
        let mut journal = Journal::default();
        journal.record(1, || None, true);
        journal.record_local(1, Some(1));
        journal.record_removed(1, || Some(1), Some(1), true);
        assert!(journal.is_empty());
        // The cancelled entry still exists, or was dropped.
        for others in [0, 2 * MAX_CANCELLED] {
            for key in 2..2 + others {
                journal.record(key, || None, false);
                journal.record_removed(key, || Some(1), None, false);
            }
            journal.record(1, || None, false);
            assert!(!journal.is_empty());
            assert_eq!(journal.take(|_| Some(&3)), [Change::between(None, Some(3)).unwrap()]);
        }
    }

    #[test]
    fn object_removed_repeatedly_is_reported_as_removed() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), None, false);
        for _ in 0..3 {
            journal.record("key", || None, false);
            assert!(journal.record_removed("key", || Some(2), Some(2), false));
        }
        let changes = journal.take(|_| None);
        assert_eq!(changes, [Change::between(Some(1), None).unwrap().with_final_state(Some(2))]);
    }

    #[test]
    fn object_set_locally_and_removed_is_removed() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), None, false);
        journal.record_local("key", None);
        assert!(journal.take(|_| None).pop().unwrap().is_removed());
        journal.record_local("key", None);
        let entries = journal.entries.len();
        assert_eq!(entries, 0, "entries after the local change of an unknown object");
    }

    #[test]
    fn journal_is_empty_after_take() {
        let mut journal = Journal::default();
        journal.record("key", || Some(1), true);
        journal.take(|_| Some(&2));
        assert!(journal.is_empty());
        assert_eq!(journal.take(|_| Some(&3)), []);
    }

    #[test]
    fn removed_and_added_object_is_recreated_even_if_equal() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), Some(1), false);
        journal.record("key", || None, false);
        let changes = journal.take(|_| Some(&1));
        assert_eq!(changes, [Change::between(Some(1), Some(1)).unwrap().recreated()]);
        assert!(changes[0].is_recreated() && !changes[0].is_added() && !changes[0].is_removed());

        journal.record_removed("key", || Some(1), None, false);
        journal.record("key", || None, false);
        journal.record_removed("key", || None, Some(2), false);
        assert!(!journal.take(|_| None)[0].is_recreated(), "a finally removed object is recreated");

        journal.record("new", || None, false);
        journal.record_removed("new", || None, None, false);
        journal.record("new", || None, false);
        assert!(
            !journal.take(|_| Some(&3))[0].is_recreated(),
            "an object whose first addition was not reported is recreated"
        );
    }

    #[test]
    fn released_and_tracked_object_is_not_recreated() {
        let mut journal = Journal::default();
        assert!(journal.record_released(&"key", 1));
        journal.record("key", || None, false);
        assert_eq!(journal.take(|_| Some(&1)), []);
    }

    #[test]
    fn stale_removal_does_not_mark_as_recreated() {
        let mut journal = Journal::default();
        journal.set_stale(true);
        journal.record_removed("key", || Some(1), None, false);
        journal.record("key", || None, false);
        assert_eq!(journal.take(|_| Some(&1)), []);
        journal.set_stale(false);
        journal.record_removed("key", || Some(1), None, false);
        journal.record("key", || None, false);
        assert!(journal.take(|_| Some(&1))[0].is_recreated());
    }

    #[test]
    fn stale_key_does_not_affect_other_keys() {
        let mut journal = Journal::default();
        journal.set_key_stale("stale");
        for key in ["stale", "other"] {
            journal.record_removed(key, || Some(1), None, false);
            journal.record(key, || None, false);
        }
        let changes = journal.take(|_| Some(&1));
        assert_eq!(changes.len(), 1);
        assert!(changes[0].is_recreated());
    }

    #[test]
    fn changes_are_in_the_order_of_first_changes() {
        let mut journal = Journal::default();
        for key in [3, 1, 2, 1, 3] {
            journal.record(key, || Some(0), false);
        }
        let values = [10, 11, 12, 13];
        let changes = journal.take(|key: &usize| values.get(*key));
        assert_eq!(changes.iter().map(|change| *change.latest()).collect::<Vec<_>>(), [13, 11, 12]);
    }
}
