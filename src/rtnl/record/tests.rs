use super::*;
use crate::testing::golden::{self, bytes, first};
use crate::testing::script::attribute;

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

fn golden(text: &str) -> LinkRecord {
    LinkRecord::new(first(&bytes(text)).payload).unwrap()
}

/// The payload of a link message: index 20, all flags 0, these attributes.
fn payload(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(attributes.iter().flat_map(|(kind, value)| attribute(*kind, value)));
    bytes
}

#[test]
fn every_accessor_reads_the_port_of_a_team() {
    let port = golden(golden::NEWLINK_PORT);
    assert_eq!((port.ifindex(), port.family(), port.link_layer_type()), (ifindex(20), 0, 1));
    assert_eq!(port.flags(), LinkFlags::from_bits_retain(0x11043));
    assert!(port.is_admin_up() && port.has_carrier() && !port.is_team());
    assert_eq!((&*port.name(), port.alias()), ("veth0", None));
    assert_eq!(port.alternative_names().collect::<Vec<_>>(), ["port-of-the-golden-team", "p0"]);
    assert_eq!((port.hwaddr(), port.permanent_hwaddr()), (HwAddr::new(&[2, 0, 0, 0, 0, 20]), None));
    assert_eq!((port.mtu(), port.carrier_changes(), port.oper_state()), (1500, 2, OperState::Up));
    assert_eq!((port.master(), port.peer_namespace()), (Some(ifindex(10)), None));
    assert_eq!((port.kind().as_deref(), port.port_kind().as_deref()), (Some("veth"), Some("team")));
    assert!(port.peer().is_some(), "a veth has another end");
    assert_eq!(port.attribute(IFLA_IFNAME), Some(&b"veth0\0"[..]));
}

#[test]
fn it_says_the_same_as_what_the_cache_reads() {
    for text in [golden::NEWLINK_PORT, golden::NEWLINK_TEAM] {
        let record = golden(text);
        let report = record.report().unwrap();
        assert_eq!((record.ifindex(), record.name_os(), record.hwaddr()), (report.ifindex, report.name, report.hwaddr));
        assert_eq!((record.master(), record.mtu(), record.kind()), (report.master, report.mtu, report.kind));
        assert_eq!((record.flags(), record.has_carrier()), (report.flags, report.carrier));
        assert_eq!((record.oper_state(), record.phys_port_id()), (report.oper_state, report.phys_port_id));
    }
}

#[test]
fn what_a_message_does_not_hold_is_absent() {
    let record = LinkRecord::new(&payload(&[])).unwrap();
    assert_eq!((&*record.name(), record.mtu(), record.carrier_changes()), ("", 0, 0));
    assert_eq!((record.kind(), record.port_kind(), record.info_data()), (None, None, None));
    assert_eq!((record.master(), record.peer(), record.hwaddr()), (None, None, None));
    assert_eq!((record.oper_state(), record.alternative_names().count()), (OperState::Unknown, 0));
    record.report().unwrap_err();
}

#[test]
fn what_a_veth_lacks_is_read_too() {
    let info = [attribute(IFLA_INFO_KIND, b"vlan\0"), attribute(IFLA_INFO_DATA, &[1, 2, 3, 4])].concat();
    let record = LinkRecord::new(&payload(&[
        (IFLA_IFALIAS, b"the uplink"),
        (IFLA_LINK_NETNSID, &7_i32.to_ne_bytes()),
        (IFLA_PERM_ADDRESS, &[1; 20]),
        (IFLA_PHYS_PORT_ID, b"port"),
        (IFLA_LINKINFO, &info),
        (IFLA_ADDRESS, &[]),
        (IFLA_MASTER, &[0; 4]),
    ]))
    .unwrap();
    assert_eq!((record.alias().as_deref(), record.peer_namespace()), (Some("the uplink"), Some(7)));
    assert_eq!((record.permanent_hwaddr(), record.phys_port_id()), (HwAddr::new(&[1; 20]), Some(&b"port"[..])));
    assert_eq!((record.kind().as_deref(), record.info_data()), (Some("vlan"), Some(&[1, 2, 3, 4][..])));
    assert_eq!((record.hwaddr(), record.master()), (None, None));
}

#[test]
fn what_no_accessor_could_read_is_refused_at_once() {
    for (kind, value) in [
        (IFLA_MTU, &[0; 3][..]),
        (IFLA_MASTER, &[0; 8]),
        (IFLA_OPERSTATE, &[]),
        (IFLA_CARRIER, &[0; 2]),
        (IFLA_ADDRESS, &[0; 33]),
        (IFLA_LINKINFO, &[9, 0, 1, 0]),
        (IFLA_PROP_LIST, &[1, 0, 1, 0]),
    ] {
        LinkRecord::new(&payload(&[(kind, value)])).unwrap_err();
    }
    LinkRecord::new(&payload(&[])[..15]).unwrap_err();
    LinkRecord::new(&[payload(&[]), vec![200, 0, 1, 0]].concat()).unwrap_err();
}

#[test]
fn it_shows_what_a_person_looks_for() {
    let text = format!("{:?}", golden(golden::NEWLINK_TEAM));
    assert!(text.starts_with("LinkRecord { ifindex: IfIndex(10), name: \"team0\", kind: Some(\"team\")"), "{text}");
}
