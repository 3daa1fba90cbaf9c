use super::*;
use crate::testing::golden::{self, bytes, first};
use crate::testing::script::attribute;

const UNCHANGED: u32 = 0;
const ALL: u32 = u32::MAX;

/// Returns the payload of a message about link 9 with these attributes.
fn payload(family: u8, changed: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![family, 0, 1, 0];
    bytes.extend([9_u32, 0x1043, changed].map(u32::to_ne_bytes).concat());
    bytes.extend(attributes.concat());
    bytes
}

fn mtu() -> Vec<u8> {
    attribute(IFLA_MTU, &1500_u32.to_ne_bytes())
}

fn decode(kind: u16, payload: &[u8]) -> Result<Option<LinkEvent>, DecodeError> {
    LinkEvent::decode(&Frame { kind, flags: 0, sequence: 0, payload })
}

/// Decodes an `RTM_NEWLINK` with an MTU.
fn newlink(family: u8, changed: u32, attributes: &[Vec<u8>]) -> (LinkEvent, LinkInfo) {
    let payload = payload(family, changed, &[&[mtu()], attributes].concat());
    (decode(RTM_NEWLINK, &payload).unwrap().unwrap(), LinkInfo::new(&payload).unwrap())
}

/// Decodes an `RTM_DELLINK`.
fn dellink(family: u8, attributes: &[Vec<u8>]) -> (LinkEvent, LinkInfo) {
    let payload = payload(family, ALL, attributes);
    (decode(RTM_DELLINK, &payload).unwrap().unwrap(), LinkInfo::new(&payload).unwrap())
}

fn golden_event(text: &str) -> LinkEvent {
    LinkEvent::decode(&first(&bytes(text))).unwrap().unwrap()
}

#[test]
fn link_is_added_if_all_flags_changed() {
    let (event, link) = newlink(AF_UNSPEC, ALL, &[]);
    assert_eq!(event, LinkEvent::Added(link));
    for changed in [UNCHANGED, 1, 0x41, ALL - 1, ALL >> 1] {
        let (event, link) = newlink(AF_UNSPEC, changed, &[]);
        assert_eq!(link.changed_flags().bits(), changed);
        assert_eq!(event, LinkEvent::Changed { link, cause: None });
    }
}

#[test]
fn change_has_the_kernels_cause() {
    use LinkEventCause::{
        BondingFailover, BondingOptions, Features, NotifyPeers, Other, Reboot, ResendIgmp,
    };
    for (number, cause) in [
        (0, None),
        (1, Some(Reboot)),
        (2, Some(Features)),
        (3, Some(BondingFailover)),
        (4, Some(NotifyPeers)),
        (5, Some(ResendIgmp)),
        (6, Some(BondingOptions)),
        (7, Some(Other(7))),
        (u32::MAX, Some(Other(u32::MAX))),
    ] {
        let (event, link) =
            newlink(AF_UNSPEC, UNCHANGED, &[attribute(IFLA_EVENT, &number.to_ne_bytes())]);
        assert_eq!((event.link(), event.cause()), (Some(&link), cause));
        assert_eq!(event, LinkEvent::Changed { link, cause });
    }
}

#[test]
fn dellink_is_removal_or_move() {
    let namespace = |number: i32| attribute(IFLA_NEW_NETNSID, &number.to_ne_bytes());
    let index = |number: u32| attribute(IFLA_NEW_IFINDEX, &number.to_ne_bytes());

    let (event, link) = dellink(AF_UNSPEC, &[]);
    assert_eq!(event, LinkEvent::Removed(link));
    for (attributes, to) in [
        (vec![namespace(3), index(12)], (Some(3), IfIndex::new(12))),
        (vec![namespace(0), index(9)], (Some(0), IfIndex::new(9))),
        (vec![namespace(-1), index(12)], (None, IfIndex::new(12))),
        (vec![namespace(3)], (Some(3), None)),
        (vec![namespace(3), index(0)], (Some(3), None)),
        (vec![index(12)], (None, IfIndex::new(12))),
    ] {
        let (event, link) = dellink(AF_UNSPEC, &attributes);
        assert_eq!(event, LinkEvent::Moved { link, netnsid: to.0, ifindex: to.1 });
    }
}

