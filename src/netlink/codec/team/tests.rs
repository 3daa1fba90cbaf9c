use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::*;
use crate::model::port::Duplex;
use crate::netlink::codec::frame::{frames, serialize};
use crate::testing::golden::{self, TEAM_FAMILY, bytes, first};

const CHANGED: ItemFlags = ItemFlags { changed: true, removed: false };
const CHANGED_AND_REMOVED: ItemFlags = ItemFlags { changed: true, removed: true };
const PLAIN: ItemFlags = ItemFlags { changed: false, removed: false };

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

/// Returns the team of the recorded messages.
fn team() -> IfIndex {
    ifindex(10)
}

/// Returns the team's port that is a veth link.
fn veth() -> IfIndex {
    ifindex(21)
}

fn option(id: OptionId, value: impl Into<OptionValue>, flags: ItemFlags) -> OptionItem {
    OptionItem { option: TeamOption { id, value: value.into(), port_name: None }, flags }
}

fn read(file: &str) -> TeamMessage {
    let datagram = bytes(file);
    decode(first(&datagram).payload, team()).unwrap().expect("the message is about the team")
}

fn options(file: &str) -> Vec<OptionItem> {
    match read(file) {
        TeamMessage::Options(options) => options,
        other => panic!("expected options, found {other:?}"),
    }
}

/// Returns a port; a dummy link has neither speed nor duplex, a veth link that is up 10 Gbit/s.
fn port(number: u32, link_up: bool, speed_mbps: Option<u32>, flags: ItemFlags) -> PortItem {
    let (raw_speed, raw_duplex) = (speed_mbps.unwrap_or(0), speed_mbps.is_some().into());
    PortItem {
        port: Port { ifindex: ifindex(number), name: None, link_up, raw_speed, raw_duplex },
        flags,
    }
}

/// Returns the options of a new port in the mode loadbalance.
fn port_options(port: IfIndex, priority: i32, enabled: bool, flags: ItemFlags) -> Vec<OptionItem> {
    let id = |name: &'static str| OptionId::port(name, port);
    vec![
        option(id("enabled"), enabled, flags),
        option(id("rx_enabled"), enabled, flags),
        option(id("tx_enabled"), enabled, flags),
        option(id("user_linkup"), false, flags),
        option(id("user_linkup_enabled"), false, flags),
        option(id("priority"), priority, flags),
        option(id("queue_id"), 0_u32, flags),
        option(id("lb_port_stats"), vec![0; 8], flags),
    ]
}

#[test]
fn option_event_of_each_type_is_decoded() {
    let program = [40, 0, 0, 0, 12, 0, 0, 0, 6, 0, 0, 0, 0xff, 0xff, 0, 0];
    for (file, expected) in [
        (golden::EVENT_OPTION_U32, option(OptionId::global("notify_peers_count"), 7_u32, CHANGED)),
        (golden::EVENT_OPTION_MODE, option(OptionId::global("mode"), "loadbalance", CHANGED)),
        (golden::EVENT_OPTION_S32, option(OptionId::port("priority", veth()), -5, CHANGED)),
        (golden::EVENT_OPTION_FALSE, option(OptionId::port("enabled", veth()), false, CHANGED)),
        (
            golden::EVENT_OPTION_ELEMENT,
            option(OptionId::element("lb_tx_hash_to_port_mapping", 200), veth().get(), CHANGED),
        ),
        (
            golden::EVENT_OPTION_BINARY,
            option(OptionId::global("bpf_hash_func"), &program[..], CHANGED),
        ),
    ] {
        assert_eq!(options(file), [expected]);
    }
}

#[test]
fn options_of_added_and_removed_port_are_decoded() {
    assert_eq!(options(golden::EVENT_PORT_OPTIONS), port_options(veth(), 0, true, CHANGED));
    assert_eq!(
        options(golden::EVENT_OPTIONS_REMOVED),
        port_options(veth(), -5, false, CHANGED_AND_REMOVED)
    );
}

#[test]
fn option_list_is_decoded_to_its_end() {
    let hashes = |name: &'static str, range: std::ops::Range<u32>, value: OptionValue| {
        range.map(move |index| option(OptionId::element(name, index), value.clone(), PLAIN))
    };
    let list = options(golden::OPTIONS_FIRST);
    let (start, elements) = list.split_at(7);
    let expected = [
        option(OptionId::global("mode"), "loadbalance", PLAIN),
        option(OptionId::global("notify_peers_count"), 7_u32, PLAIN),
        option(OptionId::global("notify_peers_interval"), 0_u32, PLAIN),
        option(OptionId::global("mcast_rejoin_count"), 0_u32, PLAIN),
        option(OptionId::global("mcast_rejoin_interval"), 0_u32, PLAIN),
    ];
    assert_eq!(start[..5], expected);
    assert_eq!(start[5].option.id, OptionId::global("bpf_hash_func"));
    assert_eq!(start[6], option(OptionId::global("lb_tx_method"), "hash", PLAIN));
    let count = u32::try_from(elements.len()).unwrap();
    let expected: Vec<_> =
        hashes("lb_tx_hash_to_port_mapping", 0..count, OptionValue::U32(0)).collect();
    assert_eq!(elements, expected);

    let list = options(golden::OPTIONS_LAST);
    let (elements, end) = list.split_at(list.len() - 17);
    let first_index = 256 - u32::try_from(elements.len()).unwrap();
    let expected: Vec<_> = hashes("lb_hash_stats", first_index..256, vec![0; 8].into()).collect();
    assert_eq!(elements, expected);
    assert_eq!(end[0], option(OptionId::global("lb_stats_refresh_interval"), 0_u32, PLAIN));
    assert_eq!(end[1..9], port_options(veth(), -5, true, PLAIN));
    assert_eq!(end[9..], port_options(ifindex(22), 0, true, PLAIN));
}

