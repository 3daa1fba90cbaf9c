mod kind;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

pub use self::kind::ErrorKind;
use crate::bpf::BpfError;
use crate::changes::Changes;
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_type::{OptionType, ParseOptionError};

/// What a function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, as a change handler may return it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why something could not be done.
///
/// `Display` says what was being done and to whom; the cause below it is in `source()`.
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
/// assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(22)));
///
/// let Error::Kernel { op, message, .. } = error else { panic!("{error}") };
/// assert_eq!(op, "adding port lo, team team0");
/// assert_eq!(message.as_deref(), Some("Loopback device can't be added as a team port"));
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// netlink(7); the kernel's own words and their place are `NLMSGERR_ATTR_MSG` and
/// `NLMSGERR_ATTR_OFFS`, `linux/netlink.h`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("{op} failed")]
    Io {
        /// What was being done.
        op: String,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel answered a request with an error.
    #[error("the kernel refused {op}{}", .message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Kernel {
        /// What was being done.
        op: String,
        /// What the error number means here.
        kind: ErrorKind,
        /// The kernel's own words (the extended acknowledgement), where it gave some.
        message: Option<String>,
        /// Where in the request the offending attribute starts, in bytes, where the kernel said so.
        offset: Option<u32>,
        /// The error number.
        source: io::Error,
    },
    /// The kernel's answer could not be understood.
    #[error("the answer to {op} is malformed")]
    Decode {
        /// What was being done.
        op: String,
        /// What was wrong.
        source: DecodeError,
    },
    /// The kernel did not answer in time.
    #[error("no answer to {op} within {after:?}")]
    Timeout {
        /// What was being done.
        op: String,
        /// The time that was waited: the handle's command timeout.
        after: Duration,
    },
    /// The kernel says that it did what was asked, but did not tell what it was asked for.
    #[error("the kernel acknowledged {op}, but gave no answer")]
    NoReply {
        /// What was being done.
        op: String,
    },
    /// Every attempt at a dump was interrupted by changes, and the caller wanted none that was.
    #[error("{op} was interrupted by changes in each of {attempts} attempts")]
    Interrupted {
        /// What was being done.
        op: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The answer did not fit the command socket's receive buffer, not even the largest one tried.
    #[error("the answer to {op} does not fit a receive buffer of {buffer} bytes")]
    Overrun {
        /// What was being done.
        op: String,
        /// The size of the buffer that the kernel gave, in bytes.
        buffer: usize,
    },
    /// The kernel has no generic netlink family `team`: the driver is not loaded.
    #[error("the kernel has no team driver loaded")]
    FamilyNotFound,
    /// No link has this name or index.
    #[error("no such device: {device}")]
    NoSuchDevice {
        /// The name or index asked for.
        device: String,
    },
    /// The device is not a team.
    #[error("{device} is not a team device{}", .kind.as_ref().map(|kind| format!(" but of kind {kind}")).unwrap_or_default())]
    NotTeam {
        /// The device's name.
        device: String,
        /// What it is instead, where it is a virtual link.
        kind: Option<String>,
    },
    /// The team device was deleted while the handle was open.
    #[error("team device {device} (index {ifindex}) is gone")]
    DeviceGone {
        /// The last name of the device.
        device: String,
        /// Its index.
        ifindex: IfIndex,
    },
    /// The link is not a port of the team.
    #[error("link {ifindex} is not a port of {team}")]
    NotPort {
        /// The team's name.
        team: String,
        /// The link's index.
        ifindex: IfIndex,
    },
    /// The kernel would not take this as the name of a device. Nothing was sent, but for the
    /// question whether it is the alternative name of one where that was to be opened.
    #[error("{name:?} cannot name a device: {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A setting makes no sense, though the kernel might take it.
    #[error("{setting} is {value:?}: {reason}")]
    InvalidSetting {
        /// The setting's name.
        setting: &'static str,
        /// The value found.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The team has no such option in its present mode and with its present ports.
    #[error("{team} has no option {id}")]
    UnknownOption {
        /// The team's name.
        team: String,
        /// The option asked for.
        id: OptionId,
    },
    /// The option has another type than the value.
    #[error("option {id} is of type {expected}, the value is of type {found}")]
    OptionType {
        /// The option.
        id: OptionId,
        /// The option's type.
        expected: OptionType,
        /// The value's type.
        found: OptionType,
    },
    /// The value cannot be sent as a value of this option; nothing was sent.
    #[error("option {id} cannot be set to {value}: {reason}")]
    OptionValue {
        /// The option.
        id: OptionId,
        /// The value as text.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text is no value of the option's type; nothing was sent.
    #[error("option {id} cannot be set")]
    OptionParse {
        /// The option.
        id: OptionId,
        /// What is wrong with the text.
        source: ParseOptionError,
    },
    /// A BPF program is not one that the kernel and the driver do with.
    #[error(transparent)]
    InvalidProgram(#[from] BpfError),
    /// A change handler failed. All other handlers were called, and no change is lost: the error
    /// carries them.
    #[error("a change handler failed")]
    Handler {
        /// The first error that a handler returned.
        source: BoxError,
        /// What the call would have returned without the error: what was delivered to the handlers.
        /// No later call returns it again.
        changes: Changes,
    },
}

impl Error {
    /// The error number of the system or the kernel, where the error has one: what the C library
    /// returns as `-errno`.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = libteam::TeamHandle::open("no/slash").unwrap_err();
    /// assert_eq!(error.raw_os_error(), None, "the name was not even sent");
    /// ```
    ///
    /// # Source
    ///
    /// errno(3).
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } | Self::Kernel { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// What the kernel sent is not what its protocol says.
///
/// # Examples
///
/// ```
/// use libteam::Error;
///
/// fn complain(error: &Error) {
///     match error {
///         Error::Decode { op, source } => eprintln!("what the kernel answered to {op} is not what we know: {source}"),
///         other => eprintln!("{other}"),
///     }
/// }
/// # complain(&Error::FamilyNotFound);
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

    /// What a decoder of a message type says itself.
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