#[test]
fn bridge_messages_neither_add_nor_remove_links() {
    for changed in [UNCHANGED, ALL] {
        let (event, link) = newlink(AF_BRIDGE, changed, &[]);
        assert_eq!(event, LinkEvent::BridgePortChanged(link));
    }
    let (event, link) = dellink(AF_BRIDGE, &[]);
    assert_eq!(event, LinkEvent::BridgePortRemoved(link));
}

#[test]
fn messages_without_link_state_are_other() {
    // The event of a wireless driver: a name and IFLA_WIRELESS, 11.
    let wireless =
        payload(AF_UNSPEC, UNCHANGED, &[attribute(3, b"wlan0\0"), attribute(11, &[0; 24])]);
    assert!(matches!(decode(RTM_NEWLINK, &wireless), Ok(Some(LinkEvent::Other(_)))));
    for family in [1, 2, 10, 28, 255] {
        let (event, link) = newlink(family, ALL, &[]);
        assert_eq!(event, LinkEvent::Other(link));
        let (event, link) = dellink(family, &[]);
        assert_eq!(event, LinkEvent::Other(link));
    }
}

#[test]
fn other_message_types_are_ignored() {
    for kind in [0, 1, 2, 3, 4, 18, 19, 20, 24, 68] {
        assert_eq!(decode(kind, &[]), Ok(None));
    }
}

#[test]
fn malformed_messages_are_errors() {
    let short = |kind| payload(AF_UNSPEC, UNCHANGED, &[mtu(), attribute(kind, &[1, 0])]);
    decode(RTM_NEWLINK, &short(IFLA_EVENT)).unwrap_err();
    decode(RTM_DELLINK, &short(IFLA_NEW_NETNSID)).unwrap_err();
    decode(RTM_DELLINK, &short(IFLA_NEW_IFINDEX)).unwrap_err();
    for kind in [RTM_NEWLINK, RTM_DELLINK] {
        decode(kind, &[]).unwrap_err();
        decode(kind, &payload(AF_UNSPEC, UNCHANGED, &[])[..15]).unwrap_err();
        decode(kind, &[0; 16]).unwrap_err();
        decode(kind, &payload(AF_UNSPEC, UNCHANGED, &[vec![9, 0, 4, 0]])).unwrap_err();
    }
}

#[test]
fn recorded_messages_decode_as_expected() {
    let name = |event: &LinkEvent| event.link().unwrap().name().into_owned();
    let event = golden_event(golden::NEWLINK_BRIDGE_PORT);
    assert!(
        matches!(event, LinkEvent::BridgePortChanged(_)),
        "found {event:?}, expected BridgePortChanged"
    );
    let event = golden_event(golden::DELLINK_BRIDGE_PORT);
    assert!(
        matches!(event, LinkEvent::BridgePortRemoved(_)),
        "found {event:?}, expected BridgePortRemoved"
    );
    let event = golden_event(golden::DELLINK_PORT);
    assert!(matches!(event, LinkEvent::Removed(_)), "found {event:?}, expected Removed");
    let event = golden_event(golden::NEWLINK_PORT);
    assert!(
        matches!(event, LinkEvent::Changed { cause: None, .. }),
        "found {event:?}, expected Changed"
    );
    assert_eq!(name(&event), "veth0");
}

#[test]
fn truncated_messages_do_not_panic() {
    for text in [
        golden::NEWLINK_PORT,
        golden::NEWLINK_TEAM,
        golden::DELLINK_PORT,
        golden::DELLINK_BRIDGE_PORT,
    ] {
        let datagram = bytes(text);
        let Frame { kind, payload, .. } = first(&datagram);
        let decoded =
            (0..=payload.len()).filter(|end| decode(kind, &payload[..*end]).is_ok()).count();
        let length = payload.len();
        assert!(
            (1..length).contains(&decoded),
            "{decoded} of {length} truncations are valid, expected only those between attributes"
        );
    }
}
