mod batch;

use std::num::NonZeroU32;
use std::time::Duration;
use std::{fmt, io};

use log::{debug, trace, warn};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkSerializable,
};
use nix::errno::Errno;

use super::buffer::Buffer;
use super::codec::frame::{Control, Frame, frames, serialize, set_sequence};
use super::deadline::Deadline;
use super::dump::{Dump, InterruptedDump};
use super::error::RequestError;
use super::socket::{Batch, Datagram, NO_MORE_ROOM, Transport, is_overrun};
use crate::error::DecodeError;
use crate::log_target::COMMAND;

/// How often a reply that does not fit is requested again, each time with twice the receive buffer.
const MAX_DOUBLINGS: u32 = 8;

/// How many datagrams are read after the deadline: as many as may reply to a batch.
const MAX_GRACE_READS: usize = batch::MAX_REQUESTS;

/// A socket for requests, which matches replies to requests and bounds each wait.
pub(crate) struct RequestSocket {
    transport: Box<dyn Transport>,
    sequence: u32,
    timeout: Duration,
    dumps: DumpPolicy,
    /// The last reply may not have been read to its end.
    ///
    /// That is so after an error or a panic of its reader, after an overrun, and if discarding the
    /// rest of the reply failed.
    reply_pending: bool,
    /// How many attempts at a dump were interrupted by changes.
    interrupted_dumps: u64,
}

/// The handling of dumps that changes interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DumpPolicy {
    /// How often a dump is requested at most.
    pub(crate) attempts: NonZeroU32,
    /// What to do if the last attempt was interrupted.
    pub(crate) interrupted: InterruptedDump,
}

/// A serialized request, and when it may be repeated.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    bytes: io::Result<Vec<u8>>,
    repeat: Repeat<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat<'a> {
    Never,
    /// If the reply did not fit the receive buffer.
    ToFit,
    /// If the reply did not fit, or changes interrupted it; `op` names the request in the log.
    ToBeConsistent {
        op: &'a str,
    },
}

/// A part of a reply, passed to its reader.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// A new attempt begins, and everything before it has to be discarded.
    ///
    /// Attempts are counted from 1. An attempt that is repeated only with a larger receive buffer
    /// keeps its number.
    Start { attempt: u32 },
    /// A message of the reply.
    Message(Frame<'a>),
}

/// Whether a dump is a snapshot of one point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// The listed objects did not change during the dump, as far as the kernel knows.
    Consistent,
    /// Every attempt was interrupted by changes (`NLM_F_DUMP_INTR`).
    ///
    /// In the last one, an object may be missing or listed twice.
    Interrupted,
}

/// The end of a reply without an error.
struct Completion {
    interrupted: bool,
}

impl<'a> Request<'a> {
    /// Creates a command, which the kernel acknowledges.
    ///
    /// It is sent only once: before an error, the kernel may have executed it.
    pub(crate) fn command(message: impl NetlinkSerializable, flags: u16) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST | NLM_F_ACK | flags), repeat: Repeat::Never }
    }

    /// Creates a request that changes nothing, and that the kernel acknowledges.
    ///
    /// If the reply does not fit, the request is repeated with a larger receive buffer.
    pub(crate) fn query(message: impl NetlinkSerializable, flags: u16) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST | NLM_F_ACK | flags), repeat: Repeat::ToFit }
    }

    /// Like [`query`](Self::query), for a reply in many parts that is not a dump.
    ///
    /// The kernel does not acknowledge it: an acknowledgement would follow the end of the reply,
    /// and could be lost by itself.
    pub(crate) fn list(message: impl NetlinkSerializable) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST), repeat: Repeat::ToFit }
    }

    /// Creates a dump, which is repeated like a query, and if changes interrupt it.
    ///
    /// The socket's [`DumpPolicy`] limits the number of attempts.
    pub(crate) fn dump(op: &'a str, message: impl NetlinkSerializable) -> Self {
        Self {
            bytes: serialize(message, NLM_F_REQUEST | NLM_F_DUMP),
            repeat: Repeat::ToBeConsistent { op },
        }
    }
}

impl RequestSocket {
    #[cfg(test)]
    pub(crate) fn new(
        transport: impl Transport + 'static,
        timeout: Duration,
        dumps: DumpPolicy,
    ) -> Self {
        Self::from_boxed(Box::new(transport), timeout, dumps)
    }

    pub(crate) fn from_boxed(
        transport: Box<dyn Transport>,
        timeout: Duration,
        dumps: DumpPolicy,
    ) -> Self {
        Self { transport, sequence: 0, timeout, dumps, reply_pending: false, interrupted_dumps: 0 }
    }

    /// Returns how many attempts at a dump were interrupted by changes.
    pub(crate) fn interrupted_dumps(&self) -> u64 {
        self.interrupted_dumps
    }