#[test]
fn port_list_is_decoded() {
    let expected = vec![port(21, true, Some(10_000), PLAIN), port(22, true, None, PLAIN)];
    assert_eq!(read(golden::PORTS), TeamMessage::Ports(expected));
}

#[test]
fn port_event_is_decoded_with_its_flags() {
    let event = |file| match read(file) {
        TeamMessage::Ports(mut ports) if ports.len() == 1 => ports.remove(0),
        other => panic!("expected one port, found {other:?}"),
    };
    assert_eq!(event(golden::EVENT_PORT_ADDED), port(21, false, None, CHANGED));
    assert_eq!(event(golden::EVENT_PORT_UP), port(21, true, Some(10_000), CHANGED));
    assert_eq!(event(golden::EVENT_PORT_REMOVED), port(21, false, None, CHANGED_AND_REMOVED));
}

#[test]
fn unknown_speed_makes_duplex_unknown() {
    let with_speed = |speed: u32, duplex: u8| {
        let mut datagram = bytes(golden::EVENT_PORT_UP);
        // The values of PORT_SPEED and PORT_DUPLEX, the last attributes before NLMSG_DONE.
        let header = [8_u16.to_ne_bytes(), 4_u16.to_ne_bytes()].concat();
        assert_eq!(datagram[52..60], [header, 10_000_u32.to_ne_bytes().to_vec()].concat());
        datagram[56..60].copy_from_slice(&speed.to_ne_bytes());
        datagram[64] = duplex;
        match decode(first(&datagram).payload, team()).unwrap() {
            Some(TeamMessage::Ports(ports)) => {
                let port = &ports[0].port;
                assert_eq!((port.raw_speed(), port.raw_duplex()), (speed, duplex));
                (port.speed_mbps(), port.duplex())
            }
            other => panic!("expected ports, found {other:?}"),
        }
    };
    assert_eq!(with_speed(100, 0), (Some(100), Duplex::Half));
    assert_eq!(with_speed(100, 1), (Some(100), Duplex::Full));
    assert_eq!(with_speed(100, 0xff), (Some(100), Duplex::Unknown));
    assert_eq!(with_speed(0, 1), (None, Duplex::Unknown));
    assert_eq!(with_speed(u32::MAX, 1), (None, Duplex::Unknown));
}

