use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::{debug, info, warn};
use nix::errno::Errno;

use super::buffer::Buffer;
use super::codec::frame::{Frame, frames};
use super::socket::{Datagram, NO_MORE_ROOM, Transport};
use crate::bpf::BpfInstruction;
use crate::error::DecodeError;
use crate::log_target::EVENTS;

/// The least that the kernel charges a receive buffer for a datagram, in bytes: the memory of its
/// bookkeeping.
const MIN_CHARGE: usize = 512;
/// What is read in one go at the least, in datagrams.
const MIN_BUDGET: usize = 256;
/// How many datagrams are received at most until a filter that the kernel refused is set again.
/// Without it, each of them may be one that the filter would have dropped.
const MAX_FILTER_WAIT: usize = 1024;

/// A socket that is joined to a multicast group. Nothing is ever sent on it: an overrun would
/// swallow the answer.
#[derive(Debug)]
pub(crate) struct MulticastSocket {
    transport: Box<dyn Transport>,
    /// Events were lost since the last [`clear_lost`](Self::clear_lost).
    lost: bool,
    /// What waits may be older than what is known otherwise, so that stopping halfway is worse than
    /// not to begin.
    stale: bool,
    /// Asked for where it matters.
    budget: OnceCell<usize>,
    /// What the receive buffer may grow to, in bytes as the kernel counts them.
    limit: usize,
    filter: Filter,
    /// How often the kernel reported an overrun.
    overruns: u64,
    /// How often the kernel rejected the filter and none is in place.
    filter_fallbacks: u64,
}

/// What the kernel does with what the filter of a socket returns 0 for.
#[derive(Debug)]
pub(crate) enum Filter {
    /// There is no filter: everything passes.
    None,
    /// The kernel drops it.
    InPlace,
    /// Everything passes, as the kernel refused the filter.
    Refused(RefusedFilter),
}

/// A filter that the kernel refused, mostly for lack of memory (`ENOMEM`): there may be enough
/// later.
///
/// It costs most where much is received without it, so that is when it is set again: after one
/// datagram, then after twice as many each time. Where nothing is received, there is no need.
#[derive(Debug)]
pub(crate) struct RefusedFilter {
    program: Vec<BpfInstruction>,
    /// How many datagrams are to be received before the filter is set again, and how many were.
    wait: usize,
    received: usize,
}

/// What is left on the socket after some of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// It was read empty.
    Empty,
    /// There may be more.
    More,
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

impl MulticastSocket {
    /// Wraps a socket that has joined its group.
    pub(crate) fn new(transport: impl Transport + 'static) -> Self {
        Self {
            transport: Box::new(transport),
            lost: false,
            stale: false,
            budget: OnceCell::new(),
            limit: 0,
            filter: Filter::None,
            overruns: 0,
            filter_fallbacks: 0,
        }
    }

    /// How often the kernel reported that it had dropped events.
    pub(crate) fn overruns(&self) -> u64 {
        self.overruns
    }

    /// How often the kernel rejected the filter, so that everything passes.
    pub(crate) fn filter_fallbacks(&self) -> u64 {
        self.filter_fallbacks
    }

    /// Takes over the filter that was set before the socket joined its group.
    pub(crate) fn filtered_by(self, filter: Filter) -> Self {
        let filter_fallbacks = self.filter_fallbacks + u64::from(filter.is_refused());
        Self { filter, filter_fallbacks, ..self }
    }

    /// Lets the receive buffer [grow](Self::grow) to this many bytes.
    pub(crate) fn with_max_recv_buffer(self, limit: usize) -> Self {
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
    pub(crate) fn has_lost_events(&self) -> bool {
        self.lost
    }

    /// What waits is not to be read: it is older than what is known otherwise.
    pub(crate) fn mark_lost(&mut self) {
        self.lost = true;
    }

    /// The kernel was asked: what waits now is older than its answer.
    pub(crate) fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// The loss was made good.
    pub(crate) fn clear_lost(&mut self) {
        self.lost = false;
    }

    /// The receive buffer's size in bytes as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.transport.receive_buffer()
    }

    /// See [`Transport::has_net_admin`].
    pub(crate) fn has_net_admin(&self) -> bool {
        self.transport.has_net_admin()
    }

    /// Whether a filter is in place: without one everything passes.
    pub(crate) fn is_filtered(&self) -> bool {
        matches!(self.filter, Filter::InPlace)
    }

