use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags as Flags, AddressMessage,
};

use super::*;
use crate::testing::script::attribute;

/// Returns an Ethernet link with the index 3 that is up; `forwarding` is `None` without IPv6.
fn link(forwarding: Option<i32>) -> LinkInfo {
    let (kind, numbers) =
        (ARPHRD_ETHER.to_ne_bytes(), [3_u32, LinkFlags::UP.bits(), 0].map(u32::to_ne_bytes));
    let mut payload = [&[0, 0], &kind[..], &numbers.concat()].concat();
    payload.extend(attribute(1, &[2, 0, 0, 0, 0, 0x2a]));
    let settings = forwarding.map(|forwarding| [forwarding, 64].map(i32::to_ne_bytes).concat());
    let ipv6 = settings.map(|settings| attribute(AF_INET6, &attribute(IFLA_INET6_CONF, &settings)));
    payload.extend(attribute(IFLA_AF_SPEC, &ipv6.unwrap_or_default()));
    LinkInfo::new(&payload).unwrap()
}

fn address(index: u32, flags: Flags, attributes: Vec<AddressAttribute>) -> Address {
    let mut message = AddressMessage::default();
    (message.header.index, message.header.flags, message.attributes) = (index, flags, attributes);
    Address::try_from(message).unwrap()
}

fn local(address: &str) -> AddressAttribute {
    AddressAttribute::Local(address.parse().unwrap())
}

fn peer(address: &str) -> AddressAttribute {
    AddressAttribute::Address(address.parse().unwrap())
}

/// Returns how many IPv4 addresses are announced, and the flags of the IPv6 advertisements.
fn announced(link: &LinkInfo, address: Address) -> (usize, Vec<u8>) {
    let frames = frames(link, &[address]);
    (frames.ipv4.len(), frames.ipv6.iter().map(|frame| frame[58]).collect())
}

#[test]
fn only_own_addresses_are_announced() {
    let link = link(Some(0));
    let with = |attributes| announced(&link, address(3, Flags::empty(), attributes));
    assert_eq!(with(vec![local("192.0.2.1")]), (1, vec![]));
    assert_eq!(with(vec![peer("2001:db8::1")]), (0, vec![0x20]));
    for ip in ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::1"] {
        assert_eq!(with(vec![local(ip)]), (0, vec![]), "announcements of {ip}");
    }
    assert_eq!(announced(&link, address(4, Flags::empty(), vec![local("192.0.2.1")])), (0, vec![]));
}

#[test]
fn local_end_of_point_to_point_link_is_announced() {
    let link = link(None);
    let both =
        |local_end, far_end| address(3, Flags::empty(), vec![peer(far_end), local(local_end)]);
    let sent = frames(&link, &[both("192.0.2.1", "192.0.2.2"), both("2001:db8::1", "2001:db8::2")]);
    assert_eq!(sent.ipv4[0][28..32], [192, 0, 2, 1]);
    assert_eq!(sent.ipv6[0][77], 1);
}

#[test]
fn tentative_address_is_not_announced() {
    let link = link(None);
    let with = |flags| announced(&link, address(3, flags, vec![local("2001:db8::1")])).1;
    assert_eq!(with(Flags::Permanent | Flags::Deprecated), [0x20]);
    assert_eq!(with(Flags::Tentative), []);
    assert_eq!(with(Flags::Tentative | Flags::Dadfailed), []);
    assert_eq!(with(Flags::Dadfailed), []);
    assert_eq!(with(Flags::Tentative | Flags::Optimistic), [0]);
    assert_eq!(with(Flags::Tentative | Flags::Optimistic | Flags::Dadfailed), []);
}

#[test]
fn router_flag_is_set_if_device_forwards_ipv6() {
    for (forwarding, flags) in
        [(None, 0x20), (Some(0), 0x20), (Some(1), 0xa0), (Some(2), 0xa0), (Some(-1), 0xa0)]
    {
        let address = address(3, Flags::empty(), vec![local("fe80::1")]);
        let found = announced(&link(forwarding), address).1;
        assert_eq!(found, [flags], "flags with forwarding {forwarding:?}");
    }
}
