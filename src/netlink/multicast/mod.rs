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

/// The smallest number of bytes that the kernel charges to a receive buffer for a datagram.
const MIN_CHARGE: usize = 512;
/// The smallest budget of one drain, in datagrams.
const MIN_BUDGET: usize = 256;
/// How many datagrams are received at most before a rejected filter is set again.
const MAX_FILTER_WAIT: usize = 1024;

/// A socket that has joined a multicast group.
///
/// Nothing is ever sent on it: an overrun could drop the reply.
#[derive(Debug)]
pub(crate) struct MulticastSocket {
    transport: Box<dyn Transport>,
    /// The subject of log lines: the events and the team that they are about.
    label: String,
    /// The cached result of [`budget`](Self::budget).
    budget: OnceCell<usize>,
    /// The maximum size of the receive buffer, in bytes as the kernel counts them.
    limit: usize,
    filter: Filter,
    /// How often the kernel reported an overrun.
    overruns: u64,
    /// How often the kernel rejected the filter, so that none was in place.
    filter_fallbacks: u64,
}

/// The state of a socket's filter.
#[derive(Debug)]
pub(crate) enum Filter {
    /// No filter was requested: all messages pass.
    None,
    /// The filter is set.
    InPlace,
    /// The kernel rejected the filter: all messages pass.
    Refused(RefusedFilter),
}

/// A filter that the kernel rejected, mostly for lack of memory (`ENOMEM`).
///
/// The filter is set again after one received datagram, and then after twice as many each time. A
/// socket that receives nothing does not need it.
#[derive(Debug)]
pub(crate) struct RefusedFilter {
    program: Vec<BpfInstruction>,
    /// How many datagrams have to be received before the filter is set again.
    wait: usize,
    /// How many datagrams were received since the last attempt.
    received: usize,
}

/// The relation between the queued events of a socket and the cached state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Backlog {
    /// The events are newer than the cached state.
    #[default]
    Current,
    /// A request was sent, so that the events may be older than its reply.
    ///
    /// After reading a part of them, the cache may be older than the reply.
    Stale,
    /// Events were lost. All events are read and discarded until a resync.
    Lost,
    /// All queued events are older than the kernel's reply, so that the cached state is correct.
    ///
    /// They are discarded as in [`Lost`](Self::Lost).
    Obsolete,
}

impl Backlog {
    /// Returns whether events are discarded.
    pub(crate) fn is_discarded(self) -> bool {
        matches!(self, Self::Lost | Self::Obsolete)
    }

    /// Records that a request is sent: queued events may be older than its reply.
    pub(crate) fn answered(&mut self) {
        if *self == Self::Current {
            *self = Self::Stale;
        }
    }

    /// Records a resync that began after the socket was read empty.
    pub(crate) fn recovered(&mut self) {
        if self.is_discarded() {
            *self = Self::Stale;
        }
    }
}

