//! What changed since changes were taken last: of each thing, the state before its first change.

use std::collections::BTreeSet;
use std::hash::Hash;

use indexmap::IndexMap;

use crate::changes::Change;

/// How many entries of things that came and went are kept before they are dropped: dropping moves
/// all other entries.
const MAX_CANCELLED: usize = 32;

/// The things that were touched since changes were taken last, in the order of their first touch,
/// each with its state from before that.
#[derive(Debug)]
pub(super) struct Journal<K, V> {
    entries: IndexMap<K, Entry<V>>,
    /// How many entries are cancelled.
    cancelled_count: usize,
    /// Nothing is recorded.
    is_suspended: bool,
    /// Removals may be older than the state that is known: see [`set_stale`](Self::set_stale).
    is_stale: bool,
    /// The same for single things.
    stale_keys: BTreeSet<K>,
}

#[derive(Debug)]
struct Entry<V> {
    before: Option<V>,
    /// The state with which the kernel announced the removal.
    final_state: Option<V>,
    /// The kernel itself marked it as changed.
    flagged_by_kernel: bool,
    /// This handle changed it.
    is_local: bool,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// It exists, or only events that may be old say that it does not.
    Kept,
    /// It was removed, and has not been added again.
    Removed,
    /// It was there before, was removed, and was added again.
    Recreated,
    /// It was added and removed again: there is nothing to report.
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

