//! Links as `ip -j` prints them, all and filtered, and one by one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use libteam::netlink::netlink_packet_core::DefaultNla;
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::address::{AddressAttribute, AddressMessage};
use libteam::rtnl::netlink_packet_route::link::{LinkAttribute, LinkMessage};
use libteam::rtnl::{AddressFilter, LinkFilter, LinkInfo, RtnlSocket, RuleFilter};
use libteam::{Error, ErrorKind, IfIndex, LinkFlags};
use serde_json::Value;

use crate::support::features::{has_statistics, leaves_out_statistics};
use crate::support::netns::{OtherNamespace, enter, index, ip, ip_json};
use crate::support::rtnl_scene::{Names, assert_same_lines, build, names, text};

/// The flags that have a name in both; `ip` adds NO-CARRIER, which is not a flag of the kernel.
const FLAGS: [(&str, LinkFlags); 10] = [
    ("UP", LinkFlags::UP),
    ("BROADCAST", LinkFlags::BROADCAST),
    ("LOOPBACK", LinkFlags::LOOPBACK),
    ("POINTOPOINT", LinkFlags::POINT_TO_POINT),
    ("NOARP", LinkFlags::NO_ARP),
    ("PROMISC", LinkFlags::PROMISCUOUS),
    ("MASTER", LinkFlags::MASTER),
    ("SLAVE", LinkFlags::SLAVE),
    ("MULTICAST", LinkFlags::MULTICAST),
    ("LOWER_UP", LinkFlags::LOWER_UP),
];

/// Returns a link as the library describes it.
fn ours(link: &LinkInfo, names: &Names) -> String {
    let name_of =
        |ifindex: Option<IfIndex>| ifindex.map(|it| names[&it.get()].clone()).unwrap_or_default();
    let flags: Vec<&str> = FLAGS
        .iter()
        .filter(|(_, flag)| link.flags().contains(*flag))
        .map(|(name, _)| *name)
        .collect();
    let altnames: Vec<_> = link.alternative_names().collect();
    // If the related link is in another namespace, its index belongs to that namespace.
    let peer = match link.link_netnsid() {
        Some(_) => format!("#{} in {}", link.link_ifindex().unwrap(), link.link_netnsid().unwrap()),
        None => name_of(link.link_ifindex()),
    };
    format!(
        "{} {} {flags:?} mtu {} {} {} master {:?} kind {:?} port of {:?} {altnames:?} alias {:?} peer {peer:?}",
        link.ifindex(),
        link.name(),
        link.mtu(),
        link.oper_state(),
        link.hwaddr().map(|hwaddr| hwaddr.to_string()).unwrap_or_default(),
        name_of(link.master()),
        link.kind().unwrap_or_default(),
        link.port_kind().unwrap_or_default(),
        link.alias().unwrap_or_default(),
    )
}

/// Returns a link as `ip -j -d` describes it.
fn theirs(link: &Value) -> String {
    let printed: Vec<String> = link["flags"].as_array().unwrap().iter().map(text).collect();
    let flags: Vec<&str> = FLAGS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| printed.iter().any(|flag| flag == name))
        .collect();
    let altnames: Vec<String> =
        link["altnames"].as_array().into_iter().flatten().map(text).collect();
    let peer = match &link["link_netnsid"] {
        Value::Null => text(&link["link"]),
        namespace => format!("#{} in {namespace}", link["link_index"]),
    };
    format!(
        "{} {} {flags:?} mtu {} {} {} master {:?} kind {:?} port of {:?} {altnames:?} alias {:?} peer {peer:?}",
        link["ifindex"],
        text(&link["ifname"]),
        link["mtu"],
        text(&link["operstate"]),
        text(&link["address"]),
        text(&link["master"]),
        text(&link["linkinfo"]["info_kind"]),
        text(&link["linkinfo"]["info_slave_kind"]),
        text(&link["ifalias"]),
    )
}

