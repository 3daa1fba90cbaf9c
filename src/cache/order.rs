use std::collections::HashSet;
use std::hash::Hash;

/// What is known of the order of a list.
///
/// The first events after a list was requested may be older than it. What they say of one item the
/// list says too, or a later event; but an item that was removed and added again may have been so
/// before the list was made, and has its place in it, or after that, and is the last one.
#[derive(Debug)]
pub(super) struct ListOrder<K> {
    /// Events may be older than the list.
    is_fresh: bool,
    /// What was removed since the list was made.
    removed: HashSet<K>,
}

impl<K> Default for ListOrder<K> {
    fn default() -> Self {
        Self { is_fresh: false, removed: HashSet::new() }
    }
}

impl<K: Hash + Eq> ListOrder<K> {
    /// Records that the list was taken over.
    pub(super) fn listed(&mut self) {
        (self.is_fresh, self.removed) = (true, HashSet::new());
    }

    /// Records that an item of the list was removed.
    pub(super) fn removed(&mut self, key: K) {
        if self.is_fresh {
            self.removed.insert(key);
        }
    }

    /// Returns whether the place of an item that was added is unknown, so that the list has to be
    /// requested again.
    pub(super) fn is_place_unknown(&self, key: &K) -> bool {
        self.removed.contains(key)
    }

    /// Records that every event that is older than the list was read.
    pub(super) fn settle(&mut self) {
        self.is_fresh = false;
        self.removed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_unknown_only_of_what_was_removed_right_after_the_list() {
        let mut order = ListOrder::default();
        order.removed(1);
        assert!(!order.is_place_unknown(&1), "there was no list");
        order.listed();
        assert!(!order.is_place_unknown(&1));
        order.removed(1);
        assert!(!order.is_place_unknown(&2));
        assert!(order.is_place_unknown(&1));
        order.listed();
        assert!(!order.is_place_unknown(&1));
        order.removed(1);
        order.settle();
        assert!(!order.is_place_unknown(&1), "its addition is newer than the list");
    }
}