#[test]
fn message_of_other_team_or_command_is_none() {
    for file in [golden::EVENT_OPTION_U32, golden::EVENT_PORT_UP] {
        let mut datagram = bytes(file);
        assert_eq!(decode(first(&datagram).payload, ifindex(11)), Ok(None));
        // In the events of a team that is being created, the index is still 0.
        assert_eq!(datagram[20..24], [8_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        datagram[24..28].fill(0);
        assert_eq!(decode(first(&datagram).payload, team()), Ok(None));
        datagram[24] = 10;
        datagram[16] = 0;
        assert_eq!(decode(first(&datagram).payload, team()), Ok(None), "TEAM_CMD_NOOP");
    }
}

#[test]
fn requests_equal_recorded_ones() {
    let get =
        |request: TeamRequest| serialize(request.for_family(TEAM_FAMILY), NLM_F_REQUEST).unwrap();
    assert_eq!(get(TeamRequest::options_get(team())), bytes(golden::REQUEST_OPTIONS));
    assert_eq!(get(TeamRequest::port_list_get(team())), bytes(golden::REQUEST_PORTS));

    let program = [40, 0, 0, 0, 12, 0, 0, 0, 6, 0, 0, 0, 0xff, 0xff, 0, 0];
    let enabled = OptionId::port("enabled", veth());
    let values: [(OptionId, OptionValue, &str); 7] = [
        (OptionId::global("notify_peers_count"), 7_u32.into(), golden::REQUEST_SET_U32),
        (OptionId::port("priority", veth()), (-5).into(), golden::REQUEST_SET_S32),
        (enabled.clone(), true.into(), golden::REQUEST_SET_TRUE),
        (enabled, false.into(), golden::REQUEST_SET_FALSE),
        (
            OptionId::global("lb_tx_method"),
            "hash_to_port_mapping".into(),
            golden::REQUEST_SET_STRING,
        ),
        (OptionId::global("bpf_hash_func"), program[..].into(), golden::REQUEST_SET_BINARY),
        (
            OptionId::element("lb_tx_hash_to_port_mapping", 200),
            veth().get().into(),
            golden::REQUEST_SET_ELEMENT,
        ),
    ];
    for (id, value, file) in values {
        let request =
            TeamRequest::options_set(team(), &id, &value).unwrap().for_family(TEAM_FAMILY);
        assert_eq!(
            serialize(request, NLM_F_REQUEST | NLM_F_ACK).unwrap(),
            bytes(file),
            "{id} = {value}"
        );
    }
}

#[test]
fn encoded_option_decodes_to_itself() {
    let ids = [
        OptionId::global("x"),
        OptionId::port("a name of thirty-two bytes .....", veth()),
        OptionId::element("lb_hash_stats", u32::MAX),
        OptionId {
            array_index: Some(0),
            ..OptionId::port("both", ifindex(i32::MAX.unsigned_abs()))
        },
    ];
    let values: [OptionValue; 11] = [
        0_u32.into(),
        u32::MAX.into(),
        i32::MIN.into(),
        (-1).into(),
        true.into(),
        false.into(),
        "".into(),
        "31 bytes of text, the most so .".into(),
        vec![].into(),
        vec![0].into(),
        vec![0xa5; 40_000].into(),
    ];
    for id in &ids {
        for value in &values {
            let request =
                TeamRequest::options_set(team(), id, value).unwrap().for_family(TEAM_FAMILY);
            let mut datagram = serialize(request, NLM_F_REQUEST).unwrap();
            // Except for the command, a request that sets options has the format of a list.
            assert_eq!(datagram[16], TEAM_CMD_OPTIONS_SET);
            datagram[16] = TEAM_CMD_OPTIONS_GET;
            let decoded = decode(first(&datagram).payload, team()).unwrap();
            assert_eq!(
                decoded,
                Some(TeamMessage::Options(vec![option(id.clone(), value.clone(), PLAIN)])),
                "{id} = {value}"
            );
            assert_eq!(frames(&datagram).count(), 1);
        }
    }
}

#[test]
fn unencodable_option_is_rejected_with_reason() {
    let id = OptionId::global("mode");
    let set =
        |id: &OptionId, value: OptionValue| TeamRequest::options_set(team(), id, &value).map(drop);
    assert_eq!(set(&id, "a\0b".into()), Err("expected text without a NUL"));
    assert_eq!(set(&id, "x".repeat(32).into()), Err("expected text of at most 31 bytes"));
    assert_eq!(set(&id, vec![0; 0xff00].into()), Err("expected at most 65279 bytes"));
    assert_eq!(set(&id, vec![0; 0xfeff].into()), Ok(()));
    assert_eq!(
        set(&id, OptionValue::Other { type_code: 9, data: vec![] }),
        Err("expected a value of a known type")
    );
    for name in [String::new(), "x".repeat(33)] {
        assert_eq!(
            set(&OptionId::global(name), 1_u32.into()),
            Err("expected an option name of 1 to 32 bytes")
        );
    }
    assert_eq!(
        set(&OptionId::global("mode\0x"), "random".into()),
        Err("expected an option name without a NUL")
    );
}

#[test]
fn option_of_unknown_type_and_name_is_kept() {
    let mut datagram = bytes(golden::EVENT_OPTION_U32);
    let of_type = [&5_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), &[NLA_U32]].concat();
    let kind = datagram.windows(5).position(|bytes| bytes == of_type).unwrap() + 4;
    datagram[kind] = 99;
    datagram[40] = b'N';
    let value = OptionValue::Other { type_code: 99, data: 7_u32.to_ne_bytes().to_vec() };
    let decoded = decode(first(&datagram).payload, team()).unwrap();
    let expected = option(OptionId::global("Notify_peers_count"), value, CHANGED);
    assert_eq!(decoded, Some(TeamMessage::Options(vec![expected])));
}

#[test]
fn incomplete_item_is_rejected() {
    // Changes the type of an attribute to an unknown one.
    let blank = |file: &str, kind: u16, length: u16| {
        let mut datagram = bytes(file);
        let header = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let position = datagram.windows(4).rposition(|bytes| bytes == header).unwrap();
        datagram[position + 2] = 99;
        decode(first(&datagram).payload, team())
    };
    blank(golden::EVENT_OPTION_U32, TEAM_ATTR_OPTION_NAME, 4 + 19).unwrap_err();
    blank(golden::EVENT_OPTION_U32, TEAM_ATTR_OPTION_TYPE, 5).unwrap_err();
    blank(golden::EVENT_OPTION_U32, TEAM_ATTR_OPTION_DATA, 8).unwrap_err();
    blank(golden::EVENT_PORT_UP, TEAM_ATTR_PORT_IFINDEX, 8).unwrap_err();
    decode(&[2, 1, 0], team()).unwrap_err();
}
