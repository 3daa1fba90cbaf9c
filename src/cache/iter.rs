//! Iterators over the cache, as named types without a destructor.
//!
//! The borrow of the handle therefore ends with the last use of an iterator: a command may follow
//! in the body of `if let Some(port) = team.ports().find(…)`.

use std::fmt;
use std::iter::{Flatten, FusedIterator};

use indexmap::IndexMap;

use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;

macro_rules! iterator {
    ($(#[$doc:meta])* $name:ident over $inner:ty => $item:ty) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<'a>(pub(crate) $inner);

        impl<'a> Iterator for $name<'a> {
            type Item = &'a $item;

            fn next(&mut self) -> Option<Self::Item> {
                let item: &$item = self.0.next()?;
                Some(item)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl DoubleEndedIterator for $name<'_> {
            fn next_back(&mut self) -> Option<Self::Item> {
                let item: &$item = self.0.next_back()?;
                Some(item)
            }
        }

        impl ExactSizeIterator for $name<'_> {}

        impl FusedIterator for $name<'_> {}

        /// Prints the number of remaining items instead of the items, which can be very many.
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut output = f.debug_struct(stringify!($name));
                output.field("remaining", &self.len()).finish_non_exhaustive()
            }
        }
    };
}

iterator! {
    /// An iterator over cached links: see [`TeamHandle::links`](crate::TeamHandle::links).
    Links over std::collections::btree_map::Values<'a, IfIndex, Box<Link>> => Link
}

iterator! {
    /// An iterator over the ports of a team: see [`TeamHandle::ports`](crate::TeamHandle::ports).
    Ports over indexmap::map::Values<'a, IfIndex, Port> => Port
}

iterator! {
    /// An iterator over team options: see [`TeamHandle::options`](crate::TeamHandle::options).
    Options over OptionsIter<'a> => TeamOption
}

/// The options by port; the team's own options have the key `None`.
pub(crate) type OptionsByPort = IndexMap<Option<IfIndex>, IndexMap<OptionId, TeamOption>>;

impl<'a> Options<'a> {
    pub(crate) fn new(options: &'a OptionsByPort) -> Self {
        let remaining = options.values().map(IndexMap::len).sum();
        Self(OptionsIter { options: options.values().flatten(), remaining })
    }
}

#[derive(Clone)]
pub(crate) struct OptionsIter<'a> {
    options: Flatten<indexmap::map::Values<'a, Option<IfIndex>, IndexMap<OptionId, TeamOption>>>,
    remaining: usize,
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = &'a TeamOption;

    fn next(&mut self) -> Option<Self::Item> {
        let (_, option) = self.options.next()?;
        self.remaining = self.remaining.saturating_sub(1);
        Some(option)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl DoubleEndedIterator for OptionsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (_, option) = self.options.next_back()?;
        self.remaining = self.remaining.saturating_sub(1);
        Some(option)
    }
}
