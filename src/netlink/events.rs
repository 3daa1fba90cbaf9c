use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::{info, warn};
use rustix::io::Errno;

use super::buffer::Buffer;
use super::codec::frame::{Frame, frames};
use super::transport::{Datagram, NO_MORE_ROOM, Transport};
use crate::error::DecodeError;
use crate::log_target::EVENTS;
use crate::model::bpf::BpfInstruction;

/// The least that the kernel charges a receive buffer for a datagram, in bytes: the memory of its bookkeeping.
const MIN_CHARGE: usize = 512;
/// What is read in one go at the least, in datagrams.
const MIN_BUDGET: usize = 256;

/// A socket that is joined to a multicast group. Nothing is ever sent on it: an overrun would swallow the answer.
#[derive(Debug)]
pub(crate) struct EventSocket {
    transport: Box<dyn Transport>,
    /// Events were lost since the last [`recovered`](Self::recovered).
    lost: bool,
    /// What waits may be older than what is known otherwise, so that stopping halfway is worse than not to begin.
    outdated: bool,
    /// Asked for where it matters.
    budget: OnceCell<usize>,
    /// What the receive buffer may grow to, in bytes as the kernel counts them.
    limit: usize,
}

/// What is left on the socket after some of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It was read empty.
    Nothing,
    /// There may be more.
    Unread,
}

/// What a receive finds.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// What the kernel sent.
    Datagram(&'a [u8]),
    /// What somebody else sent, or a signal: nothing that means anything here.
    Ignored,
    /// An event that was longer than the buffer and is lost; the next one of its length will fit.
    CutOff,
    /// The kernel had to drop events. Those that it had queued before are still to be read.
    Overrun,
}

impl EventSocket {
    /// Wraps a socket that has joined its group.
    pub(crate) fn new(transport: impl Transport + 'static) -> Self {
        Self { transport: Box::new(transport), lost: false, outdated: false, budget: OnceCell::new(), limit: 0 }
    }

    /// Lets the receive buffer [grow](Self::grow) to this many bytes.
    pub(crate) fn growing_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Doubles the receive buffer after an overrun, up to the limit; true if it is larger now.
    pub(crate) fn grow(&mut self) -> io::Result<bool> {
        let before = self.transport.receive_buffer()?;
        if before >= self.limit {
            return Ok(false);
        }
        // The kernel doubles what it is asked for.
        self.transport.set_receive_buffer(before.min(self.limit / 2))?;
        let after = self.transport.receive_buffer()?;
        self.budget.take();
        if after > before {
            info!(target: EVENTS, "the receive buffer of an event socket grew from {before} to {after} bytes");
        } else {
            warn!(target: EVENTS, "the receive buffer of an event socket stays at {after} bytes: {NO_MORE_ROOM}");
        }
        Ok(after > before)
    }

    /// Whether events were lost: what they would have told must be asked for.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// What waits is not to be read: it is older than what is known otherwise.
    pub(crate) fn give_up(&mut self) {
        self.lost = true;
    }

    /// The kernel was asked: what waits now is older than its answer.
    pub(crate) fn outdate(&mut self) {
        self.outdated = true;
    }

    /// The loss was made good.
    pub(crate) fn recovered(&mut self) {
        self.lost = false;
    }

    /// The receive buffer's size in bytes as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.transport.receive_buffer()
    }

    /// Has the kernel keep back what the program returns 0 for, see [`Transport::set_filter`].
    pub(crate) fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()> {
        self.transport.set_filter(program)
    }

    /// How many datagrams are read in one go at most: no fewer than the receive buffer can hold.
    ///
    /// So a drain that follows a dump has read all that is older than the dump before its changes are told, and no old news
    /// is ever told as the last word.
    pub(crate) fn budget(&self) -> usize {
        let budget = || self.transport.receive_buffer().map_or(0, |size| size / MIN_CHARGE).max(MIN_BUDGET);
        *self.budget.get_or_init(budget)
    }

    /// Reads the socket until it is empty or the budget is used up; `apply` gets each message.
    ///
    /// After a loss the rest is discarded: it is old news, and the kernel delivers nothing new before the socket is
    /// empty.
    pub(crate) fn drain(&mut self, mut apply: impl FnMut(Frame<'_>) -> Result<(), DecodeError>) -> io::Result<Rest> {
        let mut count = 0;
        while count < MIN_BUDGET || count < self.budget() {
            let mut lost = self.lost;
            let before = count;
            let rest = self.receive(|found| {
                count += 1;
                match found {
                    Found::Ignored => {}
                    Found::CutOff | Found::Overrun => lost = true,
                    Found::Datagram(_) if lost => {}
                    Found::Datagram(datagram) => {
                        let applied = frames(datagram).try_for_each(|frame| apply(frame?));
                        lost |= applied
                            .inspect_err(|error| warn!(target: EVENTS, "an event cannot be read: {error}"))
                            .is_err();
                    }
                }
            });
            self.lost = lost;
            // A receive that took something may have ended at an overrun, which only the next one tells.
            if rest? == Rest::Nothing && (count == before || !self.outdated) {
                self.outdated = false;
                return Ok(Rest::Nothing);
            }
        }
        Ok(Rest::Unread)
    }

    /// Takes some of the datagrams that wait; `tell` gets what each is.
    pub(crate) fn receive(&mut self, mut tell: impl FnMut(Found<'_>)) -> io::Result<Rest> {
        Buffer::lend(|buffer| {
            let batch = match self.transport.receive(buffer) {
                Ok(batch) => batch,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Rest::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    tell(Found::Ignored);
                    return Ok(Rest::Unread);
                }
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    tell(Found::Overrun);
                    return Ok(Rest::Unread);
                }
                Err(error) => return Err(error),
            };
            let mut longest = 0;
            for datagram in batch.datagrams(buffer) {
                tell(match datagram {
                    Datagram::Whole(bytes) => Found::Datagram(bytes),
                    Datagram::CutOff { length } => {
                        warn!(target: EVENTS, "an event of {length} bytes was cut off");
                        longest = longest.max(length);
                        Found::CutOff
                    }
                    Datagram::Foreign { sender } => {
                        warn!(target: EVENTS, "ignoring an event that port {sender} sent, not the kernel");
                        Found::Ignored
                    }
                });
            }
            buffer.grow_to(longest);
            Ok(if batch.is_last { Rest::Nothing } else { Rest::Unread })
        })
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

#[cfg(test)]
mod tests;
