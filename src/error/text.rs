//! The texts of errors: operation, object, reason.
//!
//! The text of an error that wraps another one ends with the text of the inner error, so that
//! `{error}` is complete. `source()` therefore returns the source of the inner error. `thiserror`
//! cannot express this: its `source()` always returns a field.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::Error;
use super::errno::Described;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, error } => write!(f, "{op}: {}", Reason(error)),
            Self::Kernel { op, errno, message, .. } => {
                write!(f, "{op}: {}{}", Described(*errno), Suffix(message.as_deref()))
            }
            Self::Decode { op, error } => write!(f, "{op}: malformed reply: {error}"),
            Self::Timeout { op, after } => write!(f, "{op}: no reply within {after:?}"),
            Self::NoReply { op } => {
                write!(f, "{op}: the kernel acknowledged the request, but sent no object")
            }
            Self::Interrupted { op, attempts } => {
                write!(f, "{op}: interrupted by changes in each of {attempts} attempts")
            }
            Self::Overrun { op, buffer } => {
                write!(f, "{op}: the reply does not fit a receive buffer of {buffer} bytes")
            }
            Self::FamilyNotFound => f.write_str(
                "looking up generic netlink family team: the team driver is not loaded (ENOENT)",
            ),
            Self::NoSuchDevice { op, .. } => write!(f, "{op}: no such device (ENODEV)"),
            Self::NoSuchAddress { op, message } => {
                write!(f, "{op}: no such address (EADDRNOTAVAIL){}", Suffix(message.as_deref()))
            }
            Self::NotTeam { op, device, kind: Some(kind) } => {
                write!(f, "{op}: {device} is not a team device, but of kind {kind}")
            }
            Self::NotTeam { op, device, kind: None } => {
                write!(f, "{op}: {device} is not a team device")
            }
            Self::DeviceGone { op, .. } => {
                write!(f, "{op}: the team device was deleted (ENODEV)")
            }
            Self::NotPort { op, team, ifindex } => {
                write!(f, "{op}: link {ifindex} is not a port of {team} (ENOENT)")
            }
            Self::InvalidName { name, reason } => {
                write!(f, "invalid device name {name:?}: {reason}")
            }
            Self::InvalidSetting { setting, value, reason } => {
                write!(f, "invalid {setting} {value:?}: {reason}")
            }
            Self::UnknownOption { op, .. } => write!(f, "{op}: no such option (ENOENT)"),
            Self::OptionType { team, id, expected, found } => write!(
                f,
                "setting option {id} of {team}: invalid value of type {found}: expected {expected}"
            ),
            Self::OptionValue { team, id, value, reason } => {
                write!(f, "setting option {id} of {team} to {value}: {reason}")
            }
            Self::OptionParse { team, id, error } => {
                write!(f, "setting option {id} of {team}: {error}")
            }
            Self::InvalidProgram(error) => error.fmt(f),
            Self::Handler { error, .. } => write!(f, "calling a change handler: {error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { error, .. } => error.source(),
            Self::Handler { error, .. } => error.source(),
            _ => None,
        }
    }
}

/// The kernel's own message, as the end of a text.
struct Suffix<'a>(Option<&'a str>);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

/// The reason of [`Error::Io`]: an error number, or an error of the library without one.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(errno) => Described(errno).fmt(f),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
