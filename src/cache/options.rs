use std::collections::HashSet;
use std::sync::Arc;

use super::journal::Journal;
use super::option_map::OptionMap;
use super::order::ListOrder;
use crate::cache::iter;
use crate::changes::Change;
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
    by_id: OptionMap,
    journal: Journal<OptionId, TeamOption>,
    order: ListOrder<OptionId>,
    /// The last list ended before an option that the driver cannot tell.
    is_truncated: bool,
    /// How many options each port had in the last whole list that held a port.
    per_port: Option<usize>,
    /// The list may be another one than the events tell.
    is_doubtful: bool,
}

impl Options {
    pub(crate) fn iter(&self) -> iter::Options<'_> {
        self.by_id.iter()
    }

    pub(crate) fn get(&self, id: &OptionId) -> Option<&TeamOption> {
        self.by_id.get(id)
    }

    pub(crate) fn value(&self, id: &OptionId) -> Option<&OptionValue> {
        self.get(id).map(TeamOption::value)
    }

    /// Takes over what an event says of an option.
    pub(crate) fn apply(&mut self, report: OptionItem) {
        if !report.flags.removed {
            self.derive_enabled(&report.option);
        }
        self.is_doubtful |= self.invalidates_list(&report.option);
        self.store(report);
    }

    /// The beginning of a list, with the rest as it may be: what it was, as far as there still are
    /// the mode and the ports.
    pub(super) fn merge_known(
        &self,
        mut first: Vec<OptionItem>,
        is_port: impl Fn(IfIndex) -> bool,
    ) -> Vec<OptionItem> {
        let told: HashSet<_> = first.iter().map(|report| report.option.id.clone()).collect();
        let mode = first.iter().find(|report| &*report.option.id.name == names::MODE);
        let is_same_mode =
            mode.is_none_or(|mode| self.value(&mode.option.id) == Some(&mode.option.value));
        let kept = self.by_id.iter().filter(|option| {
            is_same_mode && !told.contains(&option.id) && option.id.port.is_none_or(&is_port)
        });
        first.extend(
            kept.map(|option| OptionItem { option: option.clone(), flags: ItemFlags::default() }),
        );
        first
    }

    /// Takes over a list of which only the beginning was told.
    pub(super) fn replace_truncated(&mut self, reports: Vec<OptionItem>) {
        self.replace_list(reports);
        self.is_truncated = true;
    }

    /// Takes over a whole list: what is not in it is gone.
    pub(crate) fn replace(&mut self, reports: Vec<OptionItem>) {
        self.replace_list(reports);
        self.per_port = self.by_id.most_of_any_port().or(self.per_port);
    }

    fn replace_list(&mut self, reports: Vec<OptionItem>) {
        (self.is_truncated, self.is_doubtful) = (false, false);
        if self.is_list_of(&reports) {
            self.update(reports);
        } else {
            self.rebuild(reports);
        }
        self.order.listed();
    }

    /// Whether these are the options that there are, in the same order: so it is unless the mode or
    /// the ports changed.
    fn is_list_of(&self, reports: &[OptionItem]) -> bool {
        self.by_id.len() == reports.len()
            && self
                .iter()
                .zip(reports)
                .all(|(option, report)| option.id == report.option.id && !report.flags.removed)
    }

    fn update(&mut self, reports: Vec<OptionItem>) {
        for (option, report) in self.by_id.iter_mut().zip(reports) {
            if report.flags.changed || option.value != report.option.value {
                let before = std::mem::replace(option, report.option);
                self.journal.record(before.id.clone(), || Some(before), report.flags.changed);
            } else {
                option.port_name = report.option.port_name;
            }
        }
    }

    fn rebuild(&mut self, reports: Vec<OptionItem>) {
        let mut old = std::mem::take(&mut self.by_id);
        for report in reports {
            let id = report.option.id.clone();
            if let Some(option) = old.get(&id) {
                self.by_id.insert(option.clone());
            }
            self.store(report);
            old.remove(&id);
        }
        for option in old.iter() {
            self.journal.record_removed(option.id.clone(), || Some(option.clone()), None, false);
        }
    }

    /// Forgets the options of a port that is gone. The driver tells that they go before it tells
    /// that of the port, unless it cannot.
    pub(super) fn port_gone(&mut self, port: IfIndex) {
        for option in self.by_id.remove_port(port) {
            let id = option.id.clone();
            self.order.removed(id.clone());
            self.journal.record_removed(id, || Some(option), None, false);
        }
        // The driver clears what referred to the port, and tells that before too.
        self.is_doubtful |= !self.is_truncated && self.may_truncate() && self.is_mapped_to(port);
    }

    fn is_mapped_to(&self, port: IfIndex) -> bool {
        let port = OptionValue::U32(port.get());
        self.iter().any(|option| {
            &*option.id.name == names::LB_TX_HASH_TO_PORT_MAPPING && option.value == port
        })
    }

    /// Whether the last list ended before an option that the driver cannot tell.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Whether the options have to be asked for again.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Whether an event says that the list is another one than the events tell: what could not be
    /// told may be told now, or a mode ended whose options the driver could not tell to go.
    fn invalidates_list(&self, option: &TeamOption) -> bool {
        match (&*option.id.name, &option.value) {
            (names::BPF_HASH_FUNC, _) => self.is_truncated,
            (names::MODE, OptionValue::String(mode)) => {
                self.is_truncated || mode != Mode::LOAD_BALANCE && self.may_truncate()
            }
            _ => false,
        }
    }

    /// Looks for ports whose options the driver could not tell. That one of them was set is
    /// announced all the same, so that some may be known.
    pub(super) fn find_missing_options(&mut self, mut ports: impl Iterator<Item = IfIndex>) {
        if !self.is_truncated && self.may_truncate() {
            let expected = self.per_port.unwrap_or(MIN_PER_PORT);
            self.is_doubtful |= ports.any(|port| self.by_id.count_of_port(port) < expected);
        }
    }

    /// Whether there is the option that can become too long to be told.
    fn may_truncate(&self) -> bool {
        self.get(&OptionId::global(names::BPF_HASH_FUNC)).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.replace(Vec::new());
    }

    /// Takes over the name of the link under a port. That changes no option.
    pub(super) fn name_port(&mut self, port: IfIndex, name: &Arc<Name>) {
        for option in self.by_id.of_port_mut(port) {
            option.port_name = Some(Arc::clone(name));
        }
    }

    /// Notes that this handle set an option.
    pub(super) fn mark_local(&mut self, id: &OptionId) {
        self.journal.record_local(id.clone(), self.by_id.get(id).cloned());
    }

    fn store(&mut self, report: OptionItem) {
        let id = report.option.id.clone();
        let before = self.by_id.get(&id).cloned();
        if report.flags.removed {
            if self.by_id.remove(&id) {
                self.order.removed(id.clone());
            }
            self.journal.record_removed(id, || before, Some(report.option), report.flags.changed);
        } else {
            if self.by_id.insert(report.option).is_none() {
                self.order.added(&id);
            }
            self.journal.record(id, || before, report.flags.changed);
        }
    }

    /// The driver keeps two switches a port, for receiving and for sending, and tells only of the
    /// option that was set: `enabled` sets both and reads as both together.
    fn derive_enabled(&mut self, set: &TeamOption) {
        let (Some(port), OptionValue::Bool(enabled)) = (set.id.port, &set.value) else { return };
        match &*set.id.name {
            names::ENABLED => {
                self.derive(OptionId::port(names::RX_ENABLED, port), *enabled);
                self.derive(OptionId::port(names::TX_ENABLED, port), *enabled);
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
            self.derive(OptionId::port(names::ENABLED, port), both);
        }
    }

    /// Changes an option that is there.
    fn derive(&mut self, id: OptionId, value: bool) {
        let value = OptionValue::Bool(value);
        if let Some(option) = self.by_id.get_mut(&id) {
            if option.value != value {
                self.journal.record(id, || Some(option.clone()), false);
                option.value = value;
            }
        }
    }

    pub(super) fn order(&self) -> &ListOrder<OptionId> {
        &self.order
    }

    pub(super) fn settle_order(&mut self) {
        self.order.settle();
    }

    /// Tells nothing of what changes from now on, or again what changes.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.journal.suspend(is_paused);
    }

    pub(super) fn set_stale(&mut self, is_stale: bool) {
        self.journal.set_stale(is_stale);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change<TeamOption>> {
        self.journal.take(|id| self.by_id.get(id))
    }
}
