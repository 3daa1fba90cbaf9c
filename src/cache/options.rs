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

/// How many options of its own each port has at the least: `enabled`, `user_linkup`,
/// `user_linkup_enabled`, `priority`, `queue_id`.
const MIN_PER_PORT: usize = 5;

/// The team's options, in the kernel's order: the team's own, those of its mode, then port by port.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(super) list: TrackedList<OptionMap>,
    /// The last list ended before an option that is too long for the driver to list.
    is_truncated: bool,
    /// How many options each port had in the last whole list that held a port.
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

    /// Takes over what an event says of an option.
    pub(crate) fn apply(&mut self, report: OptionItem, recheck: &mut Recheck) {
        if !report.flags.removed {
            self.derive_enabled(&report.option);
        }
        recheck.options |= self.invalidates_list(&report.option);
        recheck.lists |= self.list.apply(report.option, report.flags);
    }

    /// Returns the beginning of a list with the rest as it may be: as it was known, without what
    /// the mode that the list names does not have, and without the options of ports that are gone.
    ///
    /// The mode that is known may be an earlier one: an event may have been lost between the
    /// options of the new mode and the mode itself.
    pub(super) fn merge_known(
        &self,
        mut first: Vec<OptionItem>,
        is_port: impl Fn(IfIndex) -> bool,
    ) -> Vec<OptionItem> {
        let listed: HashSet<_> = first.iter().map(|report| report.option.id.clone()).collect();
        let mode = first.iter().find(|report| &*report.option.id.name == names::MODE);
        let mode = mode.map(|report| report.option.value.clone());
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

    /// Takes over a list of which only the beginning was received.
    pub(super) fn replace_truncated(&mut self, reports: Vec<OptionItem>) {
        self.replace_list(reports);
        self.is_truncated = true;
    }

    /// Takes over a whole list: what is not in it is gone.
    pub(crate) fn replace(&mut self, reports: Vec<OptionItem>) {
        self.replace_list(reports);
        self.is_truncated = false;
        self.per_port = self.list.items().most_of_any_port().or(self.per_port);
    }

    fn replace_list(&mut self, reports: Vec<OptionItem>) {
        self.list
            .replace(reports.into_iter().map(|report| (report.option, report.flags)).collect());
    }

    /// Forgets the options of a port that is gone. The driver announces their removal before that
    /// of the port, unless it cannot.
    pub(super) fn port_gone(&mut self, port: IfIndex, recheck: &mut Recheck) {
        let ids: Vec<OptionId> =
            self.list.items().of_port(port).map(|option| option.id.clone()).collect();
        for id in &ids {
            self.list.remove(id);
        }
        // The driver clears what referred to the port, and announces that before, too.
        recheck.options |= !self.is_truncated && self.may_truncate() && self.is_mapped_to(port);
    }

    fn is_mapped_to(&self, port: IfIndex) -> bool {
        let port = OptionValue::U32(port.get());
        self.iter().any(|option| {
            &*option.id.name == names::LB_TX_HASH_TO_PORT_MAPPING && option.value == port
        })
    }

    /// Whether the last list ended before an option that is too long for the driver to list.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Whether an event shows that the list differs from what events reported: the driver may be
    /// able to list all options now, or a mode ended whose options the driver could not announce as
    /// removed.
    fn invalidates_list(&self, option: &TeamOption) -> bool {
        match (&*option.id.name, &option.value) {
            (names::BPF_HASH_FUNC, _) => self.is_truncated,
            (names::MODE, OptionValue::String(mode)) => {
                self.is_truncated || mode != Mode::LOAD_BALANCE && self.may_truncate()
            }
            _ => false,
        }
    }

    /// Whether there is a port with options that the driver could not announce. That one of them
    /// was set is announced all the same, so that some may be known.
    pub(super) fn are_missing_of(&self, mut ports: impl Iterator<Item = IfIndex>) -> bool {
        let expected = self.per_port.unwrap_or(MIN_PER_PORT);
        !self.is_truncated
            && self.may_truncate()
            && ports.any(|port| self.list.items().count_of_port(port) < expected)
    }

    /// Whether there is the option that can become too long to be listed.
    fn may_truncate(&self) -> bool {
        self.get(&OptionId::global(names::BPF_HASH_FUNC)).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.replace(Vec::new());
    }

    /// Takes over the name of the link under a port. That changes no option.
    pub(super) fn name_port(&mut self, port: IfIndex, name: &Arc<Name>) {
        for option in self.list.items_untracked().of_port_mut(port) {
            option.port_name = Some(Arc::clone(name));
        }
    }

    /// The driver keeps two switches a port, for receiving and for sending, and announces only the
    /// option that was set: `enabled` sets both and reads as both together.
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
        // While a port is being added its options come one by one: the other half is not known yet.
        if let Some(OptionValue::Bool(other)) = self.value(&OptionId::port(other, port)) {
            let both = this && *other;
            self.derive(&OptionId::port(names::ENABLED, port), both);
        }
    }

    /// Changes an option that is there.
    fn derive(&mut self, id: &OptionId, value: bool) {
        let value = OptionValue::Bool(value);
        if self.value(id).is_some_and(|known| *known != value) {
            self.list.change(id, |option| option.value = value);
        }
    }
}

/// Whether a team in some mode is known to have an option, given its port if it is one of a port.
fn has_option(mode: &OptionValue, option: &TeamOption) -> bool {
    let (name, is_of_port) = (&*option.id.name, option.id.port.is_some());
    let is_load_balance = matches!(mode, OptionValue::String(mode) if mode == Mode::LOAD_BALANCE);
    is_of_port && names::OF_ANY_PORT.contains(&name)
        || is_load_balance && names::OF_LOAD_BALANCE.contains(&name)
}
