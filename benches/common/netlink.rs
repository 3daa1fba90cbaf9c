//! Requests as bytes, put together by hand.

use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};

/// One request: its header, whose sequence number stays 0, and what follows it.
pub(crate) fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((1 | flags).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// `struct ifinfomsg` of a request about one link, or none.
pub(crate) fn link(ifindex: u32) -> Vec<u8> {
    [0, ifindex, 0, 0].map(u32::to_ne_bytes).concat()
}

/// `struct genlmsghdr`.
pub(crate) fn generic(command: u8, version: u8) -> Vec<u8> {
    vec![command, version, 0, 0]
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of this kind.
pub(crate) fn find(attributes: &[u8], kind: u16) -> &[u8] {
    let mut attributes = NlasIterator::new(attributes).map(Result::unwrap);
    let found = attributes
        .find(|attribute| attribute.kind() == kind)
        .expect("the kernel sends this attribute");
    let end = found.length().into();
    found.into_inner().get(NLA_HEADER_SIZE..end).unwrap()
}