    /// Has the kernel drop what the program returns 0 for, see [`Transport::set_filter`]. `None`
    /// lets everything pass, and so does a program that the kernel refuses, until it accepts it
    /// later.
    ///
    /// The kernel charges the program in place and the new one together to the socket
    /// (`net.core.optmem_max`). Where it refuses the new one, that is set again without the old
    /// one. Nothing is missed between these steps: everything passes.
    pub(crate) fn set_filter(&mut self, program: Option<Vec<BpfInstruction>>) -> io::Result<()> {
        let was_filtered = self.is_filtered();
        self.filter = match Filter::of(&mut *self.transport, program) {
            Filter::InPlace => Filter::InPlace,
            filter if !was_filtered => filter,
            Filter::None => {
                self.transport.set_filter(None)?;
                Filter::None
            }
            Filter::Refused(RefusedFilter { program, .. }) => {
                self.transport.set_filter(None)?;
                Filter::of(&mut *self.transport, Some(program))
            }
        };
        self.filter_fallbacks += u64::from(self.filter.is_refused());
        Ok(())
    }

    /// Sets a filter again that the kernel refused before.
    pub(crate) fn retry_filter(&mut self) {
        if let Filter::Refused(refused) = &mut self.filter {
            if is_accepted(&mut *self.transport, &refused.program) {
                self.filter = Filter::InPlace;
            } else {
                (refused.wait, refused.received) = ((2 * refused.wait).min(MAX_FILTER_WAIT), 0);
            }
        }
    }

    /// Does so when enough was received since the last time.
    pub(crate) fn retry_filter_in_time(&mut self) {
        if matches!(&self.filter, Filter::Refused(refused) if refused.received >= refused.wait) {
            self.retry_filter();
        }
    }

    /// How many datagrams are read in one go at most: no fewer than the receive buffer can hold.
    ///
    /// So a drain that follows a dump has read all that is older than the dump before its changes
    /// are told, and no old news is ever told as the last word.
    pub(crate) fn budget(&self) -> usize {
        let budget =
            || self.transport.receive_buffer().map_or(0, |size| size / MIN_CHARGE).max(MIN_BUDGET);
        *self.budget.get_or_init(budget)
    }

    /// Reads the socket until it is empty or the budget is used up; `apply` gets each message.
    ///
    /// After a loss the rest is discarded: it is old news, and the kernel delivers nothing new
    /// before the socket is empty.
    pub(crate) fn drain(
        &mut self,
        mut apply: impl FnMut(Frame<'_>) -> Result<(), DecodeError>,
    ) -> io::Result<Drain> {
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
                            .inspect_err(
                                |error| warn!(target: EVENTS, "an event cannot be read: {error}"),
                            )
                            .is_err();
                    }
                }
            });
            self.lost = lost;
            if let Filter::Refused(refused) = &mut self.filter {
                refused.received += count - before;
            }
            // A receive that took something may have ended at an overrun, which only the next one
            // tells.
            if rest? == Drain::Empty && (count == before || !self.stale) {
                self.stale = false;
                return Ok(Drain::Empty);
            }
        }
        Ok(Drain::More)
    }

    /// Takes some of the datagrams that wait; `tell` gets what each is.
    pub(crate) fn receive(&mut self, mut tell: impl FnMut(Found<'_>)) -> io::Result<Drain> {
        Buffer::with_thread_buffer(|buffer| {
            let batch = match self.transport.receive(buffer) {
                Ok(batch) => batch,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Drain::Empty),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    tell(Found::Ignored);
                    return Ok(Drain::More);
                }
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    self.overruns += 1;
                    tell(Found::Overrun);
                    return Ok(Drain::More);
                }
                Err(error) => return Err(error),
            };
            let mut longest = 0;
            for datagram in batch.datagrams(buffer) {
                tell(match datagram {
                    Datagram::Complete(bytes) => Found::Datagram(bytes),
                    Datagram::Truncated { length } => {
                        warn!(target: EVENTS, "an event of {length} bytes was cut off");
                        longest = longest.max(length);
                        Found::CutOff
                    }
                    Datagram::NotFromKernel { sender } => {
                        warn!(target: EVENTS, "ignoring an event that port {sender} sent, not the kernel");
                        Found::Ignored
                    }
                });
            }
            buffer.grow_to(longest);
            Ok(if batch.drained { Drain::Empty } else { Drain::More })
        })
    }
}

impl Filter {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Sets a filter, if there is one.
    pub(crate) fn of(transport: &mut dyn Transport, program: Option<Vec<BpfInstruction>>) -> Self {
        match program {
            None => Self::None,
            Some(program) if is_accepted(transport, &program) => Self::InPlace,
            Some(program) => Self::Refused(RefusedFilter { program, wait: 1, received: 0 }),
        }
    }
}

/// Sets a filter; false if the kernel refuses it. The one before it is still in place then.
fn is_accepted(transport: &mut dyn Transport, program: &[BpfInstruction]) -> bool {
    let attached = transport.set_filter(Some(program));
    let length = program.len();
    attached
        .inspect_err(
            |error| debug!(target: EVENTS, "a filter of {length} instructions is refused: {error}"),
        )
        .is_ok()
}

impl AsFd for MulticastSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

#[cfg(test)]
mod tests;
