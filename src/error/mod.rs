mod errno;
mod kind;
mod text;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use nix::errno::Errno;

pub use self::kind::ErrorKind;
use crate::bpf::BpfError;
use crate::changes::Changes;
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::{OptionType, ParseOptionError};

/// The result of a function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of any type, as a change handler may return it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The reason why a function of this crate failed.
///
/// The text says what was attempted, on which object, and why it failed: printing `{error}` is
/// enough. [`source`](StdError::source) returns only what the text does not say: if the text ends
/// with another error, the source of that error.
///
/// A program that reacts to errors can use [`kind`](Self::kind), which classifies them, and
/// [`raw_os_error`](Self::raw_os_error), which returns the error number.
///
/// # Examples
///
/// ```
/// use libteam::{Error, ErrorKind, TeamHandle};
///
/// # test_netns::enter();
/// let mut team = TeamHandle::create("team0")?;
/// let lo = team.lookup_ifindex("lo")?;
/// let error = team.add_port(lo).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "adding port lo to team0: invalid argument (EINVAL): \
///      Loopback device can't be added as a team port",
/// );
/// assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(22)));
///
/// let Error::Kernel { op, message, .. } = error else { panic!("{error}") };
/// assert_eq!(op, "adding port lo to team0");
/// assert_eq!(message.as_deref(), Some("Loopback device can't be added as a team port"));
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// netlink(7); the kernel's message and its offset are `NLMSGERR_ATTR_MSG` and
/// `NLMSGERR_ATTR_OFFS`, `linux/netlink.h`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    Io {
        /// The operation and its object.
        op: String,
        /// The system's error.
        error: io::Error,
    },
    /// The kernel replied to a request with an error.
    Kernel {
        /// The operation and its object.
        op: String,
        /// The error number, such as 16 for `EBUSY`.
        errno: i32,
        /// The kernel's own message (the extended acknowledgement), if the kernel sent one.
        message: Option<String>,
        /// The offset of the offending attribute in the request, in bytes, if the kernel sent it.
        offset: Option<u32>,
    },
    /// The kernel's reply could not be decoded.
    Decode {
        /// The operation and its object.
        op: String,
        /// What is wrong with the reply.
        error: DecodeError,
    },
    /// The kernel did not reply in time.
    Timeout {
        /// The operation and its object.
        op: String,
        /// The timeout that elapsed: the command timeout of the handle or the socket.
        after: Duration,
    },
    /// The kernel acknowledged a request for an object, but did not send the object.
    NoReply {
        /// The operation and its object.
        op: String,
    },
    /// Changes interrupted every attempt at a dump, and the call accepts no interrupted dump.
    Interrupted {
        /// The operation and its object.
        op: String,
        /// The number of attempts.
        attempts: u32,
    },
    /// The reply did not fit the socket's receive buffer, not even the largest one tried.
    Overrun {
        /// The operation and its object.
        op: String,
        /// The size of the buffer that the kernel gave, in bytes.
        buffer: usize,
    },
    /// The kernel has no generic netlink family `team`: the driver is not loaded.
    FamilyNotFound,
    /// No link has this name or index.
    NoSuchDevice {
        /// The operation and its object.
        op: String,
        /// The name of the link, or `index` and its index.
        device: String,
    },
    /// A link does not have the address that was to be deleted.
    NoSuchAddress {
        /// The operation and its object.
        op: String,
        /// The kernel's own message (the extended acknowledgement), if the kernel sent one.
        message: Option<String>,
    },
    /// The device is not a team.
    NotTeam {
        /// The operation and its object.
        op: String,
        /// The device's name.
        device: String,
        /// The kind of the device; `None` for a device that is not a virtual link.
        kind: Option<String>,
    },
    /// The team device was deleted while the handle was open.
    DeviceGone {
        /// The operation and its object.
        op: String,
        /// The last name of the device.
        device: String,
        /// The index of the device.
        ifindex: IfIndex,
    },
    /// The link is not a port of the team, or has just left it.
    NotPort {
        /// The operation and its object.
        op: String,
        /// The team's name.
        team: String,
        /// The link's index.
        ifindex: IfIndex,
    },
    /// The kernel does not accept this name for a device.
    ///
    /// No request was sent, except that opening a team first looks up the name as an alternative
    /// name.
    InvalidName {
        /// The name.
        name: String,
        /// What a name is expected to be.
        reason: &'static str,
    },
    /// A setting is invalid, though the kernel might accept it.
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is expected instead.
        reason: &'static str,
    },
    /// The team does not have this option in its current mode and with its current ports.
    UnknownOption {
        /// The operation, the option and the value.
        op: String,
        /// The team's name.
        team: String,
        /// The option.
        id: OptionId,
    },
    /// The option has another type than the value. The option was not sent.
    OptionType {
        /// The team's name.
        team: String,
        /// The option.
        id: OptionId,
        /// The option's type.
        expected: OptionType,
        /// The value's type.
        found: OptionType,
    },
    /// The value is invalid for this option. The option was not sent.
    OptionValue {
        /// The team's name.
        team: String,
        /// The option.
        id: OptionId,
        /// The value as text.
        value: String,
        /// What is expected instead.
        reason: &'static str,
    },
    /// A text is not a value of the option's type. The option was not sent.
    OptionParse {
        /// The team's name.
        team: String,
        /// The option.
        id: OptionId,
        /// What is wrong with the text.
        error: ParseOptionError,
    },
    /// The kernel or the driver does not accept this BPF program.
    InvalidProgram(BpfError),
    /// A change handler failed. All other handlers were called, and no change is lost: the error
    /// carries the changes.
    Handler {
        /// The first error that a handler returned.
        error: BoxError,
        /// What the call would have returned without the error: the changes that were delivered to
        /// the handlers. No later call returns them again.
        changes: Changes,
    },
}

