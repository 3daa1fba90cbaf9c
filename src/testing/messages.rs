//! The kernel's messages in the tests of a session.

use netlink_packet_core::NLM_F_MULTIPART;

use crate::model::link::LinkFlags;
use crate::netlink::codec::link::IFLA_MTU;
use crate::testing::bytes::{ack, attribute, message};

/// The number of the generic netlink family.
pub(crate) const FAMILY: u16 = 31;

/// Returns a message about a link with the MTU 1500, unless `more` has another one.
pub(crate) fn link_with_flags(
    kind: u16,
    flags: u16,
    ifindex: u32,
    state: LinkFlags,
    name: &str,
    more: &[Vec<u8>],
) -> Vec<u8> {
    let mut payload = vec![0; 16];
    payload[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    payload[8..12].copy_from_slice(&state.bits().to_ne_bytes());
    // The mark of a new link. It has no effect for a link that is known already.
    payload[12..16].fill(0xff);
    payload.extend(attribute(3, format!("{name}\0").as_bytes()));
    if !more.iter().any(|attribute| attribute[2..4] == IFLA_MTU.to_ne_bytes()) {
        payload.extend(attribute(IFLA_MTU, &1500_u32.to_ne_bytes()));
    }
    payload.extend(more.concat());
    message(kind, flags, &payload)
}

/// Returns a message of the driver.
pub(crate) fn genl_message(command: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    message(FAMILY, NLM_F_MULTIPART, &[&[command, 1, 0, 0][..], &attributes.concat()].concat())
}

/// Returns the reply to the request for the family's numbers.
pub(crate) fn family() -> [Vec<u8>; 2] {
    let group = [attribute(1, b"change_event\0"), attribute(2, &8_u32.to_ne_bytes())].concat();
    let attributes =
        [attribute(1, &FAMILY.to_ne_bytes()), attribute(7, &attribute(1, &group))].concat();
    [message(16, 0, &[&[1, 2, 0, 0][..], &attributes].concat()), ack(0)]
}
