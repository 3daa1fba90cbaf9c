use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::{debug, info, warn};

use super::buffer::Buffer;
use super::codec::frame::{Frame, frames};
use super::socket::{Datagram, NO_MORE_ROOM, Transport, is_overrun};
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

/// How the events that wait on a socket relate to what their reader knows otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Backlog {
    /// They are newer than what is known.
    #[default]
    Current,
    /// A request was sent since: they may be older than its answer, so that reading some of them is
    /// worse than reading none.
    Stale,
    /// Events were lost: they are read and discarded, and so is what comes until everything was
    /// requested.
    Lost,
    /// Like [`Lost`](Self::Lost), but they are all older than the kernel's answer: what is known is
    /// right.
    Obsolete,
}

impl Backlog {
    /// Whether events are discarded.
    pub(crate) fn is_discarded(self) -> bool {
        matches!(self, Self::Lost | Self::Obsolete)
    }

    /// Records that a request is sent: what waits may be older than its answer.
    pub(crate) fn answered(&mut self) {
        if *self == Self::Current {
            *self = Self::Stale;
        }
    }

    /// Records that everything was requested after the socket was read empty.
    pub(crate) fn recovered(&mut self) {
        if self.is_discarded() {
            *self = Self::Stale;
        }
    }
}

/// What is left on the socket after some of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// It was read empty.
    Empty,
    /// There may be more.
    More,
}

impl MulticastSocket {
    /// Wraps a socket that has joined its group.
    #[cfg(test)]
    pub(crate) fn new(transport: impl Transport + 'static) -> Self {
        Self::from_boxed(Box::new(transport))
    }

    /// Wraps a socket that has joined its group.
    pub(crate) fn from_boxed(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
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
        // The kernel doubles the size that is requested.
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
    /// are reported, and no outdated state is ever reported as the latest.
    pub(crate) fn budget(&self) -> usize {
        let budget =
            || self.transport.receive_buffer().map_or(0, |size| size / MIN_CHARGE).max(MIN_BUDGET);
        *self.budget.get_or_init(budget)
    }

    /// Reads the socket until it is empty or the budget is used up; `apply` gets each message.
    ///
    /// After a loss, which is noted in the backlog, the rest is discarded: it is old, and the
    /// kernel delivers nothing new before the socket is empty.
    pub(crate) fn drain(
        &mut self,
        backlog: &mut Backlog,
        mut apply: impl FnMut(Frame<'_>) -> Result<(), DecodeError>,
    ) -> io::Result<Drain> {
        let (mut count, mut datagrams) = (0, 0);
        while count < MIN_BUDGET || count < self.budget() {
            let mut received = 0;
            let rest = self.receive(|datagram| {
                received += 1;
                match datagram {
                    Datagram::NotFromKernel { .. } => {}
                    Datagram::Truncated { .. } => *backlog = Backlog::Lost,
                    Datagram::Complete(_) if backlog.is_discarded() => {}
                    Datagram::Complete(datagram) => {
                        let applied = frames(datagram).try_for_each(|frame| apply(frame?));
                        if let Err(error) = applied {
                            warn!(target: EVENTS, "an event cannot be read: {error}");
                            *backlog = Backlog::Lost;
                        }
                    }
                }
            });
            if rest.as_ref().is_err_and(is_overrun) {
                self.overruns += 1;
                *backlog = Backlog::Lost;
            }
            // A receive without a datagram, as at an overrun, counts too: the loop has to end.
            count += received.max(1);
            datagrams += received;
            if let Filter::Refused(refused) = &mut self.filter {
                refused.received += received;
            }
            // A receive that took something may have ended at an overrun, which only the next one
            // reports.
            let rest = match rest {
                Err(error) if is_overrun(&error) => Drain::More,
                rest => rest?,
            };
            if rest == Drain::Empty && (received == 0 || *backlog == Backlog::Current) {
                if *backlog == Backlog::Stale {
                    *backlog = Backlog::Current;
                }
                return Ok(Drain::Empty);
            }
        }
        if *backlog == Backlog::Stale {
            // All that is older than the answer was read, unless signals used up the budget. Then
            // the cache holds a part of the older events.
            let is_all_read = datagrams >= self.budget();
            *backlog = if is_all_read { Backlog::Current } else { Backlog::Lost };
        }
        Ok(Drain::More)
    }

    /// Receives some of the datagrams that wait, and passes each to `handle`. After a truncated
    /// datagram the buffer is long enough for one of its length. An [overrun](is_overrun) is an
    /// error.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(Datagram<&[u8]>)) -> io::Result<Drain> {
        Buffer::with_thread_buffer(|buffer| {
            let batch = match self.transport.receive(buffer) {
                Ok(batch) => batch,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Drain::Empty),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Ok(Drain::More);
                }
                Err(error) => return Err(error),
            };
            let mut longest = 0;
            for datagram in batch.datagrams(buffer) {
                match datagram {
                    Datagram::Complete(_) => {}
                    Datagram::Truncated { length } => {
                        warn!(target: EVENTS, "an event of {length} bytes was cut off");
                        longest = longest.max(length);
                    }
                    Datagram::NotFromKernel { sender } => {
                        warn!(target: EVENTS, "ignoring an event that port {sender} sent, not the kernel");
                    }
                }
                handle(datagram);
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
