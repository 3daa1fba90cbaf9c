//! Executes the actions that were drawn.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use libteam::{Error, IfIndex, OptionId, OptionValue, TeamHandle};

use super::action::Action;
use super::log::Log;
use super::world::{TEAMS, World, first_name, veth_peer};
use crate::support::programs::Tool;
use crate::support::raw::Raw;

/// Changes the namespace and logs each action.
pub(super) struct Writer<'a> {
    who: &'static str,
    world: &'a World,
    log: &'a Log,
    raw: Raw,
    /// Handles that set options.
    handles: [Option<TeamHandle>; 2],
}

impl<'a> Writer<'a> {
    pub(super) fn new(who: &'static str, world: &'a World, log: &'a Log) -> Self {
        Self { who, world, log, raw: Raw::new(), handles: [None, None] }
    }

    pub(super) fn execute(&mut self, actions: Vec<Action>) {
        for action in actions.into_iter().filter(|action| !self.world.exclusion.excludes(action)) {
            let ticket = self.log.begin(self.who, action.clone());
            // Actions that are not possible at the moment fail.
            let done = self.try_to(action);
            self.log.end(ticket, done);
        }
    }

    fn try_to(&mut self, action: Action) -> bool {
        let raw = &mut self.raw;
        let result = match action {
            Action::Add { kind, link } => raw.add(kind, &first_name(link), link),
            Action::AddVeth { link } => {
                let far = veth_peer(link);
                raw.add_veth((&first_name(link), link), (&first_name(far), far))
            }
            Action::AddVlan { link, lower } => raw.add_vlan(&first_name(link), link, lower),
            Action::Delete { link } => raw.delete(link),
            Action::Rename { link, name } => raw.rename(link, &name),
            Action::SetHwaddr { link, last_byte } => {
                raw.set_hwaddr(link, [2, 0, 0, 0, 0x55, last_byte])
            }
            Action::SetMtu { link, mtu } => raw.set_mtu(link, mtu),
            Action::SetFlags { link, flags, mask } => raw.set_flags(link, flags, mask),
            Action::SetCarrier { link, carrier } => raw.set_carrier(link, carrier),
            Action::AddAlternativeName { link, name } => raw.add_alternative_name(link, &name),
            Action::DeleteAlternativeName { link, name } => {
                raw.delete_alternative_name(link, &name)
            }
            Action::SetMaster { link, master } => raw.set_master(link, master),
            Action::SendAway { link } => raw.send_away(link, self.world.there.as_fd()),
            Action::BringBack { link } => {
                self.world.raw_there().send_away(link, self.world.here.as_fd())
            }
            Action::DeleteAway { link } => self.world.raw_there().delete(link),
            Action::SetMode { team, mode } => {
                return self.set(team, &OptionId::global("mode"), mode.into());
            }
            Action::SetOption { team, id, value } => return self.set(team, &id, value),
            Action::Teamnl { words, .. } => return Tool::C.run(words).status.success(),
            Action::Pause { milliseconds } => {
                thread::sleep(Duration::from_millis(milliseconds));
                Ok(())
            }
        };
        result.inspect_err(assert_answer).is_ok()
    }

    fn set(&mut self, team: IfIndex, id: &OptionId, value: OptionValue) -> bool {
        let slot = &mut self.handles[usize::from(team == TEAMS[1])];
        if slot.is_none() {
            *slot = TeamHandle::open_index(team).inspect_err(assert_expected).ok();
        }
        let Some(handle) = slot else { return false };
        let result = handle.set_option(id, value).inspect_err(assert_expected);
        if matches!(result, Err(Error::DeviceGone { .. })) {
            *slot = None;
        }
        result.is_ok()
    }
}

/// Panics at an error that is not a reply of the kernel.
fn assert_answer(error: &io::Error) {
    assert!(error.raw_os_error().is_some(), "not an error of the kernel: {error}");
}

/// Panics at an error that changes of the namespace cannot explain.
pub(super) fn assert_expected(error: &Error) {
    let expected = matches!(
        error,
        Error::Kernel { .. }
            | Error::DeviceGone { .. }
            | Error::NoSuchDevice { .. }
            | Error::NotTeam { .. }
            | Error::NotPort { .. }
            | Error::UnknownOption { .. }
    );
    assert!(expected, "unexpected error: {error:?}");
}