/// What remains on a socket after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// The socket was read empty.
    Empty,
    /// The socket may have more datagrams.
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
            label: "link events".to_owned(),
            budget: OnceCell::new(),
            limit: 0,
            filter: Filter::None,
            overruns: 0,
            filter_fallbacks: 0,
        }
    }

    /// Returns how often the kernel reported that it had dropped events.
    pub(crate) fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Returns how often the kernel rejected the filter, so that all messages passed.
    pub(crate) fn filter_fallbacks(&self) -> u64 {
        self.filter_fallbacks
    }

    /// Sets the state of the filter that was set before the socket joined its group.
    pub(crate) fn filtered_by(self, filter: Filter) -> Self {
        let filter_fallbacks = self.filter_fallbacks + u64::from(filter.is_refused());
        Self { filter, filter_fallbacks, ..self }
    }

    /// Sets the subject of log lines, which is `link events` by default.
    pub(crate) fn with_label(self, label: String) -> Self {
        Self { label, ..self }
    }

    /// Lets the receive buffer [grow](Self::grow) to this many bytes.
    pub(crate) fn with_max_recv_buffer(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Doubles the receive buffer after an overrun, up to the limit; returns whether it grew.
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
            info!(
                target: EVENTS,
                "{}: the receive buffer grew from {before} to {after} bytes", self.label
            );
        } else {
            warn!(
                target: EVENTS,
                "{}: the receive buffer stays at {after} bytes: {NO_MORE_ROOM}", self.label
            );
        }
        Ok(after > before)
    }

    /// Returns the size of the receive buffer in bytes, as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.transport.receive_buffer()
    }

    /// See [`Transport::has_net_admin`].
    pub(crate) fn has_net_admin(&self) -> bool {
        self.transport.has_net_admin()
    }

    /// Returns whether a filter is in place.
    pub(crate) fn is_filtered(&self) -> bool {
        matches!(self.filter, Filter::InPlace)
    }

    /// Replaces the filter (see [`Transport::set_filter`]), or removes it for `None`.
    ///
    /// If the kernel rejects the program, all messages pass until it accepts the program later. The
    /// kernel charges the old and the new program together to the socket (`net.core.optmem_max`).
    /// If it rejects the new one, this method therefore removes the old one and tries again. No
    /// message is lost between these steps, as all messages pass.
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

    /// Tries to set a filter that the kernel rejected before.
    pub(crate) fn retry_filter(&mut self) {
        if let Filter::Refused(refused) = &mut self.filter {
            if is_accepted(&mut *self.transport, &refused.program) {
                self.filter = Filter::InPlace;
            } else {
                (refused.wait, refused.received) = ((2 * refused.wait).min(MAX_FILTER_WAIT), 0);
            }
        }
    }

    /// Tries to set a rejected filter, if enough datagrams were received since the last attempt.
    pub(crate) fn retry_filter_if_due(&mut self) {
        if matches!(&self.filter, Filter::Refused(refused) if refused.received >= refused.wait) {
            self.retry_filter();
        }
    }

    /// Returns how many datagrams one drain reads at most: as many as the receive buffer can hold.
    ///
    /// A drain that follows a dump has therefore read all events that are older than the dump
    /// before changes are reported, and no outdated state is reported as the latest.
    pub(crate) fn budget(&self) -> usize {
        let budget =
            || self.transport.receive_buffer().map_or(0, |size| size / MIN_CHARGE).max(MIN_BUDGET);
        *self.budget.get_or_init(budget)
    }

    /// Reads the socket until it is empty or the budget is used up; `apply` gets each message.
    ///
    /// After a loss of events, which the backlog records, the remaining events are discarded. They
    /// are outdated, and the kernel queues no new ones before the socket is empty.
    pub(crate) fn drain(
        &mut self,
        backlog: &mut Backlog,
        mut apply: impl FnMut(Frame<'_>) -> Result<(), DecodeError>,
    ) -> io::Result<Drain> {
        let (mut count, mut datagrams) = (0, 0);
        while count < MIN_BUDGET || count < self.budget() {
            let (mut received, mut undecodable) = (0, None);
            let rest = self.receive(|datagram| {
                received += 1;
                match datagram {
                    Datagram::NotFromKernel { .. } => {}
                    Datagram::Truncated { .. } => *backlog = Backlog::Lost,
                    Datagram::Complete(_) if backlog.is_discarded() => {}
                    Datagram::Complete(datagram) => {
                        let applied = frames(datagram).try_for_each(|frame| apply(frame?));
                        if let Err(error) = applied {
                            undecodable = Some(error);
                            *backlog = Backlog::Lost;
                        }
                    }
                }
            });
            if let Some(error) = undecodable {
                let label = &self.label;
                warn!(
                    target: EVENTS,
                    "{label}: decoding an event failed, requesting the state again: {error}"
                );
            }
            if rest.as_ref().is_err_and(is_overrun) {
                self.overruns += 1;
                *backlog = Backlog::Lost;
            }
            // A receive without a datagram, as after an overrun, counts too, so that the loop ends.
            count += received.max(1);
            datagrams += received;
            if let Filter::Refused(refused) = &mut self.filter {
                refused.received += received;
            }
            // A receive that returned datagrams may have stopped at an overrun, which only the next
            // one reports.
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

    /// Receives some of the queued datagrams, and passes each to `handle`.
    ///
    /// After a truncated datagram, the buffer is grown to its length. An [overrun](is_overrun) is
    /// an error.
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
                        warn!(
                            target: EVENTS,
                            "{}: an event of {length} bytes was truncated and is lost",
                            self.label
                        );
                        longest = longest.max(length);
                    }
                    Datagram::NotFromKernel { sender } => {
                        let label = &self.label;
                        warn!(
                            target: EVENTS,
                            "{label}: ignoring an event of another sender than the kernel, port id {sender}"
                        );
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

    /// Sets a filter, if one is given, and returns the resulting state.
    pub(crate) fn of(transport: &mut dyn Transport, program: Option<Vec<BpfInstruction>>) -> Self {
        match program {
            None => Self::None,
            Some(program) if is_accepted(transport, &program) => Self::InPlace,
            Some(program) => Self::Refused(RefusedFilter { program, wait: 1, received: 0 }),
        }
    }
}

/// Sets a filter; false if the kernel rejects it, which leaves the former one in place.
fn is_accepted(transport: &mut dyn Transport, program: &[BpfInstruction]) -> bool {
    let attached = transport.set_filter(Some(program));
    let length = program.len();
    attached
        .inspect_err(
            |error| debug!(target: EVENTS, "the kernel rejects a filter of {length} instructions: {error}"),
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
