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

/// The report in a golden message, without its nest of alternative names, and these names.
fn report(datagram: &[u8]) -> (LinkAttrs<'_>, Vec<String>) {
    let frame = first(datagram);
    let LinkUpdate::New(report) = decode(frame.kind, frame.payload).unwrap() else {
        panic!("it reports a link")
    };
    let names = report.alternative_names().map(|name| name.to_str().unwrap().to_owned()).collect();
    (LinkAttrs { prop_list: &[], ..report }, names)
}

fn news(datagram: &[u8]) -> LinkUpdate<'_> {
    let frame = first(datagram);
    decode(frame.kind, frame.payload).unwrap()
}

/// The payload of a link message: index 20, these flags, these attributes.
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
fn every_field_of_a_new_team_is_read() {
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
    assert_eq!(report(&datagram), (expected, vec![]));
}

#[test]
fn every_field_of_a_port_that_is_up_is_read() {
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
        // Not "team": that is what the link is a port of.
        kind: Some("veth".into()),
        phys_port_id: None,
        event: 0,
        prop_list: &[],
    };
    assert_eq!(
        report(&datagram),
        (expected, vec!["port-of-the-golden-team".to_owned(), "p0".to_owned()])
    );
}

#[test]
fn what_the_golden_links_lack_is_read_too() {
    let body = payload(
        0,
        &[(IFLA_MTU, &[220, 5, 0, 0]), (IFLA_PHYS_PORT_ID, b"port"), (IFLA_PERM_ADDRESS, &[1; 20])],
    );
    let LinkUpdate::New(report) = decode(RTM_NEWLINK, &body).unwrap() else {
        panic!("it is whole")
    };
    assert_eq!(report.phys_port_id, Some(&b"port"[..]));
    assert_eq!(report.permanent_hwaddr, HwAddr::new(&[1; 20]));
    assert_eq!((report.hwaddr, report.master, report.kind), (None, None, None));
    assert_eq!(report.event, 0);
}

#[test]
fn what_made_the_kernel_announce_a_link_is_read() {
    let event = IFLA_EVENT_NOTIFY_PEERS.to_ne_bytes();
    let body = payload(0, &[(IFLA_MTU, &[220, 5, 0, 0]), (IFLA_EVENT, &event)]);
    let LinkUpdate::New(report) = decode(RTM_NEWLINK, &body).unwrap() else {
        panic!("it is whole")
    };
    assert_eq!(report.event, 4);
    decode(RTM_NEWLINK, &payload(0, &[(IFLA_EVENT, &event[..3])])).unwrap_err();
}

#[test]
fn without_its_attribute_the_carrier_is_read_from_the_flags() {
    for (flags, attribute, carrier) in
        [(0, None, false), (0x10000, None, true), (0x10000, Some(0), false), (0, Some(1), true)]
    {
        let mut attributes = vec![(IFLA_MTU, &[220, 5, 0, 0][..])];
        let value = attribute.map(|value| [value]);
        attributes.extend(value.as_ref().map(|value| (IFLA_CARRIER, &value[..])));
        let body = payload(flags, &attributes);
        let LinkUpdate::New(report) = decode(RTM_NEWLINK, &body).unwrap() else {
            panic!("it is whole")
        };
        assert_eq!(report.carrier, carrier, "{flags:#x} {attribute:?}");
    }
}

#[test]
fn a_deleted_port_is_removed() {
    assert_eq!(news(&bytes(golden::DELLINK_PORT)), LinkUpdate::Deleted(ifindex(20)));
}

#[test]
fn what_a_bridge_says_of_its_ports_is_no_news_of_the_link() {
    assert_eq!(news(&bytes(golden::DELLINK_BRIDGE_PORT)), LinkUpdate::Ignored);
    assert_eq!(news(&bytes(golden::NEWLINK_BRIDGE_PORT)), LinkUpdate::Ignored);
}

#[test]
fn a_message_that_holds_a_part_of_a_link_wipes_nothing() {
    // As wireless extensions send it: the name, and IFLA_WIRELESS (11) with an event.
    let wireless = payload(0x11043, &[(IFLA_IFNAME, b"wlan0\0"), (11, &[0; 16])]);
    assert_eq!(decode(RTM_NEWLINK, &wireless), Ok(LinkUpdate::Ignored));
    assert_eq!(
        decode(RTM_NEWLINK, &payload(0x11043, &[(IFLA_IFNAME, b"wlan0\0")])),
        Ok(LinkUpdate::Ignored)
    );
    assert_eq!(decode(RTM_NEWLINK, &payload(0x11043, &[])), Ok(LinkUpdate::Ignored));
}

#[test]
fn other_kinds_are_no_news() {
    assert_eq!(
        decode(RTM_NEWLINK + 4, &payload(0, &[(IFLA_MTU, &[0; 4])])),
        Ok(LinkUpdate::Ignored)
    );
}

#[test]
fn malformed_messages_are_refused() {
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
fn requests_are_what_the_kernel_takes() {
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
        assert_eq!(serialize(request, flags).unwrap(), bytes(file), "{file}");
    }
}
