use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::*;
use crate::netlink::codec::frame::serialize;
use crate::netlink::codec::team::{EVENT_GROUP, FAMILY};
use crate::testing::golden::{self, TEAM_FAMILY, bytes, first};

#[test]
fn family_reply_has_family_and_group_number() {
    let datagram = bytes(golden::CTRL_FAMILY);
    let family = decode_family(first(&datagram).payload, EVENT_GROUP);
    assert_eq!(family, Ok(Family { id: TEAM_FAMILY, group: 8 }));
}

#[test]
fn family_without_group_or_number_is_rejected() {
    let mut datagram = bytes(golden::CTRL_FAMILY);
    decode_family(first(&datagram).payload, "change").unwrap_err();
    // CTRL_ATTR_FAMILY_ID follows the name.
    let header = |kind: u16| [6_u16.to_ne_bytes(), kind.to_ne_bytes()].concat();
    assert_eq!(datagram[32..36], header(1));
    datagram[32..36].copy_from_slice(&header(99));
    decode_family(first(&datagram).payload, EVENT_GROUP).unwrap_err();
    decode_family(&[1, 2, 0], EVENT_GROUP).unwrap_err();
}

#[test]
fn group_is_selected_by_its_name() {
    let attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(value.len() + 4).unwrap();
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        [&length.to_ne_bytes(), &kind.to_ne_bytes(), value, &padding].concat()
    };
    let group = |name: &[u8], id: u16| {
        attribute(id, &[attribute(2, &u32::from(id).to_ne_bytes()), attribute(1, name)].concat())
    };
    let groups = [group(b"one\0", 5), group(b"two\0", 6), group(b"three\0", 7)].concat();
    let payload =
        [&[1, 2, 0, 0][..], &attribute(1, &42_u16.to_ne_bytes()), &attribute(7, &groups)].concat();
    assert_eq!(decode_family(&payload, "two"), Ok(Family { id: 42, group: 6 }));
    assert_eq!(decode_family(&payload, "three"), Ok(Family { id: 42, group: 7 }));
}

#[test]
fn request_equals_recorded_one() {
    let request = serialize(family_request(FAMILY), NLM_F_REQUEST | NLM_F_ACK).unwrap();
    assert_eq!(request, bytes(golden::REQUEST_FAMILY));
}