    /// Says whether what is recorded from now on may come from events that are older than the state
    /// that is known. A removal and an addition among them may be those of a predecessor, so they
    /// do not make a thing recreated.
    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.is_stale = is_stale;
        self.stale_keys.clear();
    }

    /// Says that of one thing, until the next [`set_stale`](Self::set_stale).
    pub(super) fn set_key_stale(&mut self, key: K) {
        self.stale_keys.insert(key);
    }

    /// Records that something was added or changed, with its state from before. Only the first
    /// touch's state counts.
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

    /// Records that something was removed, and the state with which the kernel announced that, if
    /// it did. Returns false if its addition was never reported: then there is nothing to report.
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

    /// Like [`record_removed`](Self::record_removed), for something that still exists and is only
    /// not tracked any more.
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

    /// Records a change that this handle made of something that is there `now`, or was.
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

    /// Bounds the memory of a handle whose changes are never taken while things come and go without
    /// end.
    fn drop_cancelled(&mut self) {
        if self.cancelled_count > MAX_CANCELLED && self.cancelled_count > self.entries.len() / 2 {
            self.entries.retain(|_, entry| entry.presence != Presence::Cancelled);
            self.cancelled_count = 0;
        }
    }

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

    /// Returns the changes against the state now, in the order of the first touches, and forgets
    /// them.
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

    /// Plays the values that one key has one after the other, and tells what a journal makes of it.
    fn told(values: &[Option<i32>], marked: bool) -> Vec<Change<i32>> {
        let mut journal = Journal::default();
        for value in &values[..values.len() - 1] {
            journal.record("key", || *value, marked);
        }
        let last = values.last().unwrap();
        journal.take(|_| last.as_ref())
    }

    #[test]
    fn only_the_difference_over_the_whole_batch_is_told() {
        assert_eq!(
            told(&[Some(1), Some(2), Some(3)], false),
            [Change::between(Some(1), Some(3)).unwrap()]
        );
        assert_eq!(
            told(&[None, Some(2), Some(3)], false),
            [Change::between(None, Some(3)).unwrap()]
        );
        assert_eq!(told(&[Some(1), None], false), [Change::between(Some(1), None).unwrap()]);
        assert_eq!(told(&[Some(1), Some(2), Some(1)], false), []);
        assert_eq!(told(&[None, Some(2), None], false), []);
    }

    #[test]
    fn what_the_kernel_marks_is_told_even_if_it_is_the_same_again() {
        assert_eq!(told(&[Some(1), Some(1)], true), [Change::between(Some(1), Some(1)).unwrap()]);
        assert_eq!(told(&[None, Some(2), None], true), []);
    }

    #[test]
    fn what_went_is_told_with_what_the_kernel_said_of_it_last() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), Some(2), false);
        let changes = journal.take(|_| None);
        assert_eq!(
            (changes[0].before(), changes[0].after(), changes[0].latest()),
            (Some(&1), None, &2)
        );
    }

    #[test]
    fn last_words_are_forgotten_when_it_is_there_again() {
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
    fn while_it_is_paused_nothing_is_noted() {
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
    fn what_comes_and_goes_for_ever_is_not_kept() {
        let mut journal = Journal::default();
        journal.record(0, || Some(1), false);
        for key in 1..10_000 {
            journal.record(key, || None, true);
            assert!(
                !journal.record_removed(key, || Some(2), Some(2), true),
                "nobody was told of it"
            );
            journal.record_local(key, None);
            assert!(journal.entries.len() < 100, "{key}");
        }
        journal.record(20_000, || None, false);
        let told =
            [Change::between(Some(1), Some(3)).unwrap(), Change::between(None, Some(3)).unwrap()];
        assert_eq!(journal.take(|_| Some(&3)), told);
    }

    #[test]
    fn what_came_and_went_and_is_there_again_is_new() {
        let mut journal = Journal::default();
        journal.record(1, || None, true);
        journal.record_local(1, Some(1));
        journal.record_removed(1, || Some(1), Some(1), true);
        assert!(journal.is_empty());
        // More than is kept of what came and went, and less.
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
    fn what_there_was_before_is_told_to_be_gone_however_often_it_came_and_went() {
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
    fn what_this_handle_set_and_went_is_told_by_its_end() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), None, false);
        journal.record_local("key", None);
        assert!(journal.take(|_| None).pop().unwrap().is_removed());
        journal.record_local("key", None);
        assert!(journal.entries.is_empty(), "there is no such thing");
    }

    #[test]
    fn it_starts_anew_after_telling() {
        let mut journal = Journal::default();
        journal.record("key", || Some(1), true);
        journal.take(|_| Some(&2));
        assert!(journal.is_empty());
        assert_eq!(journal.take(|_| Some(&3)), []);
    }

    #[test]
    fn removed_and_added_again_is_recreated_even_if_equal() {
        let mut journal = Journal::default();
        journal.record_removed("key", || Some(1), Some(1), false);
        journal.record("key", || None, false);
        let changes = journal.take(|_| Some(&1));
        assert_eq!(changes, [Change::between(Some(1), Some(1)).unwrap().recreated()]);
        assert!(changes[0].is_recreated() && !changes[0].is_added() && !changes[0].is_removed());

        journal.record_removed("key", || Some(1), None, false);
        journal.record("key", || None, false);
        journal.record_removed("key", || None, Some(2), false);
        assert!(!journal.take(|_| None)[0].is_recreated(), "it is removed in the end");

        journal.record("new", || None, false);
        journal.record_removed("new", || None, None, false);
        journal.record("new", || None, false);
        assert!(
            !journal.take(|_| Some(&3))[0].is_recreated(),
            "its first addition was never reported"
        );
    }

    #[test]
    fn released_and_tracked_again_is_not_recreated() {
        let mut journal = Journal::default();
        assert!(journal.record_released(&"key", 1));
        journal.record("key", || None, false);
        assert_eq!(journal.take(|_| Some(&1)), []);
    }

    #[test]
    fn removal_of_a_predecessor_does_not_make_recreated() {
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
    fn one_stale_thing_leaves_the_others_alone() {
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
    fn changes_are_in_the_order_of_the_first_touches() {
        let mut journal = Journal::default();
        for key in [3, 1, 2, 1, 3] {
            journal.record(key, || Some(0), false);
        }
        let values = [10, 11, 12, 13];
        let changes = journal.take(|key: &usize| values.get(*key));
        assert_eq!(changes.iter().map(|change| *change.latest()).collect::<Vec<_>>(), [13, 11, 12]);
    }
}
