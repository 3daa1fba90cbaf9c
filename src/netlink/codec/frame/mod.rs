//! Netlink messages: splits datagrams into messages, and decodes the control messages of all
//! protocols.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN,
    NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use nix::errno::Errno;

use super::attribute::attributes;
use crate::error::DecodeError;
use crate::netlink::error::KernelError;

/// The size of the header that starts every message, in bytes.
pub(crate) const HEADER_LEN: usize = 16;

/// The length of the longest request in bytes.
///
/// The length field of an attribute has 16 bits, and message types of other crates write longer
/// attributes wrongly, or panic. A request of this length contains no such attribute.
const MAX_REQUEST_LEN: usize = u16::MAX as usize;

/// The position of the sequence number in the header.
const SEQUENCE: std::ops::Range<usize> = 8..12;

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The meaning of a message for a connection of any protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// A message of the protocol itself.
    Data,
    /// A message without meaning.
    Noop,
    /// The end of a multipart reply.
    Done,
    /// The acknowledgement of a request.
    Ack,
    /// The kernel rejected the request, or ended the dump early.
    Error(KernelError),
    /// Messages were lost.
    Overrun,
}

/// Splits a datagram into its messages; the first error ends the iteration.
pub(crate) fn frames(datagram: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, DecodeError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = NetlinkBuffer::new_checked(rest).map(|buffer| {
            let end = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
            let aligned = end.saturating_add(3) & !3;
            let frame = Frame {
                kind: buffer.message_type(),
                flags: buffer.flags(),
                sequence: buffer.sequence_number(),
                payload: rest.get(HEADER_LEN..end).unwrap_or_default(),
            };
            rest = rest.get(aligned..).unwrap_or_default();
            frame
        });
        if frame.is_err() {
            rest = &[];
        }
        Some(frame.map_err(|_| DecodeError::new("a message's length does not fit its datagram")))
    })
}

impl Frame<'_> {
    /// Returns whether all of `flags` are set.
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// Reads the message as a type of a `netlink-packet-*` crate.
    pub(crate) fn parse<R: NetlinkDeserializable>(&self) -> Result<R, DecodeError> {
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(HEADER_LEN + self.payload.len()).unwrap_or(u32::MAX);
        header.message_type = self.kind;
        header.flags = self.flags;
        header.sequence_number = self.sequence;
        R::deserialize(&header, self.payload).map_err(|error| DecodeError::from_source(&error))
    }

    /// Decodes the control messages; all other messages are data.
    pub(crate) fn classify(&self) -> Result<Control, DecodeError> {
        match self.kind {
            NLMSG_NOOP => Ok(Control::Noop),
            NLMSG_OVERRUN => Ok(Control::Overrun),
            NLMSG_ERROR => {
                let (code, rest) =
                    self.code().ok_or(DecodeError::new("an error message is too short"))?;
                let tlvs =
                    if self.has(NLM_F_CAPPED) { rest.get(HEADER_LEN..) } else { skip_echo(rest) };
                Ok(self.parse_error(code, tlvs).unwrap_or(Control::Ack))
            }
            // Generic netlink ends its multipart replies without a code, which is success.
            NLMSG_DONE => match self.code() {
                Some((code, tlvs)) => {
                    Ok(self.parse_error(code, Some(tlvs)).unwrap_or(Control::Done))
                }
                None => Ok(Control::Done),
            },
            _ => Ok(Control::Data),
        }
    }

    fn code(&self) -> Option<(i32, &[u8])> {
        let (code, rest) = self.payload.split_first_chunk()?;
        Some((i32::from_ne_bytes(*code), rest))
    }

    /// Returns the error for a code with its extended acknowledgement, or `None` for success.
    fn parse_error(&self, code: i32, tlvs: Option<&[u8]>) -> Option<Control> {
        if code == 0 {
            return None;
        }
        let tlvs = tlvs.filter(|_| self.has(NLM_F_ACK_TLVS)).unwrap_or_default();
        // The kernel sends only valid error numbers; anything else is a protocol error.
        let number = code.checked_neg().filter(|number| (1..4096).contains(number));
        let errno = number.unwrap_or(Errno::EPROTO as i32);
        let mut error = KernelError { errno, message: None, offset: None };
        for attribute in attributes(tlvs).map_while(Result::ok) {
            match attribute.kind {
                NLMSGERR_ATTR_MSG => error.message = Some(attribute.text().into_owned()),
                NLMSGERR_ATTR_OFFS => error.offset = attribute.u32().ok(),
                _ => {}
            }
        }
        Some(Control::Error(error))
    }
}

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// Skips the copy of the request in an uncapped error message; the copy starts with its length.
fn skip_echo(echo: &[u8]) -> Option<&[u8]> {
    let (length, _) = echo.split_first_chunk()?;
    let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
    echo.get(length.checked_add(3)? & !3..)
}

/// Serializes a request without a sequence number, which [`set_sequence`] adds.
///
/// # Errors
///
/// `InvalidInput` for a request that is longer than [`MAX_REQUEST_LEN`].
pub(crate) fn serialize<M: NetlinkSerializable>(message: M, flags: u16) -> io::Result<Vec<u8>> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    let length = message.buffer_len();
    if length > MAX_REQUEST_LEN {
        let problem =
            format!("invalid request of {length} bytes: expected at most {MAX_REQUEST_LEN}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    message.finalize();
    let mut bytes = vec![0; length];
    message.serialize(&mut bytes);
    Ok(bytes)
}

/// Writes the sequence number into a serialized request.
pub(crate) fn set_sequence(request: &mut [u8], sequence: u32) {
    if let Some(field) = request.get_mut(SEQUENCE) {
        field.copy_from_slice(&sequence.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests;