#[test]
fn links_by_master_or_kind_are_those_of_ip() {
    build();
    let other = OtherNamespace::new();
    ip("link add far0 type veth peer name far1");
    other.take("far1");
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let (br0, team0, leaves_out) = (index("br0"), index("team0"), leaves_out_statistics());
    for (filter, words) in [
        (LinkFilter::new(), ""),
        (LinkFilter::new().master(br0), "master br0"),
        (LinkFilter::new().master(team0), "master team0"),
        (LinkFilter::new().kind("team"), "type team"),
        (LinkFilter::new().kind("veth"), "type veth"),
        (LinkFilter::new().kind("veth").master(team0), "type veth master team0"),
    ] {
        let links = rtnl.links(&filter).unwrap();
        assert!(links.is_consistent());
        let printed = ip_json(&format!("-d link show {words}"));
        assert_same_lines(
            words,
            links.items().iter().map(|it| ours(it, &names)),
            printed.iter().map(theirs),
        );
        for link in links.items() {
            // The whole message can be decoded too, and has no statistics if the kernel leaves them
            // out.
            let message = link.message().unwrap();
            assert_eq!(message.header.index, link.ifindex().get());
            assert!(message.attributes.contains(&LinkAttribute::IfName(link.name().into_owned())));
            assert_eq!(has_statistics(&message), !leaves_out);
        }
    }
    assert_eq!(rtnl.links(&LinkFilter::new().master(index("team1"))).unwrap().items(), []);
}

#[test]
fn unknown_kind_has_no_links() {
    build();
    // The kernel ignores such a filter and sends all links.
    let links = RtnlSocket::new().unwrap().links(&LinkFilter::new().kind("no-such-kind")).unwrap();
    assert_eq!(links.items(), []);
}

#[test]
fn link_is_found_by_its_index_and_each_name() {
    build();
    let d2 = index("d2");
    let mut rtnl = RtnlSocket::new().unwrap();
    let by_index = rtnl.link_by_index(d2).unwrap();
    for name in ["d2", "short", "another-name-of-more-than-15-bytes"] {
        let link = rtnl.link_by_name(name).unwrap();
        assert_eq!((link.ifindex(), &*link.name()), (d2, "d2"), "{name}");
    }
    let names = names();
    assert_eq!(ours(&by_index, &names), theirs(&ip_json("-d link show dev d2")[0]));
    let longest = "x".repeat(127);
    ip(&format!("link property add dev d2 altname {longest}"));
    assert_eq!(rtnl.link_by_name(&longest).unwrap().ifindex(), d2);
}

#[test]
fn missing_link_and_rejection_are_different_errors() {
    enter();
    let mut rtnl = RtnlSocket::new().unwrap();
    for name in [
        "nosuch",
        "nosuch-with-a-long-name",
        "fifteen-bytes-x",
        &"y".repeat(127),
        &"z".repeat(128),
        "",
        "a/b",
        "%d",
    ] {
        let error = rtnl.link_by_name(name).unwrap_err();
        assert!(
            matches!(error, Error::NoSuchDevice { .. }),
            "expected NoSuchDevice: {name:?}: {error:?}"
        );
    }
    let largest = IfIndex::new(i32::MAX.unsigned_abs()).unwrap();
    assert!(matches!(rtnl.link_by_index(largest), Err(Error::NoSuchDevice { .. })));
    assert!(matches!(rtnl.delete_link(largest), Err(Error::NoSuchDevice { .. })));
    // The kernel rejects a request that names no link.
    let error = rtnl.request(RouteNetlinkMessage::GetLink(LinkMessage::default()), 0).unwrap_err();
    assert!(matches!(error, Error::Kernel { .. }), "expected Kernel: {error:?}");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // The socket still works.
    assert_eq!(rtnl.link_by_name("lo").unwrap().ifindex().get(), 1);
}

#[test]
fn name_of_invalid_utf8_does_not_fail_a_dump() {
    enter();
    let name = OsStr::from_bytes(b"e\xff");
    for (before, after) in
        [("link add", "type dummy"), ("addr add 192.0.2.1/24 dev", ""), ("rule add iif", "table 7")]
    {
        let mut command = Command::new("ip");
        command.args(before.split(' ')).arg(name).args(after.split_whitespace());
        assert!(command.status().unwrap().success(), "ip {before} failed");
    }
    let mut rtnl = RtnlSocket::new().unwrap();
    let links = rtnl.links(&LinkFilter::new().kind("dummy")).unwrap();
    let [link] = links.items() else { panic!("expected one link: {links:?}") };
    assert_eq!((&*link.name(), link.attribute(3)), ("e\u{fffd}", Some(&b"e\xff\0"[..])));
    // netlink-packet-route decodes names as text; other names are kept as bytes.
    assert!(link.message().unwrap().attributes.contains(&LinkAttribute::Mtu(1500)));
    let addresses = rtnl.addresses(&AddressFilter::new().link(link.ifindex())).unwrap();
    let [address] = addresses.items() else { panic!("expected one address: {addresses:?}") };
    let label = AddressAttribute::Other(DefaultNla::new(3, b"e\xff\0".to_vec()));
    assert!(address.message().attributes.contains(&label), "no label in {address:?}");
    assert_eq!(address.label().as_deref(), Some("e\u{fffd}"));
    assert_eq!(rtnl.rules(&RuleFilter::new().table(7)).unwrap().items().len(), 1);
    let any = rtnl.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default())).unwrap();
    assert_eq!(any.items().len(), rtnl.addresses(&AddressFilter::new()).unwrap().items().len());
}

