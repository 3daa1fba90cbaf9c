use super::*;
use crate::testing::golden::{self, bytes, first};
use crate::testing::script::attribute;

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

fn golden(text: &str) -> LinkInfo {
    LinkInfo::new(first(&bytes(text)).payload).unwrap()
}

/// Returns the payload of a message about link 20 without flags, with these attributes.
fn payload(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(attributes.iter().flat_map(|(kind, value)| attribute(*kind, value)));
    bytes
}

#[test]
fn every_accessor_reads_a_team_port() {
    let port = golden(golden::NEWLINK_PORT);
    assert_eq!((port.ifindex(), port.family(), port.link_layer_type()), (ifindex(20), 0, 1));
    assert_eq!(port.flags(), LinkFlags::from_bits_retain(0x11043));
    assert!(port.is_admin_up() && port.has_carrier() && !port.is_team());
    assert_eq!((&*port.name(), port.alias()), ("veth0", None));
    assert_eq!(port.alternative_names().collect::<Vec<_>>(), ["port-of-the-golden-team", "p0"]);
    assert_eq!((port.hwaddr(), port.permanent_hwaddr()), (HwAddr::new(&[2, 0, 0, 0, 0, 20]), None));
    assert_eq!((port.mtu(), port.carrier_changes(), port.oper_state()), (1500, 2, OperState::Up));
    assert_eq!((port.master(), port.link_netnsid()), (Some(ifindex(10)), None));
    assert_eq!((port.kind().as_deref(), port.port_kind().as_deref()), (Some("veth"), Some("team")));
    assert!(port.link_ifindex().is_some(), "the veth link has no peer");
    assert_eq!(port.attribute(IFLA_IFNAME), Some(&b"veth0\0"[..]));
}

#[test]
fn accessors_agree_with_the_cache_decoder() {
    for text in [golden::NEWLINK_PORT, golden::NEWLINK_TEAM] {
        let info = golden(text);
        let attrs = info.decode().unwrap();
        assert_eq!(
            (info.ifindex(), info.name_os(), info.hwaddr()),
            (attrs.ifindex, attrs.name, attrs.hwaddr)
        );
        assert_eq!((info.master(), info.mtu(), info.kind()), (attrs.master, attrs.mtu, attrs.kind));
        assert_eq!((info.flags(), info.has_carrier()), (attrs.flags, attrs.carrier));
        assert_eq!(
            (info.oper_state(), info.phys_port_id()),
            (attrs.oper_state, attrs.phys_port_id)
        );
    }
}

#[test]
fn missing_attributes_are_absent() {
    let info = LinkInfo::new(&payload(&[])).unwrap();
    assert_eq!((&*info.name(), info.mtu(), info.carrier_changes()), ("", 0, 0));
    assert_eq!((info.kind(), info.port_kind(), info.info_data()), (None, None, None));
    assert_eq!((info.master(), info.link_ifindex(), info.hwaddr()), (None, None, None));
    assert_eq!((info.oper_state(), info.alternative_names().count()), (OperState::Unknown, 0));
    info.decode().unwrap_err();
}

#[test]
fn rare_attributes_are_read() {
    let info =
        [attribute(IFLA_INFO_KIND, b"vlan\0"), attribute(IFLA_INFO_DATA, &[1, 2, 3, 4])].concat();
    let info = LinkInfo::new(&payload(&[
        (IFLA_IFALIAS, b"the uplink"),
        (IFLA_LINK_NETNSID, &7_i32.to_ne_bytes()),
        (IFLA_PERM_ADDRESS, &[1; 20]),
        (IFLA_PHYS_PORT_ID, b"port"),
        (IFLA_LINKINFO, &info),
        (IFLA_ADDRESS, &[]),
        (IFLA_MASTER, &[0; 4]),
    ]))
    .unwrap();
    assert_eq!((info.alias().as_deref(), info.link_netnsid()), (Some("the uplink"), Some(7)));
    assert_eq!(
        (info.permanent_hwaddr(), info.phys_port_id()),
        (HwAddr::new(&[1; 20]), Some(&b"port"[..]))
    );
    assert_eq!((info.kind().as_deref(), info.info_data()), (Some("vlan"), Some(&[1, 2, 3, 4][..])));
    assert_eq!((info.hwaddr(), info.master()), (None, None));
}

#[test]
fn malformed_attributes_are_rejected_at_once() {
    for (kind, value) in [
        (IFLA_MTU, &[0; 3][..]),
        (IFLA_MASTER, &[0; 8]),
        (IFLA_OPERSTATE, &[]),
        (IFLA_CARRIER, &[0; 2]),
        (IFLA_ADDRESS, &[0; 33]),
        (IFLA_LINKINFO, &[9, 0, 1, 0]),
        (IFLA_PROP_LIST, &[1, 0, 1, 0]),
        (IFLA_STATS64, &[0; 183]),
    ] {
        LinkInfo::new(&payload(&[(kind, value)])).unwrap_err();
    }
    LinkInfo::new(&payload(&[])[..15]).unwrap_err();
    LinkInfo::new(&[payload(&[]), vec![200, 0, 1, 0]].concat()).unwrap_err();
}

#[test]
fn debug_shows_name_and_kind() {
    let text = format!("{:?}", golden(golden::NEWLINK_TEAM));
    assert!(
        text.starts_with("LinkInfo { ifindex: IfIndex(10), name: \"team0\", kind: Some(\"team\")"),
        "{text:?} shows index, name and kind"
    );
}
