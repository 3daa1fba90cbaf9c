//! Batches: many requests in one datagram.

use std::io;

use log::trace;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkSerializable};

use super::{RequestSocket, messages};
use crate::log_target::COMMAND;
use crate::netlink::buffer::Buffer;
use crate::netlink::codec::frame::{Control, serialize, set_sequence};
use crate::netlink::error::{KernelError, RequestError};

/// The maximum number of requests in one datagram.
pub(super) const MAX_REQUESTS: usize = 512;
/// The maximum length of one datagram in bytes, below the kernel's default send buffer of 208 KiB.
const MAX_LEN: usize = 64 * 1024;
/// The receive buffer space for one acknowledgement, in bytes.
///
/// 896 bytes were measured, including the kernel's bookkeeping; an error may have a message too.
const ACK_COST: usize = 2048;

impl RequestSocket {
    /// Sends many requests, as many in one datagram as the buffers can hold.
    ///
    /// The kernel executes them one by one and in order, also after a failed one. `reply` gets the
    /// position and the result of each request. If the exchange itself fails, the requests without
    /// a reply may or may not have been executed.
    pub(crate) fn send_batch<M: NetlinkSerializable>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
        mut reply: impl FnMut(usize, Result<(), KernelError>),
    ) -> Result<(), RequestError> {
        let limit = (self.transport.receive_buffer()? / ACK_COST).clamp(1, MAX_REQUESTS);
        let serialized =
            messages.into_iter().map(|message| serialize(message, NLM_F_REQUEST | NLM_F_ACK));
        let mut requests = serialized.collect::<io::Result<Vec<_>>>()?.into_iter().peekable();
        let mut done = 0;
        while requests.peek().is_some() {
            let (mut datagram, mut count) = (Vec::new(), 0);
            let first = self.sequence.wrapping_add(1);
            while let Some(mut request) = requests.next_if(|request| {
                count == 0 || count < limit && datagram.len() + request.len() <= MAX_LEN
            }) {
                self.sequence = self.sequence.wrapping_add(1);
                set_sequence(&mut request, self.sequence);
                datagram.extend(request);
                count += 1;
            }
            self.transact(&datagram, |this, buffer| {
                this.read_acknowledgements(buffer, first, count, &mut |position, one| {
                    reply(done + position, one);
                })
            })?;
            done += count;
        }
        Ok(())
    }

    /// Waits for the acknowledgements of `count` requests with sequence numbers from `first` on.
    fn read_acknowledgements(
        &mut self,
        buffer: &mut Buffer,
        first: u32,
        count: usize,
        reply: &mut dyn FnMut(usize, Result<(), KernelError>),
    ) -> Result<(), RequestError> {
        let mut deadline = self.deadline();
        let mut answered = vec![false; count];
        let mut missing = count;
        while missing > 0 {
            let batch = self.recv_before(&mut deadline, buffer)?;
            for frame in messages(&batch, buffer) {
                let frame = frame?;
                let position =
                    usize::try_from(frame.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(answered) = answered.get_mut(position).filter(|answered| !**answered)
                else {
                    trace!(target: COMMAND, "skipping a message of an earlier request");
                    continue;
                };
                let one = match frame.classify()? {
                    Control::Ack => Ok(()),
                    Control::Error(error) => Err(error),
                    Control::Overrun => return Err(self.overrun()),
                    Control::Data | Control::Done | Control::Noop => continue,
                };
                *answered = true;
                missing -= 1;
                reply(position, one);
            }
        }
        Ok(())
    }
}
