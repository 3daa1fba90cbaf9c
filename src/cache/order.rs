use std::collections::HashSet;
use std::hash::Hash;

/// Whether the order of a list is known.
///
/// The first events after a list was asked for may be older than it. What they say of one thing the
/// list says too, or a later event; but of something that went and came back nobody knows whether
/// it did so before the list was made and has its place, or after and is the last one.
#[derive(Debug)]
pub(super) struct ListOrder<K> {
    /// Events may be older than the list.
    is_fresh: bool,
    /// What went since the list was made.
    went: HashSet<K>,
    is_doubtful: bool,
}

impl<K> Default for ListOrder<K> {
    fn default() -> Self {
        Self { is_fresh: false, went: HashSet::new(), is_doubtful: false }
    }
}

impl<K: Hash + Eq> ListOrder<K> {
    /// The list was taken over.
    pub(super) fn listed(&mut self) {
        *self = Self { is_fresh: true, ..Self::default() };
    }

    /// Something of the list went.
    pub(super) fn removed(&mut self, key: K) {
        if self.is_fresh {
            self.went.insert(key);
        }
    }

    /// Something came to the list.
    pub(super) fn added(&mut self, key: &K) {
        self.is_doubtful |= self.went.contains(key);
    }

    /// Every event that is older than the list was read.
    pub(super) fn settle(&mut self) {
        self.is_fresh = false;
        self.went.clear();
    }

    /// Whether the list has to be asked for again.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_doubtful_only_of_what_went_and_came_back_right_after_the_list() {
        let mut order = ListOrder::default();
        order.removed(1);
        order.added(&1);
        assert!(!order.is_doubtful(), "there was no list");
        order.listed();
        order.added(&1);
        order.removed(1);
        order.added(&2);
        assert!(!order.is_doubtful());
        order.added(&1);
        assert!(order.is_doubtful());
        order.settle();
        assert!(order.is_doubtful(), "until there is another list");
        order.listed();
        assert!(!order.is_doubtful());
        order.removed(1);
        order.settle();
        order.added(&1);
        assert!(!order.is_doubtful(), "that is newer than the list");
    }
}
