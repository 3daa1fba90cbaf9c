//! Lists of ports or options with their changes; the driver reports single items or whole lists.

use std::hash::Hash;

use super::journal::Journal;
use super::order::ListOrder;
use crate::changes::Change;
use crate::netlink::codec::team::ItemFlags;

/// A collection of items by key, in the driver's order.
pub(super) trait Store: Default {
    type Key: Clone + Hash + Ord;
    type Item: Clone + PartialEq;

    fn key(item: &Self::Item) -> &Self::Key;
    fn iter(&self) -> impl ExactSizeIterator<Item = &Self::Item>;
    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Self::Item>;
    fn get(&self, key: &Self::Key) -> Option<&Self::Item>;
    fn get_mut(&mut self, key: &Self::Key) -> Option<&mut Self::Item>;
    /// Replaces the item with the same key, or else adds the item as the last one.
    ///
    /// Returns whether the item was added.
    fn insert(&mut self, item: Self::Item) -> bool;
    /// Removes the item with this key, and returns whether there was one.
    fn remove(&mut self, key: &Self::Key) -> bool;
}

/// A list with the journal of its changes.
#[derive(Debug)]
pub(super) struct TrackedList<S: Store> {
    items: S,
    journal: Journal<S::Key, S::Item>,
    order: ListOrder<S::Key>,
}

impl<S: Store> Default for TrackedList<S> {
    fn default() -> Self {
        Self { items: S::default(), journal: Journal::default(), order: ListOrder::default() }
    }
}

impl<S: Store> TrackedList<S> {
    pub(super) fn items(&self) -> &S {
        &self.items
    }

    /// Returns the items for changes that are not reported.
    pub(super) fn items_untracked(&mut self) -> &mut S {
        &mut self.items
    }

    /// Applies an event about an item, and returns whether the item's position became unknown.
    pub(super) fn apply(&mut self, item: S::Item, flags: ItemFlags) -> bool {
        let key = S::key(&item).clone();
        let before = self.items.get(&key).cloned();
        if flags.removed {
            if self.items.remove(&key) {
                self.order.removed(key.clone());
            }
            self.journal.record_removed(key, || before, Some(item), flags.changed);
            return false;
        }
        let is_position_unknown = self.items.insert(item) && self.order.is_position_unknown(&key);
        self.journal.record(key, || before, flags.changed);
        is_position_unknown
    }

    /// Replaces the items by a complete list, and returns the keys of items that are not in it.
    pub(super) fn replace(&mut self, list: Vec<(S::Item, ItemFlags)>) -> Vec<S::Key> {
        let gone = if self.is_list_of(&list) {
            self.update(list);
            Vec::new()
        } else {
            self.rebuild(list)
        };
        self.order.listed();
        gone
    }

    /// Returns whether the list has the same items in the same order.
    ///
    /// Most lists do; such a list is applied without moving items.
    fn is_list_of(&self, list: &[(S::Item, ItemFlags)]) -> bool {
        let items = self.items.iter();
        items.len() == list.len()
            && items
                .zip(list)
                .all(|(item, (other, flags))| S::key(item) == S::key(other) && !flags.removed)
    }

    fn update(&mut self, list: Vec<(S::Item, ItemFlags)>) {
        for (item, (new, flags)) in self.items.iter_mut().zip(list) {
            let is_changed = flags.changed || *item != new;
            let before = std::mem::replace(item, new);
            if is_changed {
                self.journal.record(S::key(&before).clone(), || Some(before), flags.changed);
            }
        }
    }

    fn rebuild(&mut self, list: Vec<(S::Item, ItemFlags)>) -> Vec<S::Key> {
        let mut old = std::mem::take(&mut self.items);
        for (item, flags) in list {
            let key = S::key(&item).clone();
            if let Some(item) = old.get(&key) {
                self.items.insert(item.clone());
            }
            self.apply(item, flags);
            old.remove(&key);
        }
        for item in old.iter() {
            self.journal.record_removed(S::key(item).clone(), || Some(item.clone()), None, false);
        }
        old.iter().map(|item| S::key(item).clone()).collect()
    }

    /// Removes an item for which the kernel sent no removal event.
    pub(super) fn remove(&mut self, key: &S::Key) {
        if let Some(item) = self.items.get(key).cloned() {
            self.items.remove(key);
            self.order.removed(key.clone());
            self.journal.record_removed(key.clone(), || Some(item), None, false);
        }
    }

    /// Changes an item, if it exists, and records the change.
    pub(super) fn change(&mut self, key: &S::Key, change: impl FnOnce(&mut S::Item)) {
        if let Some(item) = self.items.get_mut(key) {
            self.journal.record(key.clone(), || Some(item.clone()), false);
            change(item);
        }
    }

    /// Records that this handle changed an item.
    pub(super) fn mark_local(&mut self, key: &S::Key) {
        self.journal.record_local(key.clone(), self.items.get(key).cloned());
    }

    /// Records that all events that may be older than the last list were applied.
    pub(super) fn settle_order(&mut self) {
        self.order.settle();
    }

    /// Stops or starts recording changes.
    pub(super) fn suspend_journal(&mut self, is_suspended: bool) {
        self.journal.suspend(is_suspended);
    }

    /// See [`Journal::set_stale`].
    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.journal.set_stale(is_stale);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<S::Item>> {
        self.journal.take(|key| self.items.get(key))
    }
}
