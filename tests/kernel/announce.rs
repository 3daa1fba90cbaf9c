//! `announce`: a team that announces its addresses to its neighbours.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::{AnnounceOptions, AnnounceReport, Error, ErrorKind, IfIndex, TeamHandle};
use rustix::thread::CapabilitySet;

use crate::support::frames::Wire;
use crate::support::neighbourhood::{ANNOUNCE_DELAY, Neighbourhood, announcements, set_ipv6};
use crate::support::netns::{NamedNamespace, OtherNamespace, enter, index, ip, ip_json, without};
use crate::support::timeouts::timeout;

fn with_vlans() -> AnnounceOptions {
    AnnounceOptions::new().vlans(true)
}

/// Returns the numbers of announced IPv4 and IPv6 addresses.
fn counts(announced: AnnounceReport) -> (usize, usize) {
    assert!(!announced.is_inconsistent);
    (announced.ipv4, announced.ipv6)
}

/// Returns the ARP packet that announces an address.
fn arp(sender: [u8; 6], address: [u8; 4]) -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &sender, &[8, 6]].concat();
    [&ethernet, &[0, 1, 8, 0, 6, 4, 0, 1][..], &sender, &address, &[0; 6], &address].concat()
}

/// Sets the hardware address of a link.
fn give(team: &mut TeamHandle, link: &str, last: u8) -> [u8; 6] {
    let address = [2, 0, 0, 0, 0, last];
    let ifindex = team.lookup_ifindex(link).unwrap();
    team.set_hwaddr(ifindex, libteam::HwAddr::new(&address).unwrap()).unwrap();
    address
}

