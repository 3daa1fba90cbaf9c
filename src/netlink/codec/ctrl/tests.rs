use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::*;
use crate::netlink::codec::frame::serialize;
use crate::netlink::codec::golden::{self, TEAM_FAMILY, bytes, first};
use crate::netlink::codec::team::{EVENT_GROUP, FAMILY};

#[test]
fn the_family_and_its_group_are_found() {
    let datagram = bytes(golden::CTRL_FAMILY);
    let family = decode_family(first(&datagram).payload, EVENT_GROUP);
    assert_eq!(family, Ok(Family { id: TEAM_FAMILY, group: 8 }));
}

#[test]
fn a_family_without_the_group_or_without_a_number_is_refused() {
    let mut datagram = bytes(golden::CTRL_FAMILY);
    decode_family(first(&datagram).payload, "change").unwrap_err();
    // CTRL_ATTR_FAMILY_ID lies behind the name.
    assert_eq!(datagram[32..36], [6, 0, 1, 0]);
    datagram[34] = 99;
    decode_family(first(&datagram).payload, EVENT_GROUP).unwrap_err();
    decode_family(&[1, 2, 0], EVENT_GROUP).unwrap_err();
}

#[test]
fn one_group_of_several_is_picked_by_its_name() {
    let group = |name: &[u8], id: u8| {
        let name = [&[u8::try_from(name.len()).unwrap() + 4, 0, 1, 0], name].concat();
        let entry = [&[8, 0, 2, 0, id, 0, 0, 0], &name[..], &vec![0; name.len().next_multiple_of(4) - name.len()]];
        let entry = entry.concat();
        [&[u8::try_from(entry.len()).unwrap() + 4, 0, id, 0], &entry[..]].concat()
    };
    let groups = [group(b"one\0", 5), group(b"two\0", 6), group(b"three\0", 7)].concat();
    let groups = [&[u8::try_from(groups.len()).unwrap() + 4, 0, 7, 0], &groups[..]].concat();
    let payload = [&[1, 2, 0, 0][..], &[6, 0, 1, 0, 0x2a, 0, 0, 0], &groups].concat();
    assert_eq!(decode_family(&payload, "two"), Ok(Family { id: 42, group: 6 }));
    assert_eq!(decode_family(&payload, "three"), Ok(Family { id: 42, group: 7 }));
}

#[test]
fn the_request_is_what_the_kernel_takes() {
    let request = serialize(family_request(FAMILY), NLM_F_REQUEST | NLM_F_ACK).unwrap();
    assert_eq!(request, bytes(golden::REQUEST_FAMILY));
}
