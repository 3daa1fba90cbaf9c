use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{DecodeError, Error, ErrorKind, Result};

/// Why an exchange with the kernel failed; what was being done is added above, see [`During`].
#[derive(Debug)]
pub(crate) enum Failure {
    Io(io::Error),
    Refused(Refusal),
    Malformed(DecodeError),
    Timeout(Duration),
    Overrun { buffer: usize },
    Interrupted { attempts: u32 },
}

/// The kernel's error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) message: Option<String>,
    pub(crate) offset: Option<u32>,
}

impl Failure {
    /// The kernel's error number, if it was the kernel that refused.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => Some(refusal.errno),
            _ => None,
        }
    }

    /// Whether the kernel answered with this error.
    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno as i32)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Says what was being done when something failed.
pub(crate) trait During<T> {
    fn during(self, op: impl FnOnce() -> String) -> Result<T>;
}

impl<T> During<T> for Result<T, Failure> {
    fn during(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|failure| {
            let op = op();
            match failure {
                Failure::Io(source) => Error::Io { op, source },
                Failure::Refused(Refusal { errno, message, offset }) => {
                    let kind = ErrorKind::of(Some(errno));
                    let source = io::Error::from_raw_os_error(errno);
                    Error::Kernel { op, kind, message, offset, source }
                }
                Failure::Malformed(source) => Error::Decode { op, source },
                Failure::Timeout(after) => Error::Timeout { op, after },
                Failure::Overrun { buffer } => Error::Overrun { op, buffer },
                Failure::Interrupted { attempts } => Error::Interrupted { op, attempts },
            }
        })
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { op: op(), source })
    }
}