/// Waits until the kernel has detected that another host has the address of `team0`.
fn wait_for_duplicate() {
    let deadline = Instant::now() + timeout();
    while ip_json("address show dev team0 dadfailed")
        .iter()
        .all(|link| link["addr_info"][0].is_null())
    {
        assert!(Instant::now() < deadline, "{}", ip("address show dev team0"));
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn announce_sends_the_same_packets_as_the_kernel() {
    enter();
    let mut scene = Neighbourhood::new();
    give(&mut scene.team, "team0", 0x2a);
    for address in [
        "192.0.2.1/24",
        "192.0.2.7/24",
        "198.51.100.1 peer 198.51.100.2",
        "2001:db8::1/64 nodad",
        "fe80::2a/64 nodad",
        "2001:db8:1::1 peer 2001:db8:1::2 nodad",
    ] {
        ip(&format!("address add {address} dev team0"));
    }
    for (lower, id, name) in
        [("team0", 10, "team0.10"), ("team0.10", 20, "team0.10.20"), ("team0", 30, "team0.30")]
    {
        ip(&format!("link add link {lower} name {name} type vlan id {id}"));
        set_ipv6(name, "disable_ipv6", "0");
        ip(&format!("link set {name} addrgenmode none"));
        ip(&format!("link set {name} up"));
    }
    give(&mut scene.team, "team0.10", 0x10);
    for (address, link) in [
        ("10.10.0.1/16", "team0.10"),
        ("2001:db8:10::1/64 nodad", "team0.10"),
        ("10.20.0.1/16", "team0.10.20"),
        ("2001:db8:20::1/64 nodad", "team0.10.20"),
    ] {
        ip(&format!("address add {address} dev {link}"));
    }
    // A VLAN device at the far end removes the tags and thereby checks them.
    for (lower, id, name) in [("far1", 10, "far1.10"), ("far1.10", 20, "far1.10.20")] {
        ip(&format!("link add link {lower} name {name} type vlan id {id}"));
        ip(&format!("link set {name} up"));
    }
    let wires = ["far1", "far1.10", "far1.10.20"].map(Wire::open);
    let received = || [0, 1, 2].map(|wire| announcements(&wires[wire]));
    sleep(ANNOUNCE_DELAY);
    received();

    scene.team.set_notify_peers(1, Duration::ZERO).unwrap();
    scene.enable_spare();
    sleep(ANNOUNCE_DELAY);
    let kernels = received();
    assert_eq!([kernels[1].len(), kernels[2].len()], [4, 2]);

    assert_eq!(counts(scene.team.announce_with(&with_vlans()).unwrap()), (5, 5));
    assert_eq!(received(), kernels);

    assert_eq!(counts(scene.team.announce().unwrap()), (3, 3));
    let [ours, nothing @ ..] = received();
    assert_eq!(nothing, [Vec::<Vec<u8>>::new(), Vec::new()]);
    let sender = [2, 0, 0, 0, 0, 0x2a];
    let advertisement = |address: [u8; 16], checksum: [u8; 2]| {
        let ethernet = [&[0x33, 0x33, 0, 0, 0, 1][..], &sender, &[0x86, 0xdd]].concat();
        let all_nodes = [&[0xff, 2][..], &[0; 13], &[1]].concat();
        let ipv6 = [&[0x60, 0, 0, 0, 0, 32, 58, 255][..], &address, &all_nodes].concat();
        [&ethernet, &ipv6, &[136, 0][..], &checksum, &[0x20, 0, 0, 0], &address, &[2, 1], &sender]
            .concat()
    };
    let mut expected = vec![
        arp(sender, [192, 0, 2, 1]),
        arp(sender, [192, 0, 2, 7]),
        arp(sender, [198, 51, 100, 1]),
        advertisement([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xf9, 0x01]),
        advertisement([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a], [0x57, 0x20]),
        advertisement([0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xf8, 0xff]),
    ];
    expected.sort();
    assert_eq!(ours, expected);
}

#[test]
fn router_flag_is_that_of_the_kernel() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 2001:db8::1/64 dev team0 nodad");
    set_ipv6("team0", "forwarding", "1");
    scene.team.set_notify_peers(1, Duration::ZERO).unwrap();
    sleep(ANNOUNCE_DELAY);
    scene.received(0);
    scene.enable_spare();
    sleep(ANNOUNCE_DELAY);
    let kernels = scene.received(0);
    assert_eq!(
        kernels.iter().map(|frame| frame[58]).collect::<Vec<_>>(),
        [0xa0],
        "router, override"
    );
    scene.team.announce().unwrap();
    assert_eq!(scene.received(0), kernels);
}

#[test]
fn tentative_and_duplicate_addresses_are_skipped() {
    enter();
    let mut scene = Neighbourhood::new();
    // The far end has the address already.
    set_ipv6("far1", "disable_ipv6", "0");
    ip("address add 2001:db8::bad/64 dev far1 nodad");
    ip("address add 2001:db8::bad/64 dev team0");
    wait_for_duplicate();
    assert_eq!(counts(scene.team.announce().unwrap()), (0, 0));

    ip("address del 2001:db8::bad/64 dev team0");
    set_ipv6("team0", "dad_transmits", "50");
    ip("address add 2001:db8::1/64 dev team0");
    assert_eq!(counts(scene.team.announce().unwrap()), (0, 0), "announced tentative addresses");
    ip("address del 2001:db8::1/64 dev team0");

    ip("address add 2001:db8::1/64 dev team0 nodad");
    scene.received(0);
    assert_eq!(counts(scene.team.announce().unwrap()), (0, 1));
    let targets: Vec<_> = scene.received(0).iter().map(|frame| frame[62..78].to_vec()).collect();
    assert_eq!(targets, ["2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()]);
}

#[test]
fn down_and_noarp_links_send_no_arp() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 192.0.2.1/24 dev team0");
    ip("address add 127.0.0.2/8 dev team0");
    ip("link add link team0 name vlan type vlan id 7");
    ip("address add 192.0.2.2/24 dev vlan");
    assert_eq!(
        counts(scene.team.announce_with(&with_vlans()).unwrap()),
        (1, 0),
        "announced addresses with the VLAN down"
    );
    ip("link set vlan up");
    assert_eq!(counts(scene.team.announce_with(&with_vlans()).unwrap()), (2, 0));
    ip("link set vlan arp off");
    assert_eq!(counts(scene.team.announce_with(&with_vlans()).unwrap()), (1, 0));
    ip("link set team0 down");
    assert_eq!(counts(scene.team.announce_with(&with_vlans()).unwrap()), (0, 0));
    ip("link set team0 arp off up");
    ip("address add 2001:db8::1/64 dev team0 nodad");
    scene.team.set_notify_peers(1, Duration::ZERO).unwrap();
    scene.received(0);
    scene.enable_spare();
    sleep(ANNOUNCE_DELAY);
    let kernels = scene.received(0);
    assert_eq!(kernels.len(), 1, "packets of the kernel without ARP: {kernels:x?}");
    assert_eq!(counts(scene.team.announce().unwrap()), (0, 1));
    assert_eq!(scene.received(0), kernels);
}

#[test]
fn announce_after_failover_has_current_hwaddr() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 192.0.2.1/24 dev team0");
    let eth2 = scene.team.lookup_ifindex("eth2").unwrap();
    scene.team.set_active_port(eth2).unwrap();
    // Set by another program, immediately before.
    ip("link set team0 address 02:00:00:00:00:77");
    scene.wires.iter().for_each(|wire| drop(wire.frames()));
    scene.team.announce().unwrap();
    assert_eq!(scene.received(1), [arp([2, 0, 0, 0, 0, 0x77], [192, 0, 2, 1])]);
    assert_eq!(scene.received(0), Vec::<Vec<u8>>::new());
}

#[test]
fn announce_sends_a_thousand_addresses() {
    enter();
    let mut scene = Neighbourhood::new();
    let address = |number: u32| Ipv4Addr::from_bits(0x0a00_0000 + number);
    let lines: Vec<_> =
        (1..=1000).map(|number| format!("address add {}/8 dev team0", address(number))).collect();
    crate::support::netns::ip_batch(&lines);
    sleep(ANNOUNCE_DELAY);
    scene.received(0);
    assert_eq!(counts(scene.team.announce().unwrap()), (1000, 0));
    let received: Vec<_> = scene.received(0).iter().map(|frame| frame[38..42].to_vec()).collect();
    assert_eq!(
        received,
        (1..=1000).map(|number| address(number).octets().to_vec()).collect::<Vec<_>>()
    );
}

/// Creates a team in the calling thread's namespace that is up and has one address.
fn reachable() -> IfIndex {
    ip("link add team0 type team");
    ip("address add 192.0.2.1/24 dev team0");
    ip("link set team0 up");
    index("team0")
}

#[test]
fn announce_uses_the_namespace_of_the_handle() {
    enter();
    let there = NamedNamespace::new("announce");
    let team = [
        // Too small for IPv6, which would send packets of its own.
        "link add team0 mtu 1000 type team",
        // Without a port it would soon lose its carrier, and packets would not be counted at all.
        "link add port type dummy",
        "link set port master team0",
        "address add 192.0.2.1/24 dev team0",
        "link set team0 up",
    ];
    for words in team {
        ip(&format!("-n {} {words}", there.name()));
    }
    // In this namespace the same index is that of another link with another address.
    let ifindex = there.index("team0");
    ip(&format!("link add other index {ifindex} type dummy"));
    ip("address add 198.51.100.1/24 dev other");
    ip("link set other up");
    let wire = Wire::open("other");

    let namespace = std::fs::File::open(there.path()).unwrap();
    let mut team = TeamHandle::builder().in_namespace(&namespace).unwrap().open("team0").unwrap();
    let sent = transmitted(&there);
    assert_eq!(counts(team.announce().unwrap()), (1, 0));
    assert_eq!(announcements(&wire), Vec::<Vec<u8>>::new());
    assert_eq!(transmitted(&there), sent + 1);
}

/// Returns how many packets `team0` was given to send; without a mode it drops them.
fn transmitted(there: &NamedNamespace) -> u64 {
    let stats =
        &ip_json(&format!("-n {} -s link show dev team0", there.name()))[0]["stats64"]["tx"];
    stats["dropped"].as_u64().unwrap() + stats["packets"].as_u64().unwrap()
}

#[test]
fn announce_works_from_another_namespaces_thread() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 192.0.2.1/24 dev team0");
    let away = OtherNamespace::new();
    let mut team = std::mem::replace(&mut scene.team, TeamHandle::create("team1").unwrap());
    scene.wires.iter().for_each(|wire| drop(wire.frames()));
    let (announced, refused) = away.run(move || {
        let announced = team.announce();
        let mut refused = None;
        without(CapabilitySet::SYS_ADMIN, || refused = Some(team.announce()));
        (announced, refused.unwrap())
    });
    assert_eq!(counts(announced.unwrap()), (1, 0));
    assert_eq!(scene.received(0).len(), 1);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn announce_in_own_namespace_needs_only_net_raw() {
    enter();
    let ifindex = reachable();
    let of_a_service = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    let mut team = None;
    without(CapabilitySet::all().difference(of_a_service), || {
        let team = team.insert(TeamHandle::open_index(ifindex).unwrap());
        assert_eq!(counts(team.announce().unwrap()), (1, 0));
    });
    let mut team = team.unwrap();
    without(CapabilitySet::all().difference(CapabilitySet::NET_RAW), || {
        assert_eq!(counts(team.announce().unwrap()), (1, 0));
    });
    without(CapabilitySet::NET_RAW, || {
        let error = team.announce().unwrap_err();
        assert_eq!(
            (error.to_string(), error.kind()),
            (
                "opening a packet socket: operation not permitted (EPERM)".into(),
                ErrorKind::PermissionDenied
            )
        );
        ip("address del 192.0.2.1/24 dev team0");
        assert_eq!(
            counts(team.announce().unwrap()),
            (0, 0),
            "announced addresses of a team without any"
        );
    });
}

#[test]
fn announce_of_deleted_team_is_device_gone() {
    enter();
    let mut team = TeamHandle::open_index(reachable()).unwrap();
    ip("link del team0");
    assert!(matches!(team.announce(), Err(Error::DeviceGone { .. })));
}

#[test]
fn announce_leaks_no_descriptor() {
    enter();
    let mut team = TeamHandle::open_index(reachable()).unwrap();
    let sockets = || std::fs::read_to_string("/proc/thread-self/net/packet").unwrap();
    let before = sockets();
    for _ in 0..10 {
        assert_eq!(counts(team.announce_with(&with_vlans()).unwrap()), (1, 0));
    }
    // A program that another test starts inherits the descriptors for a moment.
    let deadline = Instant::now() + timeout();
    while sockets() != before {
        assert!(
            Instant::now() < deadline,
            "packet sockets before:\n{before}\nafter:\n{}",
            sockets()
        );
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn announce_without_ethernet_is_unsupported() {
    enter();
    ip("link add team0 type team");
    ip("link add tap type nlmon");
    let mut team = TeamHandle::open("team0").unwrap();
    let tap = team.lookup_ifindex("tap").unwrap();
    team.add_port(tap).unwrap();
    let error = team.announce().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(
        error.to_string(),
        "announcing the addresses of team0: \
         address family not supported by protocol (EAFNOSUPPORT)"
    );
}