#[test]
fn request_returns_reply_ack_or_the_kernels_message() {
    build();
    let mut rtnl = RtnlSocket::new().unwrap();
    let about = |name: &str| {
        let mut message = LinkMessage::default();
        message.header.index = index(name).get();
        message
    };
    let answer = rtnl.request(RouteNetlinkMessage::GetLink(about("d2")), 0).unwrap();
    let [RouteNetlinkMessage::NewLink(link)] = &answer[..] else {
        panic!("expected one link: {answer:?}")
    };
    assert!(link.attributes.contains(&LinkAttribute::IfName("d2".to_owned())));

    let mut change = about("d2");
    change.attributes.push(LinkAttribute::Mtu(1300));
    assert_eq!(rtnl.request(RouteNetlinkMessage::SetLink(change.clone()), 0).unwrap(), []);
    assert_eq!(rtnl.link_by_name("d2").unwrap().mtu(), 1300);

    change.attributes.push(LinkAttribute::Controller(index("lo").get()));
    let error = rtnl.request(RouteNetlinkMessage::SetLink(change.clone()), 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error().is_some()),
        (ErrorKind::Unsupported, true),
        "{error:?}"
    );

    let mut loopback = about("lo");
    loopback.attributes.push(LinkAttribute::Controller(index("team1").get()));
    let error = rtnl.request(RouteNetlinkMessage::SetLink(loopback), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let Error::Kernel { message: Some(words), .. } = error else { panic!("{error:?}") };
    assert_eq!(words, "Loopback device can't be added as a team port");

    // The kernel reports the offset of the invalid attribute in the request: 16 + 16 bytes.
    let mut bad = about("d2");
    bad.attributes.push(LinkAttribute::IfName("sixteen-bytes-xx".to_owned()));
    let error = rtnl.request(RouteNetlinkMessage::SetLink(bad), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let Error::Kernel { message: Some(_), offset: Some(32), .. } = error else {
        panic!("{error:?}")
    };
}

/// Returns one counter of a link, as `ip -s -s` prints it.
fn counter(link: &Value, direction: &str, name: &str) -> u64 {
    link["stats64"][direction][name]
        .as_u64()
        .unwrap_or_else(|| panic!("no counter {direction} {name}: {link}"))
}

#[test]
fn statistics_are_those_of_ip_and_only_on_request() {
    enter();
    let mut rtnl = RtnlSocket::new().unwrap();
    ip("link add d0 type dummy");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        socket.send_to(&[7; 100], socket.local_addr().unwrap()).unwrap();
    }
    let links = rtnl.links(&LinkFilter::new().with_statistics()).unwrap();
    assert_eq!(links.items().len(), 2);
    for link in &links {
        let statistics = link.statistics().unwrap();
        let printed = ip_json(&format!("-s -s link show dev {}", link.name())).remove(0);
        for (direction, name, found) in [
            ("rx", "packets", statistics.rx_packets),
            ("rx", "bytes", statistics.rx_bytes),
            ("rx", "errors", statistics.rx_errors),
            ("rx", "dropped", statistics.rx_dropped),
            ("rx", "multicast", statistics.multicast),
            ("rx", "missed_errors", statistics.rx_missed_errors),
            ("tx", "packets", statistics.tx_packets),
            ("tx", "bytes", statistics.tx_bytes),
            ("tx", "errors", statistics.tx_errors),
            ("tx", "dropped", statistics.tx_dropped),
            ("tx", "collisions", statistics.collisions),
            ("tx", "carrier_errors", statistics.tx_carrier_errors),
        ] {
            assert_eq!(
                found,
                counter(&printed, direction, name),
                "{direction} {name} of {}",
                link.name()
            );
        }
        let by_index = rtnl.link_by_index(link.ifindex()).unwrap().statistics();
        assert_eq!(by_index, Some(statistics), "statistics of a link looked up by index");
    }
    let lo = links.items()[0].statistics().unwrap();
    assert!(lo.rx_packets >= 100 && lo.tx_bytes >= 100 * 128, "counters of lo: {lo:?}");
    let without = rtnl.links(&LinkFilter::new()).unwrap();
    assert_eq!(
        without.items().iter().any(|link| link.statistics().is_some()),
        !leaves_out_statistics()
    );
}
