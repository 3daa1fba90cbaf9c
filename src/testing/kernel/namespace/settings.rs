//! The options: how they are set, added and removed, and which of that the driver can report.

use super::{
    Answer, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, Key, Mark, Namespace, Notice, OptionId, OptionValue,
    Slot, names, options, wire,
};
use crate::testing::kernel::options::{
    CORE, MODES, OptionSet, all_mode_options, is_reportable, mode_options, setting,
};

impl Namespace {
    pub(crate) fn set_mode(&mut self, value: u8) -> Answer {
        self.change_mode(MODES[usize::from(value % 4)])
    }

    /// Changes the mode, and with it the options that the team has.
    fn change_mode(&mut self, mode: &str) -> Answer {
        let (id, value) = (OptionId::global(names::MODE), OptionValue::String(mode.to_owned()));
        if self.is_gone || !self.ports.is_empty() {
            return Err(EBUSY);
        }
        if !MODES.contains(&mode) || self.options.contains(&(id.clone(), value.clone())) {
            return Err(EINVAL);
        }
        self.remove_options(|id| !CORE.contains(&&*id.name));
        let options = if self.option_set == OptionSet::All {
            all_mode_options(mode)
        } else {
            mode_options(mode)
        };
        self.add_options(options);
        self.has_user_carrier = false;
        self.store(&id, value)?;
        self.report_option(&id);
        Ok(())
    }

    pub(crate) fn port_options(&self, ifindex: u32) -> Vec<(OptionId, OptionValue)> {
        match self.option_set {
            OptionSet::All => options::all_port_options(ifindex, self.mode()),
            OptionSet::Typical => options::port_options(ifindex),
            OptionSet::Fewest => options::fewest_port_options(ifindex),
        }
    }

    /// Sets an option, as a request or another process does.
    pub(crate) fn set(&mut self, id: &OptionId, value: OptionValue) -> Answer {
        match (&*id.name, &value) {
            (names::MODE, OptionValue::String(mode)) => return self.change_mode(&mode.clone()),
            (names::LB_HASH_STATS | names::LB_PORT_STATS, _) => return Err(EOPNOTSUPP),
            (names::LB_TX_METHOD, OptionValue::String(method))
                if !["hash", "hash_to_port_mapping"].contains(&&**method) =>
            {
                return Err(EINVAL);
            }
            _ => {}
        }
        if let (names::ACTIVE_PORT | names::LB_TX_HASH_TO_PORT_MAPPING, OptionValue::U32(port)) =
            (&*id.name, &value)
        {
            if !self.is_port(*port) {
                return Err(ENOENT);
            }
        }
        self.store(id, value.clone())?;
        // The driver reports only the option that was set.
        if let (Some(port), OptionValue::Bool(on)) = (id.port, value) {
            let half = |name| OptionId::port(name, port);
            if id.name == names::ENABLED {
                self.store(&half(names::RX_ENABLED), OptionValue::Bool(on))?;
                self.store(&half(names::TX_ENABLED), OptionValue::Bool(on))?;
            }
            let is_on = |name| self.options.contains(&(half(name), OptionValue::Bool(true)));
            let both = is_on(names::RX_ENABLED) && is_on(names::TX_ENABLED);
            self.store(&half(names::ENABLED), OptionValue::Bool(both))?;
            self.follow_carrier(port.get());
        }
        self.report_option(id);
        Ok(())
    }

    /// Sets an option to one of two values: to the one that it does not have.
    pub(crate) fn set_other_value(&mut self, slot: Slot, which: u8) -> Answer {
        let [zero, one] = [0, 1].map(|value| setting(slot, which, value));
        let (id, value) = if self.options.contains(&zero) { one } else { zero };
        self.set(&id, value)
    }

    pub(crate) fn store(&mut self, id: &OptionId, value: OptionValue) -> Answer {
        let option = self.options.iter_mut().find(|(other, _)| other == id).ok_or(ENOENT)?;
        if option.1.option_type() != value.option_type() {
            return Err(ENOENT);
        }
        option.1 = value;
        Ok(())
    }

    /// Reports an option that was set, and nothing else, whatever could not be reported before.
    fn report_option(&mut self, id: &OptionId) {
        let options: Vec<_> =
            self.options.iter().filter(|(other, _)| other == id).cloned().collect();
        self.notify(&options, Mark::Changed);
    }

    /// Reports options that changed by themselves, with all that could not be reported before. While
    /// one of them cannot be reported, none is that is listed after it.
    pub(crate) fn report_changed(&mut self, changed: Vec<OptionId>) {
        self.unreported.extend(changed);
        if self.is_list_cut() {
            return;
        }
        let unreported = std::mem::take(&mut self.unreported);
        let options: Vec<_> =
            self.options.iter().filter(|(id, _)| unreported.contains(id)).cloned().collect();
        self.notify(&options, Mark::Changed);
    }

    pub(crate) fn add_options(&mut self, options: Vec<(OptionId, OptionValue)>) {
        let added = options.iter().map(|(id, _)| id.clone()).collect();
        self.options.extend(options);
        self.report_changed(added);
    }

    pub(crate) fn remove_options(&mut self, which: impl Fn(&OptionId) -> bool) {
        let is_list_cut = self.is_list_cut();
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.options).into_iter().partition(|(id, _)| which(id));
        self.options = kept;
        for (id, _) in &gone {
            self.history.record_removed(Key::Option(id.clone()));
        }
        if !is_list_cut {
            self.notify(&gone, Mark::Removed);
        }
    }

    fn notify(&mut self, options: &[(OptionId, OptionValue)], mark: Mark) {
        if !options.is_empty() && options.iter().all(|(_, value)| is_reportable(value, self.limit))
        {
            self.notices.push(Notice::Team(wire::options(self.team, options, mark, self.items)));
        }
    }

    /// Returns the options up to the first that the driver cannot report.
    pub(crate) fn list_options(&mut self) -> &[(OptionId, OptionValue)] {
        if !self.is_list_cut() {
            self.unreported.clear();
        }
        let end = self.options.iter().position(|(_, value)| !is_reportable(value, self.limit));
        &self.options[..end.unwrap_or(self.options.len())]
    }

    /// Whether there is an option that the driver cannot report. It hides those after it.
    pub(crate) fn is_list_cut(&self) -> bool {
        self.options.iter().any(|(_, value)| !is_reportable(value, self.limit))
    }
}
