use std::collections::HashSet;
use std::sync::Arc;

use super::option_map::OptionMap;
use super::recheck::Recheck;
use super::tracked::{Store, TrackedList};
use crate::cache::iter;
use crate::model::ifindex::IfIndex;
use crate::model::mode::Mode;
use crate::model::name::Name;
use crate::model::option::{OptionId, TeamOption, names};
use crate::model::option_value::OptionValue;
use crate::netlink::codec::team::{ItemFlags, OptionItem};

/// The smallest number of options that each port has on any kernel.
///
/// They are `enabled`, `user_linkup`, `user_linkup_enabled`, `priority` and `queue_id`.
const MIN_PER_PORT: usize = 5;

/// The team's options, in the kernel's order: the team's own, those of its mode, then port by port.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(super) list: TrackedList<OptionMap>,
    /// The last list ended before an option that is too long for the driver's messages.
    is_truncated: bool,
    /// The number of options of each port in the last complete list that contained a port.
    per_port: Option<usize>,
}

impl Options {
    pub(crate) fn iter(&self) -> iter::Options<'_> {
        self.list.items().iter()
    }

    pub(crate) fn get(&self, id: &OptionId) -> Option<&TeamOption> {
        self.list.items().get(id)
    }

    pub(crate) fn value(&self, id: &OptionId) -> Option<&OptionValue> {
        self.get(id).map(TeamOption::value)
    }

    /// Applies an event about an option.
    pub(crate) fn apply(&mut self, item: OptionItem, recheck: &mut Recheck) {
        if !item.flags.removed {
            self.derive_enabled(&item.option);
        }
        recheck.options |= self.invalidates_list(&item.option);
        recheck.lists |= self.list.apply(item.option, item.flags);
    }

    /// Completes a truncated list by the cached options that may still exist.
    ///
    /// Those are the options of existing ports and of the mode that the list contains. The cached
    /// mode may be an earlier one, because an event may have been lost between the options of the
    /// new mode and the mode itself.
    pub(super) fn merge_known(
        &self,
        mut first: Vec<OptionItem>,
        is_port: impl Fn(IfIndex) -> bool,
    ) -> Vec<OptionItem> {
        let listed: HashSet<_> = first.iter().map(|item| item.option.id.clone()).collect();
        let mode = first.iter().find(|item| &*item.option.id.name == names::MODE);
        let mode = mode.map(|item| item.option.value.clone());
        let is_of_mode = |option: &TeamOption| {
            mode.as_ref().is_none_or(|mode| {
                self.value(&OptionId::global(names::MODE)) == Some(mode) || has_option(mode, option)
            })
        };
        let kept = self.iter().filter(|option| {
            is_of_mode(option)
                && !listed.contains(&option.id)
                && option.id.port.is_none_or(&is_port)
        });
        first.extend(
            kept.map(|option| OptionItem { option: option.clone(), flags: ItemFlags::default() }),
        );
        first
    }

    /// Replaces the options by a list of which the driver sent only the beginning.
    pub(super) fn replace_truncated(&mut self, items: Vec<OptionItem>) {
        self.replace_list(items);
        self.is_truncated = true;
    }

    /// Replaces the options by a complete list.
    pub(crate) fn replace(&mut self, items: Vec<OptionItem>) {
        self.replace_list(items);
        self.is_truncated = false;
        self.per_port = self.list.items().most_of_any_port().or(self.per_port);
    }

    fn replace_list(&mut self, items: Vec<OptionItem>) {
        self.list.replace(items.into_iter().map(|item| (item.option, item.flags)).collect());
    }

    /// Removes the options of a removed port.
    ///
    /// The driver announces their removal before that of the port, unless an option is too long for
    /// its messages.
    pub(super) fn port_gone(&mut self, port: IfIndex, recheck: &mut Recheck) {
        let ids: Vec<OptionId> =
            self.list.items().of_port(port).map(|option| option.id.clone()).collect();
        for id in &ids {
            self.list.remove(id);
        }
        // The driver also clears mappings to the port before it announces the port's removal. A
        // mapping that is left shows that it could not announce that.
        recheck.options |= !self.is_truncated && self.may_truncate() && self.is_mapped_to(port);
    }

    fn is_mapped_to(&self, port: IfIndex) -> bool {
        let port = OptionValue::U32(port.get());
        self.iter().any(|option| {
            &*option.id.name == names::LB_TX_HASH_TO_PORT_MAPPING && option.value == port
        })
    }

    /// Returns whether the last list ended before an option that is too long for a message.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Returns whether the options have to be requested again because of this event.
    ///
    /// That is so if the driver may be able to list all options now, or if the mode changed and the
    /// driver may have been unable to announce the removal of the former mode's options.
    fn invalidates_list(&self, option: &TeamOption) -> bool {
        match (&*option.id.name, &option.value) {
            (names::BPF_HASH_FUNC, _) => self.is_truncated,
            (names::MODE, OptionValue::String(mode)) => {
                self.is_truncated || mode != Mode::LOAD_BALANCE && self.may_truncate()
            }
            _ => false,
        }
    }

    /// Returns whether a port lacks options, because the driver could not announce them.
    ///
    /// A port may have some options nevertheless: when one is set, the driver announces that one.
    pub(super) fn are_missing_of(&self, mut ports: impl Iterator<Item = IfIndex>) -> bool {
        let expected = self.per_port.unwrap_or(MIN_PER_PORT);
        !self.is_truncated
            && self.may_truncate()
            && ports.any(|port| self.list.items().count_of_port(port) < expected)
    }

    /// Returns whether the team has the option that can be too long for the driver's messages.
    fn may_truncate(&self) -> bool {
        self.get(&OptionId::global(names::BPF_HASH_FUNC)).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.replace(Vec::new());
    }

    /// Sets the port name of a port's options, which is not a change of the options.
    pub(super) fn name_port(&mut self, port: IfIndex, name: &Arc<Name>) {
        for option in self.list.items_untracked().of_port_mut(port) {
            option.port_name = Some(Arc::clone(name));
        }
    }

    /// Updates the options of a port that change when another one is set.
    ///
    /// The driver has two settings per port, for receiving and for sending. `enabled` sets both,
    /// and is true if both are. The driver announces only the option that was set.
    fn derive_enabled(&mut self, set: &TeamOption) {
        let (Some(port), OptionValue::Bool(enabled)) = (set.id.port, &set.value) else { return };
        match &*set.id.name {
            names::ENABLED => {
                self.derive(&OptionId::port(names::RX_ENABLED, port), *enabled);
                self.derive(&OptionId::port(names::TX_ENABLED, port), *enabled);
            }
            names::RX_ENABLED => self.derive_both(port, *enabled, names::TX_ENABLED),
            names::TX_ENABLED => self.derive_both(port, *enabled, names::RX_ENABLED),
            _ => {}
        }
    }

    fn derive_both(&mut self, port: IfIndex, this: bool, other: &'static str) {
        // The other option can be unknown: the options of a new port arrive one by one.
        if let Some(OptionValue::Bool(other)) = self.value(&OptionId::port(other, port)) {
            let both = this && *other;
            self.derive(&OptionId::port(names::ENABLED, port), both);
        }
    }

    /// Changes the value of an option if the option exists.
    fn derive(&mut self, id: &OptionId, value: bool) {
        let value = OptionValue::Bool(value);
        if self.value(id).is_some_and(|known| *known != value) {
            self.list.change(id, |option| option.value = value);
        }
    }
}

/// Returns whether a team in this mode is known to have the option.
fn has_option(mode: &OptionValue, option: &TeamOption) -> bool {
    let (name, is_of_port) = (&*option.id.name, option.id.port.is_some());
    let is_load_balance = matches!(mode, OptionValue::String(mode) if mode == Mode::LOAD_BALANCE);
    is_of_port && names::OF_ANY_PORT.contains(&name)
        || is_load_balance && names::OF_LOAD_BALANCE.contains(&name)
}
