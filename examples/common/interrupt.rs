//! Signals that end a program's loop, where they would have ended the program.

use std::io;
use std::os::fd::AsFd;

use libteam::TeamHandle;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

/// Signals that wait in a descriptor.
#[derive(Debug)]
pub(crate) struct Interrupt(SignalFd);

impl Interrupt {
    /// Keeps these signals from ending the program.
    pub(crate) fn on(signals: &[Signal]) -> io::Result<Self> {
        let signals: SigSet = signals.iter().copied().collect();
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits until the team has something to handle; false if one of the signals came first.
    pub(crate) fn wait(&self, team: &TeamHandle) -> io::Result<bool> {
        let mut sources = [
            PollFd::new(&self.0, PollFlags::IN),
            PollFd::from_borrowed_fd(team.as_fd(), PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut sources, None))?;
        let [signal, _] = sources;
        Ok(signal.revents().is_empty())
    }
}
