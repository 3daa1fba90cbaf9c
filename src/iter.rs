//! Iterators over the cache. They have names, and nothing to do when dropped, so that a command may follow in the body
//! of `if let Some(port) = team.ports().find(…)`.

use std::iter::FusedIterator;

use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;

macro_rules! iterator {
    ($(#[$doc:meta])* $name:ident over $inner:ty => $item:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
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
    };
}

iterator! {
    /// The links that a handle knows, see [`TeamHandle::links`](crate::TeamHandle::links).
    Links over std::collections::btree_map::Values<'a, IfIndex, Box<Link>> => Link
}

iterator! {
    /// The ports of a team, see [`TeamHandle::ports`](crate::TeamHandle::ports).
    Ports over indexmap::map::Values<'a, IfIndex, Port> => Port
}

iterator! {
    /// The options of a team, see [`TeamHandle::options`](crate::TeamHandle::options).
    Options over indexmap::map::Values<'a, OptionId, TeamOption> => TeamOption
}
