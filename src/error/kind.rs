use nix::errno::Errno;

use super::Error;

/// What sort of failure an [`Error`] is, for code that wants to act on it.
///
/// The kernel's error numbers are put together by what they mean to a caller;
/// [`Error::raw_os_error`] still tells the number.
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
    /// There is such a thing already: `EEXIST`.
    AlreadyExists,
    /// There is no such thing: `ENODEV`, `ENOENT`, `ESRCH`, `ENXIO`, what was asked for is not in
    /// the answer, or `EADDRNOTAVAIL` where an address was to be deleted.
    NotFound,
    /// The kernel, the driver or the device cannot do it: `EOPNOTSUPP`, `EAFNOSUPPORT`,
    /// `EPROTONOSUPPORT`, `ENOSYS`, or the team driver is not loaded.
    Unsupported,
    /// Something is in the way at present: `EBUSY`.
    Busy,
    /// The caller may not: `EPERM`, `EACCES`. The kernel answers so too where nobody may.
    PermissionDenied,
    /// What was asked for makes no sense: `EINVAL`, `ERANGE`, `EADDRNOTAVAIL`, or it was not even
    /// sent.
    InvalidInput,
    /// No answer came in time.
    TimedOut,
    /// Every attempt at a dump was interrupted.
    Interrupted,
    /// An answer was lost, was malformed, or did not hold what it should.
    InvalidData,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// What an error number means to a caller.
    pub(crate) fn of(number: Option<i32>) -> Self {
        match number.map(Errno::from_raw) {
            Some(Errno::EEXIST) => Self::AlreadyExists,
            Some(Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::ENXIO) => Self::NotFound,
            Some(
                Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::ENOSYS,
            ) => Self::Unsupported,
            Some(Errno::EBUSY) => Self::Busy,
            Some(Errno::EPERM | Errno::EACCES) => Self::PermissionDenied,
            Some(Errno::EINVAL | Errno::ERANGE | Errno::EADDRNOTAVAIL) => Self::InvalidInput,
            Some(Errno::ETIMEDOUT) => Self::TimedOut,
            _ => Self::Other,
        }
    }
}

impl Error {
    /// What sort of failure this is.
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
            Self::Kernel { kind, .. } => *kind,
            Self::Io { source, .. } => ErrorKind::of(source.raw_os_error()),
            Self::NoSuchDevice { .. }
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
