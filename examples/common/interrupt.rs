//! Signals that end the program's loop instead of the program.

use std::io;
use std::os::fd::AsFd as _;

use libteam::TeamHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that are received from a descriptor.
#[derive(Debug)]
pub(crate) struct Interrupt(SignalFd);

impl Interrupt {
    /// Blocks the signals, so that they no longer end the program.
    pub(crate) fn on(signals: &[Signal]) -> io::Result<Self> {
        let signals: SigSet = signals.iter().copied().collect();
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits until the team has events; returns false if a signal arrived first.
    pub(crate) fn wait(&self, team: &TeamHandle) -> io::Result<bool> {
        let mut sources =
            [self.0.as_fd(), team.as_fd()].map(|source| PollFd::new(source, PollFlags::POLLIN));
        while let Err(error) = poll(&mut sources, PollTimeout::NONE) {
            if error != Errno::EINTR {
                return Err(error.into());
            }
        }
        let [signal, _] = sources;
        Ok(signal.any() == Some(false))
    }
}
