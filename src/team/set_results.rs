//! The results of setting options: interprets the driver's replies.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::error::{ErrorContext, KernelError, RequestError};
use crate::team::TeamHandle;

/// The driver's reply to the setting of one option.
pub(super) enum SetResult {
    /// There was no reply.
    NoReply,
    Set,
    Rejected(KernelError),
}

/// Returns the operation of setting one option.
pub(super) fn setting_op(team: &str, id: &OptionId, value: &OptionValue) -> String {
    format!("setting option {id} of {team} to {}", value.abbreviated())
}

/// Returns the operation of setting some options.
pub(super) fn settings_op(team: &str, options: &[(OptionId, OptionValue)]) -> String {
    match options {
        [(id, value)] => setting_op(team, id, value),
        _ => format!("setting {} options of {team}", options.len()),
    }
}

impl TeamHandle {
    /// Returns the error of the first option that was not set.
    ///
    /// If a reply leaves open whether an option was set, the options are read back first.
    pub(super) fn check_results(
        &mut self,
        options: &[(OptionId, OptionValue)],
        results: Vec<SetResult>,
        exchange: Result<(), RequestError>,
    ) -> Result<()> {
        let overran = matches!(exchange, Err(RequestError::Overrun { .. }));
        let may_be_set = |result: &SetResult| match result {
            SetResult::NoReply => overran,
            SetResult::Set => false,
            // The driver set the option, but could not announce it: the buffers of all listeners
            // are full, or there is no listener.
            SetResult::Rejected(error) => {
                matches!(
                    Errno::from_raw(error.errno),
                    Errno::ESRCH | Errno::ENOBUFS | Errno::EMSGSIZE
                )
            }
        };
        let is_known = !results.iter().any(may_be_set) || self.read_back();
        let (mut exchange, mut first_error) = (Some(exchange), None);
        for ((id, value), result) in options.iter().zip(results) {
            // An option that was set twice has the later value.
            let final_value =
                || options.iter().rev().find(|(other, _)| other == id).map(|(_, value)| value);
            let is_set = match result {
                SetResult::Set => true,
                _ => may_be_set(&result) && is_known && self.value(id) == final_value(),
            };
            if is_set {
                self.session.mark_local(id);
                continue;
            }
            let result = match result {
                SetResult::Rejected(error) => Err(RequestError::Kernel(error)),
                SetResult::Set | SetResult::NoReply => exchange.take().unwrap_or(Ok(())),
            };
            // Go on: options after this one may have been set.
            first_error = first_error.or_else(|| self.error_of(id, value, result).err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Returns the error of an option that was not set.
    fn error_of(
        &self,
        id: &OptionId,
        value: &OptionValue,
        result: Result<(), RequestError>,
    ) -> Result<()> {
        let is_missing = result.as_ref().is_err_and(|error| error.is(Errno::ENOENT));
        match (self.option(id), id.port) {
            (None, _) if is_missing => return Err(self.unknown_option(id, value)),
            // The port had left the team, and was added again since.
            (Some(_), Some(port)) if is_missing => {
                return Err(self.not_port(setting_op(self.name(), id, value), port));
            }
            _ => {}
        }
        result.with_context(|| setting_op(self.name(), id, value))
    }

    /// Requests the options again after they were set; false if that fails.
    fn read_back(&mut self) -> bool {
        let refreshed = self.session.refresh(true);
        if let Err(error) = &refreshed {
            log::debug!(
                target: COMMAND,
                "{}: reading back the options that were set failed: {error}",
                self.name()
            );
        }
        refreshed.is_ok()
    }

    /// Returns the error for a missing option: the option is unknown, or its link is not a port.
    pub(super) fn unknown_option(&self, id: &OptionId, value: &OptionValue) -> Error {
        let op = setting_op(self.name(), id, value);
        // A port without known options left the team and is being added again, unless the list of
        // options is truncated.
        let has_options = |port| {
            self.value(&OptionId::port(names::ENABLED, port)).is_some()
                || self.session.cache().options().is_truncated()
        };
        match id.port {
            Some(port) if !self.is_port(port) || !has_options(port) => self.not_port(op, port),
            _ => Error::UnknownOption { op, team: self.name().to_owned(), id: id.clone() },
        }
    }

    /// Returns the error for a link that is not a port of the team.
    pub(super) fn not_port(&self, op: String, ifindex: IfIndex) -> Error {
        Error::NotPort { op, team: self.name().to_owned(), ifindex }
    }
}
