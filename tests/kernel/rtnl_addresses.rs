//! Addresses as `ip -j` prints them, all and filtered.

use std::net::IpAddr;

use libteam::netlink_packet_route::AddressFamily::{Inet, Inet6};
use libteam::netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use libteam::{AddressFilter, RtnlSocket};

use crate::netns::{index, ip_json};
use crate::rtnl_scene::{Names, assert_same_lines, build, family, names, said, text};

fn our_address(message: &AddressMessage, names: &Names) -> String {
    let at = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    let address = at(|it| if let AddressAttribute::Address(address) = it { Some(*address) } else { None });
    let local = at(|it| if let AddressAttribute::Local(local) = it { Some(*local) } else { None });
    let own = local.or(address).unwrap();
    let peer = address.filter(|address| *address != own).map(|peer| peer.to_string()).unwrap_or_default();
    let header = &message.header;
    format!(
        "{} {} {own}/{} peer {peer:?} {} label {:?} broadcast {:?} for {}",
        names[&header.index],
        family(header.family),
        header.prefix_len,
        if header.scope == AddressScope::Universe { "global".to_owned() } else { header.scope.to_string() },
        said(&message.attributes, |it| if let AddressAttribute::Label(it) = it { Some(it.clone()) } else { None }),
        said(&message.attributes, |it| if let AddressAttribute::Broadcast(it) = it {
            Some(it.to_string())
        } else {
            None
        }),
        // The lifetimes count down while the test runs.
        said(&message.attributes, |it| match it {
            AddressAttribute::CacheInfo(info) =>
                Some(if info.ifa_valid == u32::MAX { "ever" } else { "a time" }.to_owned()),
            _ => None,
        }),
    )
}

fn their_addresses(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for link in ip_json(words) {
        // With filters, ip prints an empty object for each link that it leaves out.
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let lasts = address["valid_life_time"].as_u64() == Some(u64::from(u32::MAX));
            lines.push(format!(
                "{} {} {}/{} peer {:?} {} label {:?} broadcast {:?} for {}",
                text(&link["ifname"]),
                text(&address["family"]),
                text(&address["local"]),
                address["prefixlen"],
                text(&address["address"]),
                text(&address["scope"]),
                text(&address["label"]),
                text(&address["broadcast"]),
                if lasts { "ever" } else { "a time" },
            ));
        }
    }
    lines
}

#[test]
fn addresses_are_those_of_ip() {
    build();
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let d0 = index("d0");
    let all = AddressFilter::new;
    for (filter, words) in [
        (all(), "addr show"),
        (all().link(d0), "addr show dev d0"),
        (all().link(index("team0")), "addr show dev team0"),
        (all().family(Inet), "-4 addr show"),
        (all().family(Inet6), "-6 addr show"),
        (all().link(d0).family(Inet), "-4 addr show dev d0"),
        (all().link(d0).family(Inet6), "-6 addr show dev d0"),
    ] {
        let addresses = rtnl.addresses(&filter).unwrap();
        assert!(addresses.is_consistent());
        assert_same_lines(words, addresses.items().iter().map(|it| our_address(it, &names)), their_addresses(words));
    }
    assert_eq!(rtnl.addresses(&AddressFilter::new().link(index("d2"))).unwrap().items(), []);
}
