use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{DecodeError, Error, Result};

/// The reason why a request failed; [`ErrorContext`] adds the operation.
#[derive(Debug)]
pub(crate) enum RequestError {
    Io(io::Error),
    Kernel(KernelError),
    Decode(DecodeError),
    Timeout(Duration),
    Overrun { buffer: usize },
    Interrupted { attempts: u32 },
}

/// The kernel's error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelError {
    pub(crate) errno: i32,
    pub(crate) message: Option<String>,
    pub(crate) offset: Option<u32>,
}

impl RequestError {
    /// Returns the kernel's error number, if the kernel replied with an error.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(error) => Some(error.errno),
            _ => None,
        }
    }

    /// Returns whether the kernel replied with this error.
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

/// Adds the operation and its object to an error.
pub(crate) trait ErrorContext<T> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ErrorContext<T> for Result<T, RequestError> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let op = op();
            match error {
                RequestError::Io(error) => Error::Io { op, error },
                RequestError::Kernel(KernelError { errno, message, offset }) => {
                    Error::Kernel { op, errno, message, offset }
                }
                RequestError::Decode(error) => Error::Decode { op, error },
                RequestError::Timeout(after) => Error::Timeout { op, after },
                RequestError::Overrun { buffer } => Error::Overrun { op, buffer },
                RequestError::Interrupted { attempts } => Error::Interrupted { op, attempts },
            }
        })
    }
}

impl<T> ErrorContext<T> for io::Result<T> {
    fn with_context(self, op: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { op: op(), error })
    }
}
