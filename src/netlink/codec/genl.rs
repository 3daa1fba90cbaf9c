//! Generic netlink: the header `struct genlmsghdr`, and requests with this header.

use netlink_packet_core::NetlinkSerializable;

use crate::error::DecodeError;

const HEADER_LEN: usize = 4;

/// A request to a generic netlink family.
#[derive(Clone, Debug)]
pub(crate) struct GenlRequest {
    /// The number that the kernel gave the family.
    pub(crate) family: u16,
    pub(crate) command: u8,
    pub(crate) version: u8,
    /// Encoded attributes.
    pub(crate) attributes: Vec<u8>,
}

impl NetlinkSerializable for GenlRequest {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        HEADER_LEN + self.attributes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let bytes =
            [self.command, self.version, 0, 0].into_iter().chain(self.attributes.iter().copied());
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

/// Splits a generic netlink message into its command and its attributes.
pub(crate) fn split_header(payload: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    match payload.split_first_chunk::<HEADER_LEN>() {
        Some(([command, ..], attributes)) => Ok((*command, attributes)),
        None => Err(DecodeError::new("a generic netlink message is too short")),
    }
}
