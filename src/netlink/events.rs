use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;
use rustix::io::Errno;

use super::codec::frame::{Frame, frames};
use super::transport::{KERNEL, NetlinkSocket, Received, Transport};
use crate::error::DecodeError;
use crate::log_target::EVENTS;

/// Larger than any usual notification; a longer one is found out by its length and counts as lost.
const BUFFER_LEN: usize = 32 * 1024;
/// No honest datagram is longer.
const MAX_BUFFER_LEN: usize = 16 << 20;
/// The least that the kernel charges a receive buffer for a datagram, in bytes: the memory of its bookkeeping.
const MIN_CHARGE: usize = 512;
/// What is read in one go at the least, in datagrams.
const MIN_BUDGET: usize = 256;

/// A socket that is joined to a multicast group. Nothing is ever sent on it: an overrun would swallow the answer.
#[derive(Debug)]
pub(crate) struct EventSocket<T = NetlinkSocket> {
    transport: T,
    buffer: Vec<u8>,
    /// Events were lost since the last [`recovered`](Self::recovered).
    lost: bool,
    budget: usize,
}

/// What is left on the socket after a [`drain`](EventSocket::drain).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It was read empty.
    Nothing,
    /// The budget was used up first.
    Unread,
}

impl<T: Transport> EventSocket<T> {
    /// Wraps a socket that has joined its group.
    pub(crate) fn new(transport: T) -> io::Result<Self> {
        // One budget covers whatever the receive buffer can hold. So a drain that follows a dump has read all that
        // is older than the dump before its changes are told, and no old news is ever told as the last word.
        let budget = MIN_BUDGET.max(transport.receive_buffer()? / MIN_CHARGE);
        Ok(Self { transport, buffer: vec![0; BUFFER_LEN], lost: false, budget })
    }

    /// Whether events were lost: what they would have told must be asked for.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// What waits is not to be read: it is older than what is known otherwise.
    pub(crate) fn give_up(&mut self) {
        self.lost = true;
    }

    /// The loss was made good.
    pub(crate) fn recovered(&mut self) {
        self.lost = false;
    }

    /// The receive buffer's size in bytes as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.transport.receive_buffer()
    }

    /// Reads the socket until it is empty or the budget is used up; `apply` gets each message.
    ///
    /// After a loss the rest is discarded: it is old news, and the kernel delivers nothing new before the socket is
    /// empty.
    pub(crate) fn drain(&mut self, mut apply: impl FnMut(Frame<'_>) -> Result<(), DecodeError>) -> io::Result<Rest> {
        for _ in 0..self.budget {
            match self.transport.receive(&mut self.buffer) {
                Ok(Received { sender, .. }) if sender != KERNEL => {
                    warn!(target: EVENTS, "ignoring an event that port {sender} sent, not the kernel");
                }
                Ok(Received { length, .. }) if length > self.buffer.len() => {
                    warn!(target: EVENTS, "an event of {length} bytes was cut off");
                    self.buffer.resize(length.next_power_of_two().min(MAX_BUFFER_LEN), 0);
                    self.lost = true;
                }
                Ok(_) if self.lost => {}
                Ok(Received { length, .. }) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    if let Err(error) = frames(datagram).try_for_each(|frame| apply(frame?)) {
                        warn!(target: EVENTS, "an event cannot be read: {error}");
                        self.lost = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Rest::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => self.lost = true,
                Err(error) => return Err(error),
            }
        }
        Ok(Rest::Unread)
    }
}

impl<T: AsFd> AsFd for EventSocket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

#[cfg(test)]
mod tests;
