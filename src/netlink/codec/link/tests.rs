use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};

use super::*;
use crate::netlink::codec::frame::serialize;
use crate::testing::golden::{self, bytes, first};

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

fn address(last: u8) -> Option<HwAddr> {
    HwAddr::new(&[2, 0, 0, 0, 0, last])
}

/// Returns the link of a recorded message without its alternative names, and these names.
fn attrs(datagram: &[u8]) -> (LinkAttrs<'_>, Vec<String>) {
    let frame = first(datagram);
    let attrs = decode_new(frame.kind, frame.payload);
    let names = attrs.alternative_names().map(|name| name.to_str().unwrap().to_owned()).collect();
    (LinkAttrs { prop_list: &[], ..attrs }, names)
}

fn decode_new(kind: u16, payload: &[u8]) -> LinkAttrs<'_> {
    match decode(kind, payload).unwrap() {
        LinkUpdate::New(attrs) => attrs,
        other => panic!("decoded {other:?}, expected the state of a link"),
    }
}

fn update(datagram: &[u8]) -> LinkUpdate<'_> {
    let frame = first(datagram);
    decode(frame.kind, frame.payload).unwrap()
}

/// Returns the payload of a message about the link 20 with these flags and attributes.
fn payload(flags: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 20, 0, 0, 0];
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 4]);
    for (kind, value) in attributes {
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[test]
fn message_of_new_team_is_decoded() {
    let datagram = bytes(golden::NEWLINK_TEAM);
    let expected = LinkAttrs {
        ifindex: ifindex(10),
        is_new: true,
        name: OsStr::new("team0"),
        hwaddr: address(10),
        permanent_hwaddr: None,
        master: None,
        flags: LinkFlags::from_bits_retain(0x1002),
        carrier: false,
        carrier_changes: 0,
        oper_state: OperState::Down,
        mtu: 1500,
        kind: Some("team".into()),
        phys_port_id: None,
        event: 0,
        prop_list: &[],
    };
    assert_eq!(attrs(&datagram), (expected, vec![]));
}

#[test]
fn message_of_port_is_decoded() {
    let datagram = bytes(golden::NEWLINK_PORT);
    let expected = LinkAttrs {
        ifindex: ifindex(20),
        is_new: false,
        name: OsStr::new("veth0"),
        hwaddr: address(20),
        permanent_hwaddr: None,
        master: Some(ifindex(10)),
        flags: LinkFlags::from_bits_retain(0x11043),
        carrier: true,
        carrier_changes: 2,
        oper_state: OperState::Up,
        mtu: 1500,
        // The kind of the link itself, not that of its master.
        kind: Some("veth".into()),
        phys_port_id: None,
        event: 0,
        prop_list: &[],
    };
    assert_eq!(
        attrs(&datagram),
        (expected, vec!["port-of-the-golden-team".to_owned(), "p0".to_owned()])
    );
}

#[test]
fn rare_attributes_are_decoded() {
    let body = payload(
        0,
        &[(IFLA_MTU, &[220, 5, 0, 0]), (IFLA_PHYS_PORT_ID, b"port"), (IFLA_PERM_ADDRESS, &[1; 20])],
    );
    let attrs = decode_new(RTM_NEWLINK, &body);
    assert_eq!(attrs.phys_port_id, Some(&b"port"[..]));
    assert_eq!(attrs.permanent_hwaddr, HwAddr::new(&[1; 20]));
    assert_eq!((attrs.hwaddr, attrs.master, attrs.kind), (None, None, None));
    assert_eq!(attrs.event, 0);
}

#[test]
fn announced_event_is_decoded() {
    let event = IFLA_EVENT_NOTIFY_PEERS.to_ne_bytes();
    let body = payload(0, &[(IFLA_MTU, &[220, 5, 0, 0]), (IFLA_EVENT, &event)]);
    assert_eq!(decode_new(RTM_NEWLINK, &body).event, 4);
    decode(RTM_NEWLINK, &payload(0, &[(IFLA_EVENT, &event[..3])])).unwrap_err();
}

#[test]
fn carrier_without_attribute_is_taken_from_flags() {
    for (flags, attribute, carrier) in
        [(0, None, false), (0x10000, None, true), (0x10000, Some(0), false), (0, Some(1), true)]
    {
        let mut attributes = vec![(IFLA_MTU, &[220, 5, 0, 0][..])];
        let value = attribute.map(|value| [value]);
        attributes.extend(value.as_ref().map(|value| (IFLA_CARRIER, &value[..])));
        let body = payload(flags, &attributes);
        let found = decode_new(RTM_NEWLINK, &body).carrier;
        assert_eq!(found, carrier, "carrier with flags {flags:#x} and attribute {attribute:?}");
    }
}

#[test]
fn deletion_is_decoded() {
    assert_eq!(update(&bytes(golden::DELLINK_PORT)), LinkUpdate::Deleted(ifindex(20)));
}

#[test]
fn bridge_messages_about_ports_are_ignored() {
    assert_eq!(update(&bytes(golden::DELLINK_BRIDGE_PORT)), LinkUpdate::Ignored);
    assert_eq!(update(&bytes(golden::NEWLINK_BRIDGE_PORT)), LinkUpdate::Ignored);
}

#[test]
fn message_without_mtu_is_ignored() {
    // A message of wireless extensions: the name, and IFLA_WIRELESS (11) with an event.
    let wireless = payload(0x11043, &[(IFLA_IFNAME, b"wlan0\0"), (11, &[0; 16])]);
    assert_eq!(decode(RTM_NEWLINK, &wireless), Ok(LinkUpdate::Ignored));
    assert_eq!(
        decode(RTM_NEWLINK, &payload(0x11043, &[(IFLA_IFNAME, b"wlan0\0")])),
        Ok(LinkUpdate::Ignored)
    );
    assert_eq!(decode(RTM_NEWLINK, &payload(0x11043, &[])), Ok(LinkUpdate::Ignored));
}

#[test]
fn other_message_kinds_are_ignored() {
    assert_eq!(
        decode(RTM_NEWLINK + 4, &payload(0, &[(IFLA_MTU, &[0; 4])])),
        Ok(LinkUpdate::Ignored)
    );
}

#[test]
fn malformed_message_is_rejected() {
    decode(RTM_NEWLINK, &[0; 15]).unwrap_err();
    decode(RTM_DELLINK, &[0; 16]).unwrap_err();
    for (kind, value) in [
        (IFLA_MTU, &[0; 3][..]),
        (IFLA_ADDRESS, &[0; 33]),
        (IFLA_OPERSTATE, &[]),
        (IFLA_LINKINFO, &[9, 0, 1, 0]),
    ] {
        decode(RTM_NEWLINK, &payload(0, &[(kind, value)])).unwrap_err();
    }
}

#[test]
fn requests_equal_recorded_ones() {
    let command = NLM_F_REQUEST | NLM_F_ACK;
    let (team, port) = (ifindex(10), ifindex(20));
    for (request, flags, file) in [
        (dump_request(), NLM_F_REQUEST | NLM_F_DUMP, golden::REQUEST_LINKS),
        (get_request(port), command, golden::REQUEST_LINK),
        (get_by_name_request(OsStr::new("fifteen-bytes-x")), command, golden::REQUEST_LINK_BY_NAME),
        (
            get_by_name_request(OsStr::new("sixteen-bytes-xx")),
            command,
            golden::REQUEST_LINK_BY_ALTNAME,
        ),
        (delete_request(team), command, golden::REQUEST_DELETE),
    ] {
        assert_eq!(serialize(request, flags).unwrap(), bytes(file), "request as in {file}");
    }
}
