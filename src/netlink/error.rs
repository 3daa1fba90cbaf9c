use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{DecodeError, Error, ErrorKind, Result};

/// Why an exchange with the kernel failed; what was being done is added above, see
/// [`ErrorContext`].
#[derive(Debug)]
pub(crate) enum RequestError {
    Io(io::Error),
    Kernel(KernelError),
    Decode(DecodeError),
    Timeout(Duration),
    Overrun { buffer: usize },
    Interrupted { attempts: u32 },
}

/// The kernel's error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelError {
    pub(crate) errno: i32,
    pub(crate) message: Option<String>,
    pub(crate) offset: Option<u32>,
}

impl RequestError {
    /// The kernel's error number, if it was the kernel that refused.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(refusal) => Some(refusal.errno),
            _ => None,
        }
    }

    /// Whether the kernel answered with this error.
    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno as i32)
    }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for RequestError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// Says what was being done when something failed.
pub(crate) trait ErrorContext<T> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ErrorContext<T> for Result<T, RequestError> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|failure| {
            let op = op();
            match failure {
                RequestError::Io(source) => Error::Io { op, source },
                RequestError::Kernel(KernelError { errno, message, offset }) => {
                    let kind = ErrorKind::of(Some(errno));
                    let source = io::Error::from_raw_os_error(errno);
                    Error::Kernel { op, kind, message, offset, source }
                }
                RequestError::Decode(source) => Error::Decode { op, source },
                RequestError::Timeout(after) => Error::Timeout { op, after },
                RequestError::Overrun { buffer } => Error::Overrun { op, buffer },
                RequestError::Interrupted { attempts } => Error::Interrupted { op, attempts },
            }
        })
    }
}

impl<T> ErrorContext<T> for io::Result<T> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { op: op(), source })
    }
}
