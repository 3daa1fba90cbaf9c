use std::collections::HashSet;
use std::hash::Hash;

/// Detects items whose position in a list became unknown.
///
/// The first events after a list was requested may be older than the list. If they report that an
/// item was removed and added again, this may have happened before the kernel made the list, so
/// that the item has its position in the list, or after that, so that the item is the last one.
/// (The state of a single item is not affected: either the list has it, or a later event.)
#[derive(Debug)]
pub(super) struct ListOrder<K> {
    /// The next events may be older than the list.
    is_fresh: bool,
    /// The items that events removed since the list was applied.
    removed: HashSet<K>,
}

impl<K> Default for ListOrder<K> {
    fn default() -> Self {
        Self { is_fresh: false, removed: HashSet::new() }
    }
}

impl<K: Hash + Eq> ListOrder<K> {
    /// Records that a list was applied.
    pub(super) fn listed(&mut self) {
        (self.is_fresh, self.removed) = (true, HashSet::new());
    }

    /// Records that an event removed an item.
    pub(super) fn removed(&mut self, key: K) {
        if self.is_fresh {
            self.removed.insert(key);
        }
    }

    /// Returns whether the position of an added item is unknown.
    ///
    /// Then the list has to be requested again.
    pub(super) fn is_position_unknown(&self, key: &K) -> bool {
        self.removed.contains(key)
    }

    /// Records that all events that may be older than the list were applied.
    pub(super) fn settle(&mut self) {
        self.is_fresh = false;
        self.removed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_unknown_after_removal_from_fresh_list() {
        let mut order = ListOrder::default();
        order.removed(1);
        assert!(!order.is_position_unknown(&1), "position of 1 is unknown without a list");
        order.listed();
        assert!(!order.is_position_unknown(&1));
        order.removed(1);
        assert!(!order.is_position_unknown(&2));
        assert!(order.is_position_unknown(&1));
        order.listed();
        assert!(!order.is_position_unknown(&1));
        order.removed(1);
        order.settle();
        assert!(!order.is_position_unknown(&1), "position of 1, added after the drain, is unknown");
    }
}
