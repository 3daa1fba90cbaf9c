use std::hash::Hash;

use indexmap::IndexMap;

use crate::changes::Change;

/// So many notes of what came and went are kept in any case: to forget them moves all others.
const MAX_CANCELLED: usize = 32;

/// What was touched since changes were last told, with the state from before the first touch.
#[derive(Debug)]
pub(super) struct Journal<K, V> {
    entries: IndexMap<K, Entry<V>>,
    /// How many of them are void.
    cancelled_count: usize,
    /// Nothing is noted.
    is_paused: bool,
}

#[derive(Debug)]
struct Entry<V> {
    before: Option<V>,
    /// What the kernel said of it when it went.
    final_state: Option<V>,
    /// The kernel itself says that it changed.
    marked: bool,
    /// This handle itself changed it.
    local: bool,
    /// It came and went: there is nothing to tell.
    cancelled: bool,
}

impl<V> Entry<V> {
    fn new(before: Option<V>) -> Self {
        Self { before, final_state: None, marked: false, local: false, cancelled: false }
    }
}

impl<K, V> Default for Journal<K, V> {
    fn default() -> Self {
        Self { entries: IndexMap::new(), cancelled_count: 0, is_paused: false }
    }
}

impl<K: Hash + Eq, V: PartialEq + Clone> Journal<K, V> {
    /// Notes nothing from now on, or again what comes.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Notes the state before a touch; only the first touch counts.
    pub(super) fn record(&mut self, key: K, before: impl FnOnce() -> Option<V>, marked: bool) {
        let Some(entry) = self.entry(key, before) else { return };
        entry.marked |= marked;
        entry.final_state = None;
    }

    /// Notes that something went, and what the kernel said of it then, if anything. False if nobody was told that it
    /// had come: then there is nothing to tell.
    pub(super) fn record_removed(
        &mut self,
        key: K,
        before: impl FnOnce() -> Option<V>,
        final_state: Option<V>,
        marked: bool,
    ) -> bool {
        let Some(entry) = self.entry(key, before) else { return true };
        if entry.before.is_none() {
            entry.cancelled = true;
            self.cancelled_count += 1;
            self.drop_cancelled();
            return false;
        }
        entry.marked |= marked;
        entry.final_state = final_state;
        true
    }

    /// Notes a change that this handle made of something that there is `now`, or was.
    pub(super) fn record_local(&mut self, key: K, now: Option<V>) {
        let is_noted = self.entries.get(&key).is_some_and(|entry| !entry.cancelled);
        if now.is_none() && !is_noted {
            return;
        }
        let Some(entry) = self.entry(key, || now) else { return };
        entry.marked = true;
        entry.local = true;
    }

    /// Makes room: who never has the changes told, and hears of things that come and go for ever, keeps no more than
    /// there is or was.
    fn drop_cancelled(&mut self) {
        if self.cancelled_count > MAX_CANCELLED && self.cancelled_count > self.entries.len() / 2 {
            self.entries.retain(|_, entry| !entry.cancelled);
            self.cancelled_count = 0;
        }
    }

    fn entry(&mut self, key: K, before: impl FnOnce() -> Option<V>) -> Option<&mut Entry<V>> {
        if self.is_paused {
            return None;
        }
        match self.entries.entry(key) {
            indexmap::map::Entry::Vacant(vacant) => Some(vacant.insert(Entry::new(before()))),
            indexmap::map::Entry::Occupied(occupied) => {
                let entry = occupied.into_mut();
                if entry.cancelled {
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

    /// Tells the changes against the state now, and starts anew.
    pub(super) fn take<'a>(&mut self, now: impl Fn(&K) -> Option<&'a V>) -> Vec<Change<V>>
    where
        V: 'a,
    {
        self.cancelled_count = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter(|(_, entry)| !entry.cancelled)
            .filter_map(|(key, Entry { before, final_state, marked, local, .. })| {
                let after = now(&key);
                let differs = marked || before.as_ref() != after;
                let change = differs.then(|| Change::between(before, after.cloned())).flatten();
                change.map(|change| change.made_locally(local).with_final_state(final_state))
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
        assert_eq!(told(&[Some(1), Some(2), Some(3)], false), [Change::between(Some(1), Some(3)).unwrap()]);
        assert_eq!(told(&[None, Some(2), Some(3)], false), [Change::between(None, Some(3)).unwrap()]);
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
        assert_eq!((changes[0].before(), changes[0].after(), changes[0].latest()), (Some(&1), None, &2));
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
        journal.pause(true);
        journal.record("key", || None, true);
        assert!(journal.record_removed("key", || Some(1), Some(2), true));
        journal.record_local("key", Some(1));
        assert!(journal.is_empty());
        journal.pause(false);
        journal.record("key", || Some(1), false);
        assert_eq!(journal.take(|_| Some(&3)), [Change::between(Some(1), Some(3)).unwrap()]);
    }

    #[test]
    fn what_comes_and_goes_for_ever_is_not_kept() {
        let mut journal = Journal::default();
        journal.record(0, || Some(1), false);
        for key in 1..10_000 {
            journal.record(key, || None, true);
            assert!(!journal.record_removed(key, || Some(2), Some(2), true), "nobody was told of it");
            journal.record_local(key, None);
            assert!(journal.entries.len() < 100, "{key}");
        }
        journal.record(20_000, || None, false);
        let told = [Change::between(Some(1), Some(3)).unwrap(), Change::between(None, Some(3)).unwrap()];
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
}
