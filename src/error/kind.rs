use std::io;

use nix::errno::Errno;

use super::Error;

/// The kind of an [`Error`], with the names of [`std::io::ErrorKind`].
///
/// Errors of the kernel ([`Error::Kernel`]) and of system calls ([`Error::Io`]) are classified by
/// their error number, which [`Error::raw_os_error`] returns; each kind lists its error numbers and
/// the other variants of [`Error`] that it covers.
///
/// # Examples
///
/// See [`Error::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object exists already: `EEXIST`.
    AlreadyExists,
    /// The object does not exist: `ENODEV`, `ENOENT`, `ESRCH`, `ENXIO`;
    /// [`Error::NoSuchDevice`], [`Error::NoSuchAddress`], [`Error::DeviceGone`],
    /// [`Error::NotPort`], [`Error::UnknownOption`].
    NotFound,
    /// The kernel, the driver or the device does not support the operation: `EOPNOTSUPP`,
    /// `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ENOSYS`; [`Error::FamilyNotFound`].
    Unsupported,
    /// The object is in use, or not in a state that allows the operation: `EBUSY`.
    ResourceBusy,
    /// The caller lacks a capability: `EPERM`, `EACCES`. The kernel also sends these errors for
    /// some requests that no caller may make.
    PermissionDenied,
    /// The request is invalid: `EINVAL`, `ERANGE`, `EADDRNOTAVAIL`, or an [`Error::Io`] whose
    /// request is too long to be sent; [`Error::NotTeam`], [`Error::InvalidName`],
    /// [`Error::InvalidSetting`], [`Error::OptionType`], [`Error::OptionValue`],
    /// [`Error::OptionParse`], [`Error::InvalidProgram`].
    InvalidInput,
    /// The kernel did not reply in time: `ETIMEDOUT`; [`Error::Timeout`].
    TimedOut,
    /// Every attempt at a dump was interrupted: [`Error::Interrupted`].
    Interrupted,
    /// The reply was lost, was malformed, or lacked the object: [`Error::Decode`],
    /// [`Error::NoReply`], [`Error::Overrun`].
    InvalidData,
    /// Any other error: all other error numbers; [`Error::Handler`].
    Other,
}

impl ErrorKind {
    /// Classifies an error number.
    fn from_errno(errno: i32) -> Self {
        match Errno::from_raw(errno) {
            Errno::EEXIST => Self::AlreadyExists,
            Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::ENXIO => Self::NotFound,
            Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::ENOSYS => {
                Self::Unsupported
            }
            Errno::EBUSY => Self::ResourceBusy,
            Errno::EPERM | Errno::EACCES => Self::PermissionDenied,
            Errno::EINVAL | Errno::ERANGE | Errno::EADDRNOTAVAIL => Self::InvalidInput,
            Errno::ETIMEDOUT => Self::TimedOut,
            _ => Self::Other,
        }
    }

    fn from_io(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::from_errno(errno),
            None if error.kind() == io::ErrorKind::InvalidInput => Self::InvalidInput,
            None => Self::Other,
        }
    }
}

impl Error {
    /// Returns the kind of the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let error = TeamHandle::open("team7").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Kernel { errno, .. } => ErrorKind::from_errno(*errno),
            Self::Io { error, .. } => ErrorKind::from_io(error),
            Self::NoSuchDevice { .. }
            | Self::NoSuchAddress { .. }
            | Self::DeviceGone { .. }
            | Self::NotPort { .. }
            | Self::UnknownOption { .. } => ErrorKind::NotFound,
            Self::FamilyNotFound => ErrorKind::Unsupported,
            Self::NotTeam { .. }
            | Self::InvalidName { .. }
            | Self::InvalidSetting { .. }
            | Self::OptionType { .. }
            | Self::OptionValue { .. }
            | Self::OptionParse { .. }
            | Self::InvalidProgram(_) => ErrorKind::InvalidInput,
            Self::Timeout { .. } => ErrorKind::TimedOut,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Decode { .. } | Self::NoReply { .. } | Self::Overrun { .. } => {
                ErrorKind::InvalidData
            }
            Self::Handler { .. } => ErrorKind::Other,
        }
    }
}
