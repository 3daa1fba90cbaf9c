//! Converts a datagram of a little-endian machine into that of a big-endian one, by reversing the
//! bytes of each number. This file lists the positions of numbers independently of the codec, so
//! that a mistake there is not repeated in its tests.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR};

use super::TEAM_FAMILY;

/// The contents of an attribute.
#[derive(Clone, Copy)]
enum Kind {
    /// Text or an address.
    Bytes,
    /// Numbers of this many bytes each.
    Numbers(usize),
    /// Attributes: these, and others that are recognized by their length.
    Nest(&'static [(u16, Kind)]),
    /// Items that contain attributes.
    List(&'static [(u16, Kind)]),
}

use Kind::{Bytes, List, Nest, Numbers};

const LINK: &[(u16, Kind)] = &[
    (1, Bytes),                                                      // ADDRESS
    (2, Bytes),                                                      // BROADCAST
    (3, Bytes),                                                      // IFNAME
    (6, Bytes),                                                      // QDISC
    (7, Numbers(4)),                                                 // STATS
    (18, Nest(&[(1, Bytes), (2, Nest(&[])), (4, Bytes)])), // LINKINFO: KIND, DATA, SLAVE_KIND
    (20, Bytes),                                           // IFALIAS
    (23, Numbers(8)),                                      // STATS64
    (26, Nest(&[(2, Nest(&[(1, Numbers(4))])), (10, Nest(INET6))])), // AF_SPEC
    (34, Bytes),                                           // PHYS_PORT_ID
    (43, Nest(&[])),                                       // XDP
    (52, Nest(&[(53, Bytes)])),                            // PROP_LIST: ALT_IFNAME
    (53, Bytes),                                           // ALT_IFNAME, in a request
    (54, Bytes),                                           // PERM_ADDRESS
];
/// The attributes of a message with `AF_BRIDGE`: the nest of the port contains two bridge IDs, that
/// of VLANs pairs of 16-bit numbers.
const BRIDGE_LINK: &[(u16, Kind)] = &[
    (1, Bytes),
    (3, Bytes),
    (12, Nest(&[(13, Bytes), (14, Bytes)])),
    (26, Nest(&[(2, Numbers(2))])),
];
const AF_BRIDGE: u8 = 7;
const INET6: &[(u16, Kind)] =
    &[(2, Numbers(4)), (3, Numbers(8)), (5, Numbers(4)), (6, Numbers(8)), (7, Bytes)];
const TEAM: &[(u16, Kind)] = &[(2, List(&[(1, Bytes)])), (3, List(&[]))];
const CTRL: &[(u16, Kind)] = &[(2, Bytes), (6, List(&[])), (7, List(&[(1, Bytes)]))];
const WORDS: &[(u16, Kind)] = &[(1, Bytes), (4, Nest(&[]))];

const MESSAGE_HEADER: [usize; 5] = [4, 2, 2, 4, 4];
const LINK_HEADER: [usize; 6] = [1, 1, 2, 4, 4, 4];
const GENERIC_HEADER: [usize; 3] = [1, 1, 2];

/// Converts a datagram. Messages of the controller have the same type as some about links.
pub(super) fn turn(mut datagram: &mut [u8], is_controllers: bool) {
    while datagram.len() >= 16 {
        let length = number(datagram, 0, 4);
        let end = length.next_multiple_of(4).min(datagram.len());
        let (message, rest) = datagram.split_at_mut(end);
        turn_message(&mut message[..length.min(end)], is_controllers);
        datagram = rest;
    }
}

fn turn_message(message: &mut [u8], is_controllers: bool) {
    let (kind, flags) = (number(message, 4, 2), number(message, 6, 2));
    let (header, body) = message.split_at_mut(16);
    turn_fields(header, &MESSAGE_HEADER);
    let has_words = flags & usize::from(NLM_F_ACK_TLVS) != 0;
    match u16::try_from(kind).unwrap() {
        NLMSG_ERROR => {
            let copied =
                if flags & usize::from(NLM_F_CAPPED) == 0 { number(body, 4, 4) } else { 16 };
            let (answer, words) =
                body.split_at_mut(4 + copied.next_multiple_of(4).min(body.len() - 4));
            turn_fields(answer, &[4]);
            if copied > 16 {
                turn_message(&mut answer[4..], is_controllers);
            } else {
                turn_fields(&mut answer[4..], &MESSAGE_HEADER);
            }
            if has_words {
                turn_attributes(words, WORDS);
            }
        }
        NLMSG_DONE if !body.is_empty() => {
            turn_fields(body, &[4]);
            if has_words {
                turn_attributes(&mut body[4..], WORDS);
            }
        }
        NLMSG_DONE => {}
        16 if is_controllers => turn_generic(body, CTRL),
        TEAM_FAMILY => turn_generic(body, TEAM),
        _ => {
            let known = if body[0] == AF_BRIDGE { BRIDGE_LINK } else { LINK };
            turn_fields(body, &LINK_HEADER);
            turn_attributes(&mut body[16..], known);
        }
    }
}

fn turn_generic(body: &mut [u8], attributes: &[(u16, Kind)]) {
    turn_fields(body, &GENERIC_HEADER);
    turn_attributes(&mut body[4..], attributes);
}

fn turn_attributes(mut list: &mut [u8], known: &[(u16, Kind)]) {
    while list.len() >= 4 {
        let (length, kind) = (number(list, 0, 2), number(list, 2, 2));
        turn_fields(list, &[2, 2]);
        let end = length.next_multiple_of(4).min(list.len());
        let (attribute, rest) = list.split_at_mut(end);
        let payload = &mut attribute[4..length];
        // NLA_F_NESTED and NLA_F_NET_BYTEORDER do not belong to the type.
        let found = known.iter().find(|(number, _)| usize::from(*number) == kind & 0x3fff);
        match found.map_or_else(|| by_length(payload), |(_, kind)| *kind) {
            Bytes => {}
            Numbers(size) => payload.chunks_exact_mut(size).for_each(<[u8]>::reverse),
            Nest(known) => turn_attributes(payload, known),
            List(known) => turn_items(payload, known),
        }
        list = rest;
    }
}

fn turn_items(mut list: &mut [u8], known: &[(u16, Kind)]) {
    while list.len() >= 4 {
        let length = number(list, 0, 2);
        turn_fields(list, &[2, 2]);
        let (item, rest) = list.split_at_mut(length.next_multiple_of(4).min(list.len()));
        turn_attributes(&mut item[4..length], known);
        list = rest;
    }
}

/// Recognizes a number by its length: no text in the files has the length of a number.
fn by_length(payload: &[u8]) -> Kind {
    match payload.len() {
        size @ (2 | 4 | 8) => Numbers(size),
        _ => Bytes,
    }
}

fn turn_fields(bytes: &mut [u8], sizes: &[usize]) {
    let mut start = 0;
    for size in sizes {
        bytes[start..start + size].reverse();
        start += size;
    }
}

fn number(bytes: &[u8], start: usize, size: usize) -> usize {
    bytes[start..start + size].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[test]
fn turned_datagram_equals_big_endian_kernels() {
    // An option's event: a header, the driver's own, TEAM_IFINDEX 10, LIST_OPTION, ITEM, NAME, TYPE
    // 3, DATA 7, CHANGED.
    let mut datagram = super::recorded(super::EVENT_OPTION_U32);
    turn(&mut datagram, false);
    let mut expected = vec![
        0, 0, 0, 0x50, 0, 0x1e, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 8, 0, 1, 0, 0, 0, 10,
    ];
    expected.extend([0, 0x34, 0, 2, 0, 0x30, 0, 1, 0, 0x17, 0, 1]);
    expected.extend(b"notify_peers_count\0\0");
    expected.extend([0, 5, 0, 3, 3, 0, 0, 0, 0, 8, 0, 4, 0, 0, 0, 7, 0, 4, 0, 2]);
    expected.extend([0, 0, 0, 0x10, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(datagram, expected);
}

#[test]
fn every_recorded_datagram_can_be_turned() {
    for file in super::ALL {
        let mut datagram = super::recorded(file);
        let length = number(&datagram, 0, 4);
        turn(&mut datagram, file.contains("family"));
        assert_eq!(datagram[..4], u32::try_from(length).unwrap().to_be_bytes(), "{file}");
    }
}
