//! Builds netlink messages from their parts.

use netlink_packet_core::{NLM_F_CAPPED, NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR};

use crate::netlink::codec::frame::HEADER_LEN;

/// Returns one message with sequence number 0, padded.
pub(crate) fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_LEN + payload.len()).expect("short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Returns the end of a multipart reply as generic netlink sends it: 16 bytes, without a code.
pub(crate) fn bare_done() -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTIPART, &[])
}

/// Returns an acknowledgement, or an error reply for a negative code, without the request.
pub(crate) fn ack(code: i32) -> Vec<u8> {
    message(NLMSG_ERROR, NLM_F_CAPPED, &[&code.to_ne_bytes()[..], &[0; HEADER_LEN]].concat())
}

/// Returns one attribute, padded.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Writes a sequence number into every message of a datagram.
pub(crate) fn with_sequence(mut bytes: Vec<u8>, sequence: u32) -> Vec<u8> {
    let mut start = 0;
    while start + HEADER_LEN <= bytes.len() {
        bytes[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
        let length = u32::from_ne_bytes(bytes[start..start + 4].try_into().expect("four bytes"));
        start += (length as usize).next_multiple_of(4).max(HEADER_LEN);
    }
    bytes
}
