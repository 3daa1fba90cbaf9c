use netlink_packet_core::Nla;
use netlink_packet_route::tc::TcOption;

use super::*;
use crate::netlink::codec::frame::frames;
use crate::testing::script::{attribute, message};

/// Returns an address message: 192.0.2.1/24 on link 3, with these attributes after the address.
fn address(attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![2, 24, 0, 0];
    bytes.extend(3_u32.to_ne_bytes());
    bytes.extend(attribute(1, &[192, 0, 2, 1]));
    bytes.extend(attributes.concat());
    bytes
}

fn bytes_of(nla: &impl Nla) -> Vec<u8> {
    let mut bytes = vec![0; nla.value_len()];
    nla.emit_value(&mut bytes);
    bytes
}

#[test]
fn undecodable_attribute_is_kept_as_bytes_in_place() {
    // A label that is not text, a number of another width, and a valid attribute after them.
    let payload = address(&[
        attribute(3, b"e\xff\0"),
        attribute(9, &[1; 8]),
        attribute(8, &128_u32.to_ne_bytes()),
    ]);
    AddressMessage::parse(&payload).unwrap_err();
    let message: AddressMessage = read(&payload).unwrap();
    assert_eq!((message.header.index, message.header.prefix_len), (3, 24));
    let [AddressAttribute::Address(_), label, metric, AddressAttribute::Flags(_)] =
        &message.attributes[..]
    else {
        panic!("expected address, label, metric and flags in this order, found {message:?}")
    };
    assert_eq!(*label, AddressAttribute::Other(DefaultNla::new(3, b"e\xff\0".to_vec())));
    assert_eq!((metric.kind(), bytes_of(metric)), (9, vec![1; 8]));
}

#[test]
fn attributes_after_undecodable_one_are_decoded() {
    // The format of the options depends on the kind. Options of "u32" are longer than these.
    let mut payload = vec![0; TcMessage::HEADER_LEN];
    payload.extend(attribute(1, b"u32\0"));
    payload.extend(attribute(2, &attribute(5, &[1, 2])));
    payload.extend(attribute(11, &7_u32.to_ne_bytes()));
    TcMessage::parse(&payload).unwrap_err();
    let message: TcMessage = read(&payload).unwrap();
    let expected = [
        TcAttribute::Kind("u32".to_owned()),
        TcAttribute::Other(DefaultNla::new(2, attribute(5, &[1, 2]))),
        TcAttribute::Chain(7),
    ];
    assert_eq!(message.attributes, expected);
    assert!(!message.attributes.contains(&TcAttribute::Options(Vec::<TcOption>::new())));
}

#[test]
fn decodable_message_is_decoded_like_the_crate_does() {
    let payload = address(&[attribute(3, b"eth0\0"), attribute(60, &[9])]);
    assert_eq!(read::<AddressMessage>(&payload).unwrap(), AddressMessage::parse(&payload).unwrap());
}

#[test]
fn truncated_message_is_rejected() {
    let payload = address(&[attribute(3, b"e\xff\0")]);
    read::<AddressMessage>(&payload[..payload.len() - 3]).unwrap_err();
    read::<AddressMessage>(&payload[..5]).unwrap_err();
    read::<AddressMessage>(&[]).unwrap_err();
}

#[test]
fn every_message_type_is_decoded_leniently() {
    for (kind, length) in [
        (RTM_NEWLINK, LinkMessage::HEADER_LEN),
        (RTM_DELLINK, LinkMessage::HEADER_LEN),
        (RTM_NEWADDR, AddressMessage::HEADER_LEN),
        (RTM_NEWROUTE, RouteMessage::HEADER_LEN),
        (RTM_NEWNEIGH, NeighbourMessage::HEADER_LEN),
        (RTM_NEWRULE, RuleMessage::HEADER_LEN),
        (RTM_NEWQDISC, TcMessage::HEADER_LEN),
        (RTM_NEWTCLASS, TcMessage::HEADER_LEN),
        (RTM_NEWTFILTER, TcMessage::HEADER_LEN),
    ] {
        // In each message type, one of these attributes is longer than a byte.
        let mut payload = vec![0; length];
        (1..=10).for_each(|number| payload.extend(attribute(number, &[0xff])));
        let datagram = message(kind, 0, &payload);
        let frame = frames(&datagram).next().unwrap().unwrap();
        frame.parse::<RouteNetlinkMessage>().unwrap_err();
        let message = read_any(frame).unwrap();
        assert_eq!(message.message_type(), kind, "type of {message:?}");
    }
    let datagram = message(88, 0, &[1]);
    read_any(frames(&datagram).next().unwrap().unwrap()).unwrap_err();
}
