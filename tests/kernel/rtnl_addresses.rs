//! Addresses as `ip -j` prints them, all and filtered.

use libteam::rtnl::netlink_packet_route::AddressFamily::{Inet, Inet6};
use libteam::rtnl::netlink_packet_route::address::{AddressFlags, AddressScope};
use libteam::rtnl::{Address, AddressFilter, RtnlSocket};

use crate::support::netns::{enter, index, ip, ip_json};
use crate::support::rtnl_scene::{Names, assert_same_lines, build, family, names, text};

/// The flags that `ip` prints, by their names there.
const FLAGS: [(&str, AddressFlags); 5] = [
    ("secondary", AddressFlags::Secondary),
    ("nodad", AddressFlags::Nodad),
    ("deprecated", AddressFlags::Deprecated),
    ("tentative", AddressFlags::Tentative),
    ("noprefixroute", AddressFlags::Noprefixroute),
];

fn our_address(address: &Address, names: &Names) -> String {
    let flags =
        FLAGS.iter().filter(|(_, flag)| address.flags().contains(*flag)).map(|(name, _)| *name);
    let scope = match address.scope() {
        AddressScope::Universe => "global".to_owned(),
        scope => scope.to_string(),
    };
    format!(
        "{} {} {}/{} peer {:?} {scope} label {:?} broadcast {:?} {:?} for {}",
        names[&address.ifindex().get()],
        family(address.message().header.family),
        address.ip(),
        address.prefix_len(),
        address.peer().map(|peer| peer.to_string()).unwrap_or_default(),
        address.label().unwrap_or_default(),
        address.broadcast().map(|broadcast| broadcast.to_string()).unwrap_or_default(),
        flags.collect::<Vec<_>>(),
        // The lifetimes count down while the test runs.
        if address.valid_lifetime().is_some() { "a time" } else { "ever" },
    )
}

fn their_addresses(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for link in ip_json(words) {
        // With filters, ip prints an empty object for each link that it leaves out.
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let lasts = address["valid_life_time"].as_u64() == Some(u64::from(u32::MAX));
            let flags = FLAGS.iter().map(|(name, _)| *name).filter(|name| address[*name] == true);
            lines.push(format!(
                "{} {} {}/{} peer {:?} {} label {:?} broadcast {:?} {:?} for {}",
                text(&link["ifname"]),
                text(&address["family"]),
                text(&address["local"]),
                address["prefixlen"],
                text(&address["address"]),
                text(&address["scope"]),
                text(&address["label"]),
                text(&address["broadcast"]),
                flags.collect::<Vec<_>>(),
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
        assert_same_lines(
            words,
            addresses.items().iter().map(|it| our_address(it, &names)),
            their_addresses(words),
        );
    }
    assert_eq!(rtnl.addresses(&AddressFilter::new().link(index("d2"))).unwrap().items(), []);
}

#[test]
fn peer_addresses_differ_from_own_in_both_families() {
    enter();
    ip("link add d0 type dummy");
    ip("addr add 192.0.2.1 peer 198.51.100.2/24 dev d0");
    ip("addr add 192.0.2.3 peer 192.0.2.3/32 dev d0");
    ip("addr add 2001:db8::1 peer 2001:db8:7::2/64 dev d0 nodad");
    ip("addr add 2001:db8::3/64 dev d0 nodad noprefixroute valid_lft 1000 preferred_lft 0");
    let addresses =
        RtnlSocket::new().unwrap().addresses(&AddressFilter::new().link(index("d0"))).unwrap();
    let mut found: Vec<String> = addresses.items().iter().map(ToString::to_string).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "192.0.2.1 peer 198.51.100.2/24",
            "192.0.2.3/32",
            "2001:db8::1 peer 2001:db8:7::2/64",
            "2001:db8::3/64",
        ]
    );
    let ends: Vec<_> =
        addresses.items().iter().filter(|it| it.peer().is_some()).map(Address::ip).collect();
    assert_eq!(
        ends,
        ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap())
    );

    let last = addresses.items().iter().find(|it| it.to_string() == "2001:db8::3/64").unwrap();
    assert!(
        last.flags().contains(AddressFlags::Noprefixroute | AddressFlags::Deprecated),
        "expected noprefixroute and deprecated: {last:?}"
    );
    let seconds = last.valid_lifetime().unwrap().as_secs();
    assert!((1..=1000).contains(&seconds), "lifetime of 1000 s after some time: {seconds}");
    assert_eq!(last.preferred_lifetime(), Some(std::time::Duration::ZERO));
}
