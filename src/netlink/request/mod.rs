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

/// How often an answer that does not fit is asked for again, into twice the receive buffer each
/// time.
const MAX_DOUBLINGS: u32 = 8;

/// How many datagrams are read after the deadline: as many as may answer one of requests.
const MAX_GRACE_READS: usize = batch::MAX_REQUESTS;

/// A socket for requests: sends them, matches their replies, keeps the deadline.
pub(crate) struct RequestSocket {
    transport: Box<dyn Transport>,
    sequence: u32,
    timeout: Duration,
    dumps: DumpPolicy,
    /// An answer may not have been read to its end: its reader failed, or panicked, or there was
    /// too much of it, or what was left of it could not be read away.
    reply_pending: bool,
    /// Attempts at a dump that changes interrupted, for statistics.
    interrupted_dumps: u64,
}

/// What to do with dumps that changes interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DumpPolicy {
    /// How often a dump is requested at most.
    pub(crate) attempts: NonZeroU32,
    /// What becomes of the last attempt.
    pub(crate) interrupted: InterruptedDump,
}

/// One request, serialized, and when it may be sent again.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    bytes: io::Result<Vec<u8>>,
    repeat: Repeat<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat<'a> {
    Never,
    /// When the reply did not fit the receive buffer.
    ToFit,
    /// Also when changes interrupted it; the log names it by `op`.
    ToBeConsistent {
        op: &'a str,
    },
}

/// An answer that may be asked for again as its reader sees it.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// An attempt begins: what came before was abandoned. The first is number 1; the number does
    /// not change when only the receive buffer was too small for it.
    Start { attempt: u32 },
    /// One message of it.
    Message(Frame<'a>),
}

/// Whether a dump is a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// Nothing came or went while it was made, as far as the kernel saw.
    Consistent,
    /// Every attempt was interrupted (`NLM_F_DUMP_INTR`): the last one may lack something or hold
    /// it twice.
    Interrupted,
}

/// How one exchange ended without an error.
struct Completion {
    interrupted: bool,
}

impl<'a> Request<'a> {
    /// A command: the kernel acknowledges it, and it is sent once, as it may have been carried out
    /// before an error.
    pub(crate) fn command(message: impl NetlinkSerializable, flags: u16) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST | NLM_F_ACK | flags), repeat: Repeat::Never }
    }

    /// A request that changes nothing: the kernel acknowledges it. A reply that does not fit is
    /// requested again, with a larger receive buffer.
    pub(crate) fn query(message: impl NetlinkSerializable, flags: u16) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST | NLM_F_ACK | flags), repeat: Repeat::ToFit }
    }

    /// Like [`query`](Self::query), for a command that replies in many parts without being a dump.
    /// It is not acknowledged: an acknowledgement would follow the end of the reply, and could be
    /// lost by itself.
    pub(crate) fn list(message: impl NetlinkSerializable) -> Self {
        Self { bytes: serialize(message, NLM_F_REQUEST), repeat: Repeat::ToFit }
    }

    /// A dump: requested again, like a query and while changes interrupt it, as the socket's
    /// [`DumpPolicy`] says.
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

    /// How many attempts at a dump were interrupted by changes.
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

    /// Sends a request and passes its reply to `part`, up to its end or acknowledgement.
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
                    warn!(target: COMMAND, "{op} was interrupted by changes in each of {attempts} attempts");
                    return match self.dumps.interrupted {
                        InterruptedDump::Keep => Ok(Consistency::Interrupted),
                        InterruptedDump::Fail => Err(RequestError::Interrupted { attempts }),
                    };
                }
                Err(RequestError::Overrun { .. }) if doublings < max_doublings => {
                    doublings += 1;
                    self.grow()?;
                }
                // A dump that was given up is still under way: it ends when the rest of it is read.
                Err(failure) if failure.is(Errno::EBUSY) && !was_busy => {
                    was_busy = true;
                    self.discard_reply();
                }
                Err(failure) => return Err(failure),
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

    /// Sends a request and collects what `read` makes of the messages of its reply.
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

    /// Doubles the receive buffer. The kernel doubles what it is asked for by itself.
    fn grow(&mut self) -> io::Result<()> {
        let size = self.transport.receive_buffer()?;
        debug!(target: COMMAND, "an answer did not fit a receive buffer of {size} bytes; asking for twice that");
        self.transport.set_receive_buffer(size)?;
        if self.transport.receive_buffer()? <= size {
            debug!(target: COMMAND, "the receive buffer of a command socket stays at {size} bytes: {NO_MORE_ROOM}");
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

    /// Sends a datagram and reads what it is answered; nothing of that is left to get in the way of
    /// the next.
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
        // The kernel acknowledges no dump, which to most protocols each of the two flags asks for;
        // but for a request that changes something the same flags mean otherwise.
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
                    trace!(target: COMMAND, "skipping a message of an earlier exchange");
                    continue;
                }
                interrupted |= frame.has(NLM_F_DUMP_INTR);
                match frame.classify()? {
                    Control::Data => reply(frame)?,
                    Control::Done if done => return Ok(Completion { interrupted }),
                    Control::Ack if acknowledged => return Ok(Completion { interrupted }),
                    Control::Done | Control::Ack | Control::Noop => {}
                    Control::Error(refusal) => return Err(RequestError::Kernel(refusal)),
                    Control::Overrun => return Err(self.overrun()),
                }
            }
        }
    }

    /// Waits for datagrams from the kernel; at least one of them is.
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
                    // One that sends without end must not hold the caller for ever.
                    if deadline.remaining(&*self.transport).is_zero() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    deadline.record_reads(1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.remaining(&*self.transport);
                    if left.is_zero()
                        || !self.transport.wait(left)?
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

    /// Whether something of it is from the kernel; an error where that did not fit.
    fn check_batch(&self, batch: &Batch, buffer: &mut Buffer) -> Result<bool, RequestError> {
        let (mut is_any_whole, mut longest) = (false, None);
        for datagram in batch.datagrams(buffer) {
            match datagram {
                Datagram::Complete(bytes) => {
                    trace!(target: COMMAND, "received {} bytes in {} messages", bytes.len(), frames(bytes).count());
                    is_any_whole = true;
                }
                Datagram::Truncated { length } => longest = longest.max(Some(length)),
                Datagram::NotFromKernel { sender } => {
                    warn!(target: COMMAND, "ignoring a datagram that port {sender} sent, not the kernel");
                }
            }
        }
        match longest {
            Some(length) => {
                buffer.grow_to(length);
                Err(self.overrun())
            }
            None => Ok(is_any_whole),
        }
    }

    /// The time that an answer has from now on.
    fn deadline(&self) -> Deadline {
        Deadline::new(self.timeout, MAX_GRACE_READS)
    }

    fn overrun(&self) -> RequestError {
        RequestError::Overrun { buffer: self.transport.receive_buffer().unwrap_or_default() }
    }

    /// Reads what is left of an answer nobody waits for, so that the kernel ends a dump that is
    /// under way and delivers again to a socket that had overrun.
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

/// The messages of the kernel's datagrams, which fitted.
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
