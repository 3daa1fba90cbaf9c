//! What the driver's answers to the setting of options mean.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::error::{ErrorContext, KernelError, RequestError};
use crate::team::TeamHandle;

/// What became of one option of many.
pub(super) enum Answer {
    /// No answer came.
    None,
    Set,
    Refused(KernelError),
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
    /// Finds the first option that is not set, where there is one.
    pub(super) fn check_results(
        &mut self,
        options: &[(OptionId, OptionValue)],
        answers: Vec<Answer>,
        exchange: Result<(), RequestError>,
    ) -> Result<()> {
        let overran = matches!(exchange, Err(RequestError::Overrun { .. }));
        let is_doubtful = |answer: &Answer| match answer {
            Answer::None => overran,
            Answer::Set => false,
            // Set, but nobody could be told: every listener's buffer is full, or nobody listens.
            Answer::Refused(refusal) => {
                matches!(
                    Errno::from_raw(refusal.errno),
                    Errno::ESRCH | Errno::ENOBUFS | Errno::EMSGSIZE
                )
            }
        };
        let is_known = !answers.iter().any(is_doubtful) || self.look_up();
        let (mut exchange, mut first_error) = (Some(exchange), None);
        for ((id, value), answer) in options.iter().zip(answers) {
            // What was set twice has the later value.
            let final_value =
                || options.iter().rev().find(|(other, _)| other == id).map(|(_, value)| value);
            let is_set = match answer {
                Answer::Set => true,
                _ => is_doubtful(&answer) && is_known && self.value(id) == final_value(),
            };
            if is_set {
                self.session.mark_local(id);
                continue;
            }
            let result = match answer {
                Answer::Refused(refusal) => Err(RequestError::Kernel(refusal)),
                Answer::Set | Answer::None => exchange.take().unwrap_or(Ok(())),
            };
            // What comes after it may be set all the same.
            first_error = first_error.or_else(|| self.error_of(id, value, result).err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Returns the error of an option that is not set.
    fn error_of(
        &self,
        id: &OptionId,
        value: &OptionValue,
        result: Result<(), RequestError>,
    ) -> Result<()> {
        let is_missing = result.as_ref().is_err_and(|failure| failure.is(Errno::ENOENT));
        match (self.option(id), id.port) {
            (None, _) if is_missing => return Err(self.unknown_option(id, value)),
            // The port has left the team, and is a port again by now.
            (Some(_), Some(port)) if is_missing => {
                return Err(self.not_port(setting_op(self.name(), id, value), port));
            }
            _ => {}
        }
        result.with_context(|| setting_op(self.name(), id, value))
    }

    /// Asks the kernel what the options are, whatever it answered when they were set; false if it
    /// does not tell.
    fn look_up(&mut self) -> bool {
        let refreshed = self.session.refresh(true);
        if let Err(error) = &refreshed {
            log::debug!(target: COMMAND, "{}: options that were set cannot be read back: {error}", self.name());
        }
        refreshed.is_ok()
    }

    /// Returns the error for an option that the team does not have: the option itself is unknown,
    /// or its port is.
    pub(super) fn unknown_option(&self, id: &OptionId, value: &OptionValue) -> Error {
        let op = setting_op(self.name(), id, value);
        // A port of which no options are known has left, and is being added again, unless the list
        // of options is truncated.
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