impl Error {
    /// Returns the error number, from which libnl derives the `-errno` of the C library.
    ///
    /// | variant | error number |
    /// |---|---|
    /// | [`Io`](Self::Io) | the system's; `None` if no system call failed |
    /// | [`Kernel`](Self::Kernel) | the kernel's |
    /// | [`Decode`](Self::Decode) | `EBADMSG` |
    /// | [`Timeout`](Self::Timeout) | `ETIMEDOUT` |
    /// | [`NoReply`](Self::NoReply) | `ENODATA` |
    /// | [`Interrupted`](Self::Interrupted) | `EINTR` |
    /// | [`Overrun`](Self::Overrun) | `ENOBUFS` |
    /// | [`FamilyNotFound`](Self::FamilyNotFound) | `ENOENT` |
    /// | [`NoSuchDevice`](Self::NoSuchDevice) | `ENODEV` |
    /// | [`NoSuchAddress`](Self::NoSuchAddress) | `EADDRNOTAVAIL` |
    /// | [`NotTeam`](Self::NotTeam) | `EINVAL` |
    /// | [`DeviceGone`](Self::DeviceGone) | `ENODEV` |
    /// | [`NotPort`](Self::NotPort) | `ENOENT` |
    /// | [`InvalidName`](Self::InvalidName) | `ENAMETOOLONG` for a name that is too long, else `EINVAL` |
    /// | [`InvalidSetting`](Self::InvalidSetting) | `EINVAL` |
    /// | [`UnknownOption`](Self::UnknownOption) | `ENOENT` |
    /// | [`OptionType`](Self::OptionType) | `EINVAL` |
    /// | [`OptionValue`](Self::OptionValue) | `EINVAL` |
    /// | [`OptionParse`](Self::OptionParse) | `ERANGE` for a number that is out of range, else `EINVAL` |
    /// | [`InvalidProgram`](Self::InvalidProgram) | `EINVAL` |
    /// | [`Handler`](Self::Handler) | `None`: the handler's own error is in the field `error` |
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let error = TeamHandle::open("team7").unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(19), "ENODEV");
    /// assert_eq!(error.to_string(), "opening team7: no such device (ENODEV)");
    /// ```
    ///
    /// # Source
    ///
    /// errno(3).
    #[doc(alias = "errno")]
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        let errno = match self {
            Self::Io { error, .. } => return error.raw_os_error(),
            Self::Kernel { errno, .. } => return Some(*errno),
            Self::Handler { .. } => return None,
            Self::Decode { .. } => Errno::EBADMSG,
            Self::Timeout { .. } => Errno::ETIMEDOUT,
            Self::NoReply { .. } => Errno::ENODATA,
            Self::Interrupted { .. } => Errno::EINTR,
            Self::Overrun { .. } => Errno::ENOBUFS,
            Self::FamilyNotFound | Self::NotPort { .. } | Self::UnknownOption { .. } => {
                Errno::ENOENT
            }
            Self::NoSuchDevice { .. } | Self::DeviceGone { .. } => Errno::ENODEV,
            Self::NoSuchAddress { .. } => Errno::EADDRNOTAVAIL,
            Self::InvalidName { reason, .. } if *reason == NAME_TOO_LONG => Errno::ENAMETOOLONG,
            Self::OptionParse { error, .. } if error.is_out_of_range() => Errno::ERANGE,
            Self::NotTeam { .. }
            | Self::InvalidName { .. }
            | Self::InvalidSetting { .. }
            | Self::OptionType { .. }
            | Self::OptionValue { .. }
            | Self::OptionParse { .. }
            | Self::InvalidProgram(_) => Errno::EINVAL,
        };
        Some(errno as i32)
    }
}

impl Error {
    /// Replaces the operation in the error of a check that found no device.
    pub(crate) fn with_op(self, op: impl Into<String>) -> Self {
        match self {
            Self::NoSuchDevice { device, .. } => Self::NoSuchDevice { op: op.into(), device },
            Self::DeviceGone { device, ifindex, .. } => {
                Self::DeviceGone { op: op.into(), device, ifindex }
            }
            error => error,
        }
    }
}

/// The reason of [`Error::InvalidName`] for a name that is too long.
pub(crate) const NAME_TOO_LONG: &str = "expected at most 15 bytes";

impl From<BpfError> for Error {
    fn from(error: BpfError) -> Self {
        Self::InvalidProgram(error)
    }
}

/// The reason why a message of the kernel could not be decoded.
///
/// # Examples
///
/// ```
/// use libteam::Error;
///
/// fn report(error: &Error) {
///     match error {
///         Error::Decode { op, error } => eprintln!("this kernel's reply to {op} is unknown: {error}"),
///         other => eprintln!("{other}"),
///     }
/// }
/// # report(&Error::FamilyNotFound);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    reason: Cow<'static, str>,
}

impl DecodeError {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self { reason: Cow::Borrowed(reason) }
    }

    /// Wraps the error of another crate's decoder, with its sources.
    pub(crate) fn from_source(error: &dyn StdError) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        Self { reason: Cow::Owned(reason) }
    }
}
