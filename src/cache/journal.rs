use std::hash::Hash;

use indexmap::IndexMap;

use crate::changes::Change;

/// What was touched since changes were last told, with the state from before the first touch.
#[derive(Debug)]
pub(super) struct Journal<K, V> {
    entries: IndexMap<K, Entry<V>>,
    /// Nothing is noted.
    is_paused: bool,
}

#[derive(Debug)]
struct Entry<V> {
    before: Option<V>,
    /// What the kernel said of it when it went.
    last_words: Option<V>,
    /// The kernel itself says that it changed.
    marked: bool,
    /// This handle itself changed it.
    by_us: bool,
}

impl<K, V> Default for Journal<K, V> {
    fn default() -> Self {
        Self { entries: IndexMap::new(), is_paused: false }
    }
}

impl<K: Hash + Eq, V: PartialEq + Clone> Journal<K, V> {
    /// Notes nothing from now on, or again what comes.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Notes the state before a touch; only the first touch counts.
    pub(super) fn note(&mut self, key: K, before: impl FnOnce() -> Option<V>, marked: bool) {
        let Some(entry) = self.entry(key, before) else { return };
        entry.marked |= marked;
        entry.last_words = None;
    }

    /// Notes that something went, and what the kernel said of it then.
    pub(super) fn note_removed(&mut self, key: K, before: impl FnOnce() -> Option<V>, last_words: V, marked: bool) {
        let Some(entry) = self.entry(key, before) else { return };
        entry.marked |= marked;
        entry.last_words = Some(last_words);
    }

    /// Notes a change that this handle made.
    pub(super) fn note_by_us(&mut self, key: K, before: impl FnOnce() -> Option<V>) {
        let Some(entry) = self.entry(key, before) else { return };
        entry.marked = true;
        entry.by_us = true;
    }

    fn entry(&mut self, key: K, before: impl FnOnce() -> Option<V>) -> Option<&mut Entry<V>> {
        if self.is_paused {
            return None;
        }
        let new = || Entry { before: before(), last_words: None, marked: false, by_us: false };
        Some(self.entries.entry(key).or_insert_with(new))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What was touched, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.keys()
    }

    /// Tells the changes against the state now, and starts anew.
    pub(super) fn take<'a>(&mut self, now: impl Fn(&K) -> Option<&'a V>) -> Vec<Change<V>>
    where
        V: 'a,
    {
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(key, Entry { before, last_words, marked, by_us })| {
                let after = now(&key);
                let differs = marked || before.as_ref() != after;
                let change = differs.then(|| Change::between(before, after.cloned())).flatten();
                change.map(|change| change.made_by_us(by_us).with_last_words(last_words))
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
            journal.note("key", || *value, marked);
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
        journal.note_removed("key", || Some(1), 2, false);
        let changes = journal.take(|_| None);
        assert_eq!((changes[0].before(), changes[0].after(), changes[0].latest()), (Some(&1), None, &2));
    }

    #[test]
    fn last_words_are_forgotten_when_it_is_there_again() {
        let mut journal = Journal::default();
        journal.note_removed("key", || Some(1), 2, false);
        journal.note("key", || None, false);
        assert_eq!(journal.take(|_| None), [Change::between(Some(1), None).unwrap()]);
        journal.note_removed("key", || Some(1), 2, false);
        assert_eq!(journal.take(|_| Some(&3)), [Change::between(Some(1), Some(3)).unwrap()]);
        journal.note_removed("key", || None, 2, true);
        assert_eq!(journal.take(|_| None), []);
    }

    #[test]
    fn while_it_is_paused_nothing_is_noted() {
        let mut journal = Journal::default();
        journal.pause(true);
        journal.note("key", || None, true);
        journal.note_removed("key", || Some(1), 2, true);
        journal.note_by_us("key", || Some(1));
        assert!(journal.is_empty());
        journal.pause(false);
        journal.note("key", || Some(1), false);
        assert_eq!(journal.take(|_| Some(&3)), [Change::between(Some(1), Some(3)).unwrap()]);
    }

    #[test]
    fn it_starts_anew_after_telling() {
        let mut journal = Journal::default();
        journal.note("key", || Some(1), true);
        journal.take(|_| Some(&2));
        assert!(journal.is_empty());
        assert_eq!(journal.take(|_| Some(&3)), []);
    }
}
