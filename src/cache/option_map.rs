use indexmap::IndexMap;

use super::tracked::Store;
use crate::cache::iter;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, TeamOption};

/// The options, grouped by port, in the order in which the driver reported ports and options.
///
/// A team may have hundreds of ports, but most events concern one of them: the cost of an operation
/// on the options of one port does not depend on the number of other ports.
#[derive(Debug, Default)]
pub(super) struct OptionMap {
    by_port: iter::OptionsByPort,
}

impl OptionMap {
    pub(super) fn iter(&self) -> iter::Options<'_> {
        iter::Options::new(&self.by_port)
    }

    pub(super) fn of_port(&self, port: IfIndex) -> impl Iterator<Item = &TeamOption> {
        self.by_port.get(&Some(port)).into_iter().flat_map(IndexMap::values)
    }

    pub(super) fn of_port_mut(&mut self, port: IfIndex) -> impl Iterator<Item = &mut TeamOption> {
        self.by_port.get_mut(&Some(port)).into_iter().flat_map(IndexMap::values_mut)
    }

    pub(super) fn count_of_port(&self, port: IfIndex) -> usize {
        self.by_port.get(&Some(port)).map_or(0, IndexMap::len)
    }

    /// Returns the largest number of options of a port, or `None` if no port has options.
    pub(super) fn most_of_any_port(&self) -> Option<usize> {
        let of_ports = self.by_port.iter().filter(|(port, _)| port.is_some());
        of_ports.map(|(_, options)| options.len()).max()
    }
}

impl Store for OptionMap {
    type Key = OptionId;
    type Item = TeamOption;

    fn key(option: &TeamOption) -> &OptionId {
        &option.id
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &TeamOption> {
        self.iter()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut TeamOption> {
        self.by_port.values_mut().flat_map(IndexMap::values_mut)
    }

    fn get(&self, id: &OptionId) -> Option<&TeamOption> {
        self.by_port.get(&id.port)?.get(id)
    }

    fn get_mut(&mut self, id: &OptionId) -> Option<&mut TeamOption> {
        self.by_port.get_mut(&id.port)?.get_mut(id)
    }

    /// Inserts a new option after all others of its port.
    fn insert(&mut self, option: TeamOption) -> bool {
        self.by_port.entry(option.id.port).or_default().insert(option.id.clone(), option).is_none()
    }

    fn remove(&mut self, id: &OptionId) -> bool {
        let Some(siblings) = self.by_port.get_mut(&id.port) else { return false };
        let is_removed = siblings.shift_remove(id).is_some();
        if siblings.is_empty() {
            self.by_port.shift_remove(&id.port);
        }
        is_removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::option_value::OptionValue;

    fn option(port: Option<u32>, name: &'static str, value: u32) -> TeamOption {
        let id = OptionId { port: port.and_then(IfIndex::new), ..OptionId::global(name) };
        TeamOption { id, value: OptionValue::U32(value), port_name: None }
    }

    fn map_of(options: &[TeamOption]) -> OptionMap {
        let mut map = OptionMap::default();
        for option in options {
            map.insert(option.clone());
        }
        map
    }

    fn texts<'a>(options: impl Iterator<Item = &'a TeamOption>) -> Vec<String> {
        options.map(|option| format!("{}={}", option.id, option.value)).collect()
    }

    #[test]
    fn iterator_follows_port_order_in_both_directions() {
        let map = map_of(&[option(None, "a", 1), option(Some(9), "b", 2), option(Some(3), "b", 3)]);
        let mut expected = ["a=1", "b of port 9=2", "b of port 3=3"].map(str::to_owned).to_vec();
        assert_eq!(texts(map.iter()), expected);
        expected.reverse();
        assert_eq!(texts(map.iter().rev()), expected);
        let mut iter = map.iter();
        for remaining in [2, 1, 0, 0] {
            let _ = if remaining == 1 { iter.next_back() } else { iter.next() };
            let hint = (remaining, Some(remaining));
            assert_eq!((iter.len(), iter.size_hint()), (remaining, hint));
        }
    }

    #[test]
    fn known_option_keeps_its_position_and_readded_is_last() {
        let mut map =
            map_of(&[option(Some(9), "b", 1), option(Some(9), "c", 2), option(Some(3), "b", 3)]);
        assert!(!map.insert(option(Some(9), "b", 4)));
        assert_eq!(texts(map.iter()), ["b of port 9=4", "c of port 9=2", "b of port 3=3"]);
        for name in ["b", "c"] {
            let id = option(Some(9), name, 0).id;
            assert!(map.remove(&id));
            assert!(!map.remove(&id));
            assert_eq!(map.get(&id), None);
        }
        assert_eq!((map.iter().len(), map.by_port.len()), (1, 1));
        assert!(map.insert(option(Some(9), "c", 5)));
        assert_eq!(texts(map.iter()), ["b of port 3=3", "c of port 9=5"]);
    }

    #[test]
    fn options_of_one_port_are_found() {
        let mut map =
            map_of(&[option(None, "a", 1), option(Some(9), "b", 2), option(Some(3), "b", 3)]);
        for option in map.of_port_mut(IfIndex::new(9).unwrap()) {
            option.value = OptionValue::U32(7);
        }
        assert_eq!(texts(map.iter()), ["a=1", "b of port 9=7", "b of port 3=3"]);
        assert_eq!(map.of_port(IfIndex::new(4).unwrap()).count(), 0);
        assert_eq!(map.of_port(IfIndex::new(9).unwrap()).count(), 1);
    }
}
