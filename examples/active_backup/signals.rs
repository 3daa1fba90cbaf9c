//! The signals of the daemon, received from a descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::Result;
use crate::report::report;

/// The blocked signals.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    pub(crate) fn open() -> Result<Self> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP]
            .into_iter()
            .collect();
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Reads the signals that arrived; returns whether one of them ends the daemon.
    pub(crate) fn is_end(&self) -> Result<bool> {
        while let Some(signal) = self.0.read_signal()? {
            if signal.ssi_signo != Signal::SIGHUP as u32 {
                return Ok(true);
            }
            report!("SIGHUP ignored: the configuration is read at the start only");
        }
        Ok(false)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