    /// Formats the settings of the socket as those of the public type that owns it.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("dump_attempts", &self.dumps.attempts)
            .field("interrupted", &self.dumps.interrupted)
            .finish_non_exhaustive()
    }

    /// Sends a request, and passes its reply up to the end or the acknowledgement to `part`.
    pub(crate) fn send(
        &mut self,
        request: Request<'_>,
        mut part: impl FnMut(Part<'_>) -> Result<(), DecodeError>,
    ) -> Result<Consistency, RequestError> {
        let bytes = request.bytes?;
        let (max_doublings, attempts) = match request.repeat {
            Repeat::Never => (0, 1),
            Repeat::ToFit => (MAX_DOUBLINGS, 1),
            Repeat::ToBeConsistent { .. } => (MAX_DOUBLINGS, self.dumps.attempts.get()),
        };
        let (mut doublings, mut was_busy) = (0, request.repeat == Repeat::Never);
        let mut attempt = 1;
        loop {
            part(Part::Start { attempt })?;
            let result = self.transact_once(bytes.clone(), &mut |frame| part(Part::Message(frame)));
            if matches!(result, Ok(Completion { interrupted: true })) {
                self.interrupted_dumps += 1;
            }
            match result {
                Ok(Completion { interrupted: false }) => return Ok(Consistency::Consistent),
                Ok(Completion { interrupted: true }) if attempt < attempts => attempt += 1,
                Ok(Completion { interrupted: true }) => {
                    let Repeat::ToBeConsistent { op } = request.repeat else {
                        return Err(RequestError::Interrupted { attempts });
                    };
                    warn!(
                        target: COMMAND,
                        "{op} was interrupted by changes in each of {attempts} attempts: \
                         the result may be incomplete, more attempts can be configured"
                    );
                    return match self.dumps.interrupted {
                        InterruptedDump::Keep => Ok(Consistency::Interrupted),
                        InterruptedDump::Fail => Err(RequestError::Interrupted { attempts }),
                    };
                }
                Err(RequestError::Overrun { .. }) if doublings < max_doublings => {
                    doublings += 1;
                    self.grow()?;
                }
                // An earlier dump that was given up is still in progress: it ends when the rest of
                // it is read.
                Err(error) if error.is(Errno::EBUSY) && !was_busy => {
                    was_busy = true;
                    self.discard_reply();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a command and waits for its acknowledgement.
    pub(crate) fn execute(
        &mut self,
        message: impl NetlinkSerializable,
        flags: u16,
    ) -> Result<(), RequestError> {
        self.send(Request::command(message, flags), |_| Ok(())).map(drop)
    }

    /// Sends a request, and collects the messages of its reply as `read` decodes them.
    pub(crate) fn collect<T>(
        &mut self,
        request: Request<'_>,
        mut read: impl FnMut(Frame<'_>) -> Result<Option<T>, DecodeError>,
    ) -> Result<Dump<T>, RequestError> {
        let (mut items, mut attempts) = (Vec::new(), 0);
        let consistency = self.send(request, |part| {
            match part {
                Part::Start { attempt } => {
                    items.clear();
                    attempts = attempt;
                }
                Part::Message(frame) => items.extend(read(frame)?),
            }
            Ok(())
        })?;
        Ok(Dump { items, consistent: consistency == Consistency::Consistent, attempts })
    }

    /// Doubles the receive buffer; the kernel doubles the requested size by itself.
    fn grow(&mut self) -> io::Result<()> {
        let size = self.transport.receive_buffer()?;
        debug!(target: COMMAND, "a reply did not fit the receive buffer of {size} bytes: doubling it");
        self.transport.set_receive_buffer(size)?;
        if self.transport.receive_buffer()? <= size {
            debug!(target: COMMAND, "the receive buffer for replies stays at {size} bytes: {NO_MORE_ROOM}");
        }
        Ok(())
    }

    fn transact_once(
        &mut self,
        mut request: Vec<u8>,
        reply: &mut dyn FnMut(Frame<'_>) -> Result<(), DecodeError>,
    ) -> Result<Completion, RequestError> {
        self.sequence = self.sequence.wrapping_add(1);
        set_sequence(&mut request, self.sequence);
        self.transact(&request, |this, buffer| this.read_reply(buffer, &request, reply))
    }

    /// Sends a datagram and reads the reply; after an error, discards the rest of the reply.
    fn transact<T>(
        &mut self,
        datagram: &[u8],
        read: impl FnOnce(&mut Self, &mut Buffer) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        if self.reply_pending {
            self.discard_reply();
        }
        trace!(target: COMMAND, "sending {} bytes", datagram.len());
        self.transport.send(datagram)?;
        self.reply_pending = true;
        let result = Buffer::with_thread_buffer(|buffer| read(self, buffer));
        match result {
            Ok(_) | Err(RequestError::Kernel(_)) => self.reply_pending = false,
            Err(_) => self.discard_reply(),
        }
        result
    }

    fn read_reply(
        &mut self,
        buffer: &mut Buffer,
        request: &[u8],
        reply: &mut dyn FnMut(Frame<'_>) -> Result<(), DecodeError>,
    ) -> Result<Completion, RequestError> {
        // The kernel does not acknowledge a dump. Most protocols treat each of the two flags of
        // NLM_F_DUMP as the request for a dump, but in a request that changes something they have
        // another meaning.
        let asks_for =
            |flag| frames(request).map_while(Result::ok).any(|frame| frame.flags & flag != 0);
        let (acknowledged, done) =
            (asks_for(NLM_F_ACK), !asks_for(NLM_F_ACK) || asks_for(NLM_F_DUMP));
        let mut deadline = self.deadline();
        let mut interrupted = false;
        loop {
            let batch = self.recv_before(&mut deadline, buffer)?;
            for frame in messages(&batch, buffer) {
                let frame = frame?;
                if frame.sequence != self.sequence {
                    trace!(target: COMMAND, "skipping a message of an earlier request");
                    continue;
                }
                interrupted |= frame.has(NLM_F_DUMP_INTR);
                match frame.classify()? {
                    Control::Data => reply(frame)?,
                    Control::Done if done => return Ok(Completion { interrupted }),
                    Control::Ack if acknowledged => return Ok(Completion { interrupted }),
                    Control::Done | Control::Ack | Control::Noop => {}
                    Control::Error(error) => return Err(RequestError::Kernel(error)),
                    Control::Overrun => return Err(self.overrun()),
                }
            }
        }
    }

    /// Waits for datagrams, at least one of which is from the kernel.
    fn recv_before(
        &mut self,
        deadline: &mut Deadline,
        buffer: &mut Buffer,
    ) -> Result<Batch, RequestError> {
        while deadline.may_read(&*self.transport) {
            match self.transport.receive(buffer) {
                Ok(batch) => {
                    deadline.record_reads(batch.received.len());
                    if self.check_batch(&batch, buffer)? {
                        return Ok(batch);
                    }
                    // Another sender must not keep the caller waiting by sending without end.
                    if deadline.remaining(&*self.transport).is_zero() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    deadline.record_reads(1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let remaining = deadline.remaining(&*self.transport);
                    if remaining.is_zero()
                        || !self.transport.wait(remaining)?
                            && deadline.remaining(&*self.transport).is_zero()
                    {
                        break;
                    }
                }
                Err(error) if is_overrun(&error) => {
                    return Err(self.overrun());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RequestError::Timeout(self.timeout))
    }

    /// Returns whether a datagram is from the kernel, or an error if one of those was truncated.
    fn check_batch(&self, batch: &Batch, buffer: &mut Buffer) -> Result<bool, RequestError> {
        let (mut is_any_complete, mut longest) = (false, None);
        for datagram in batch.datagrams(buffer) {
            match datagram {
                Datagram::Complete(bytes) => {
                    trace!(target: COMMAND, "received {} bytes in {} messages", bytes.len(), frames(bytes).count());
                    is_any_complete = true;
                }
                Datagram::Truncated { length } => longest = longest.max(Some(length)),
                Datagram::NotFromKernel { sender } => {
                    warn!(
                        target: COMMAND,
                        "ignoring a datagram of another sender than the kernel, port id {sender}"
                    );
                }
            }
        }
        match longest {
            Some(length) => {
                buffer.grow_to(length);
                Err(self.overrun())
            }
            None => Ok(is_any_complete),
        }
    }

    /// Returns the deadline of a reply.
    fn deadline(&self) -> Deadline {
        Deadline::new(self.timeout, MAX_GRACE_READS)
    }

    fn overrun(&self) -> RequestError {
        RequestError::Overrun { buffer: self.transport.receive_buffer().unwrap_or_default() }
    }

    /// Reads and discards the rest of a reply.
    ///
    /// The kernel then ends a dump that is in progress, and delivers again after an overrun.
    fn discard_reply(&mut self) {
        let mut deadline = self.deadline();
        Buffer::with_thread_buffer(|buffer| {
            while deadline.may_read(&*self.transport) {
                match self.transport.receive(buffer) {
                    Ok(batch) => deadline.record_reads(batch.received.len()),
                    Err(error)
                        if error.kind() == io::ErrorKind::Interrupted || is_overrun(&error) =>
                    {
                        deadline.record_reads(1);
                    }
                    Err(error) => {
                        self.reply_pending = error.kind() != io::ErrorKind::WouldBlock;
                        return;
                    }
                }
            }
        });
    }
}

/// Returns the messages of the kernel's complete datagrams.
fn messages<'a>(
    batch: &'a Batch,
    buffer: &'a Buffer,
) -> impl Iterator<Item = Result<Frame<'a>, DecodeError>> {
    batch.datagrams(buffer).flat_map(|datagram| match datagram {
        Datagram::Complete(bytes) => frames(bytes),
        Datagram::Truncated { .. } | Datagram::NotFromKernel { .. } => frames(&[]),
    })
}

impl fmt::Debug for RequestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("RequestSocket", f)
    }
}

#[cfg(test)]
mod tests;
