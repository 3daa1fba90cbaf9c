//! The example `conntrack` lists and deletes the entries that Debian's conntrack lists.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto,
    socket,
};
use serde_json::Value;

use crate::support::conntrack_cli::{
    assert_listed, ids, insert, listed_by_conntrack, listed_by_example, printed_by_example,
    run_conntrack,
};
use crate::support::netns::{OtherNamespace, enter, ip, veth};
use crate::support::programs::on_path;

/// Entries of various protocols and states, for `conntrack -I`.
const ENTRIES: [&str; 12] = [
    "-p tcp -s 10.0.0.1 -d 10.0.0.9 --sport 1000 --dport 80 --state ESTABLISHED -t 3000 -m 7",
    "-p tcp -s 10.0.0.1 -d 10.0.0.9 --sport 1001 --dport 80 --state SYN_SENT -t 3000 -u ASSURED,SEEN_REPLY",
    "-p tcp -s 10.0.0.2 -d 10.0.0.9 --sport 1000 --dport 443 --state TIME_WAIT -t 4000000 -m 0xdeadbeef",
    "-p tcp -s fc00::1 -d fc00::9 --sport 1000 --dport 80 --state ESTABLISHED -t 3000 -m 23",
    "-p udp -s 10.0.0.1 -d 10.0.0.9 --sport 1000 --dport 53 -t 3000 -u SEEN_REPLY",
    "-p udp -s 10.0.1.1 -d 10.0.0.9 --sport 53 --dport 53 -t 3000 -m 7",
    "-p udp -s fc00::1 -d fc01::9 --sport 1000 --dport 53 -t 3000",
    "-p udp -s 10.0.0.4 -d 10.0.0.9 --sport 5 --dport 6 -t 3000",
    "-p icmp -s 10.0.0.1 -d 10.0.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 3000",
    "-p icmpv6 -s fc00::1 -d fc00::9 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 78 -t 3000 -m 0x107",
    "-p 99 -s 10.0.0.1 -d 10.0.0.9 -t 3000",
    "-p tcp -s 10.0.0.3 -d 10.0.0.9 --sport 1 --dport 2 --state CLOSE_WAIT -t 3000 --src-nat 192.0.2.1",
];

/// Filters, each with its equivalent for Debian's conntrack.
const FILTERS: [(&str, &str); 22] = [
    ("--protocol tcp", "-p tcp"),
    ("-p 17", "-p udp"),
    ("-p ICMP", "-p icmp"),
    ("-p ipv6-icmp", "-p icmpv6"),
    ("-p 99", "-p 99"),
    ("--src 10.0.0.1", "-s 10.0.0.1"),
    ("-s 10.0.0.0/23", "-s 10.0.0.0/23"),
    ("-s 10.0.0.255/24", "-s 10.0.0.0/24"),
    ("-s fc00::1", "-s fc00::1"),
    ("--src fc00::/8 -p udp", "-s fc00::/8 -p udp"),
    ("-d fc00::/16", "-d fc00::/16"),
    ("-d 10.0.0.9/32", "-d 10.0.0.9"),
    ("-s 0.0.0.0/0", "-f ipv4"),
    ("--dst ::/0", "-f ipv6"),
    ("--protocol tcp --sport 1000", "-p tcp --sport 1000"),
    ("--dport 53 -p udp", "-p udp --dport 53"),
    ("-p tcp --sport 1000 --dport 80 -s 10.0.0.1", "-p tcp --sport 1000 --dport 80 -s 10.0.0.1"),
    ("--mark 7", "-m 7"),
    ("-m 0x7/0xf", "-m 7/0xf"),
    ("--mark 0xdeadbeef", "-m 0xdeadbeef"),
    ("--mark 0", "-m 0"),
    ("--state established", "-p tcp --state ESTABLISHED"),
];

#[test]
fn entries_are_those_of_conntrack() {
    enter();
    assert_eq!((listed_by_example(""), printed_by_example("list")), (vec![], String::new()));
    for (count, entry) in ENTRIES.into_iter().enumerate() {
        insert(&[entry]);
        assert_eq!(assert_listed().len(), count + 1, "{entry}");
    }
}

#[test]
fn each_filter_lists_the_entries_of_conntracks() {
    enter();
    insert(&ENTRIES);
    for (filter, same) in FILTERS {
        let chosen = ids(&listed_by_example(filter));
        assert_eq!(chosen, ids(&listed_by_conntrack(same)), "{filter}");
        assert!(
            (1..ENTRIES.len()).contains(&chosen.len()),
            "{filter} matches {} entries",
            chosen.len()
        );
    }
    assert_eq!(
        listed_by_example("--sport 1000").len(),
        5,
        "entries of all protocols that have ports"
    );
    assert_eq!(listed_by_example("--mark 0/0").len(), ENTRIES.len());
    for none in [
        "-p sctp",
        "-s 10.0.0.9",
        "--dport 1000",
        "--mark 6/0xf",
        "--state NONE",
        "-p udp --dport 80",
        "-s fc02::/16",
    ] {
        assert_eq!(listed_by_example(none), [] as [Value; 0], "{none}");
    }
}

#[test]
fn delete_removes_exactly_the_filtered_entries() {
    enter();
    for (filter, same) in FILTERS {
        insert(&ENTRIES);
        let (before, chosen) = (ids(&listed_by_conntrack("")), ids(&listed_by_conntrack(same)));
        assert_eq!(before.len(), ENTRIES.len());
        assert_eq!(
            printed_by_example(&format!("delete {filter}")),
            format!("{} deleted\n", chosen.len()),
            "{filter}"
        );
        let left: Vec<u64> = before.into_iter().filter(|id| !chosen.contains(id)).collect();
        assert_eq!(ids(&listed_by_conntrack("")), left, "{filter}");
        assert_eq!(printed_by_example(&format!("delete {filter}")), "0 deleted\n", "{filter}");
        run_conntrack("-F");
    }
}

#[test]
fn text_output_has_one_line_per_entry() {
    enter();
    for (entry, line) in [
        (
            ENTRIES[0],
            "tcp 10.0.0.1:1000 -> 10.0.0.9:80, reply 10.0.0.9:80 -> 10.0.0.1:1000, ESTABLISHED, unreplied, mark 0x7",
        ),
        (
            ENTRIES[6],
            "udp [fc00::1]:1000 -> [fc01::9]:53, reply [fc01::9]:53 -> [fc00::1]:1000, unreplied",
        ),
        (
            ENTRIES[8],
            "icmp 10.0.0.1 -> 10.0.0.9 type 8 code 0 id 77, reply 10.0.0.9 -> 10.0.0.1 type 0 code 0 id 77, unreplied",
        ),
        (ENTRIES[10], "99 10.0.0.1 -> 10.0.0.9, reply 10.0.0.9 -> 10.0.0.1, unreplied"),
        (
            ENTRIES[11],
            "tcp 10.0.0.3:1 -> 10.0.0.9:2, reply 10.0.0.9:2 -> 192.0.2.1:1, CLOSE_WAIT, unreplied",
        ),
    ] {
        insert(&[entry]);
        let text = printed_by_example("list");
        let rest = text.strip_prefix(line).unwrap_or_else(|| panic!("{line}\n{text}"));
        let seconds = rest.strip_prefix(", ").and_then(|rest| rest.strip_suffix(" s left\n"));
        assert!(
            matches!(seconds.unwrap().parse(), Ok(2900..=3000)),
            "expected 2900 to 3000 s left: {text}"
        );
        run_conntrack("-F");
    }
}

/// Two namespaces, and tracked connections from this one to the other.
struct Traffic {
    _peer: OtherNamespace,
    _open: (TcpStream, TcpStream),
}

impl Traffic {
    fn new() -> Self {
        enter();
        let peer = OtherNamespace::new();
        veth("v0", "v1");
        peer.take("v1");
        ip("addr add 10.0.0.1/24 dev v0");
        ip("addr add fc00::1/64 dev v0 nodad");
        ip("link set v0 up");
        let listener = peer.run(|| {
            ip("addr add 10.0.0.2/24 dev v1");
            ip("addr add fc00::2/64 dev v1 nodad");
            ip("link set v1 up");
            TcpListener::bind("10.0.0.2:80").unwrap()
        });
        // Timeouts long enough for entries to last until the test ends.
        for protocol in ["udp", "icmp", "icmpv6"] {
            std::fs::write(
                format!("/proc/sys/net/netfilter/nf_conntrack_{protocol}_timeout"),
                "3000",
            )
            .unwrap();
        }
        // tc can enable connection tracking without a firewall rule.
        tc("qdisc add dev v0 clsact");
        for direction in ["egress", "ingress"] {
            tc(&format!(
                "filter add dev v0 {direction} protocol ip prio 1 matchall action ct commit mark 5"
            ));
            tc(&format!(
                "filter add dev v0 {direction} protocol ipv6 prio 2 matchall action ct commit"
            ));
        }
        let mut client = TcpStream::connect("10.0.0.2:80").unwrap();
        let mut server = listener.accept().unwrap().0;
        client.write_all(b"?").unwrap();
        server.read_exact(&mut [0]).unwrap();
        UdpSocket::bind("10.0.0.1:0").unwrap().send_to(b"x", "10.0.0.2:53").unwrap();
        UdpSocket::bind("[fc00::1]:0").unwrap().send_to(b"x", "[fc00::2]:53").unwrap();
        ping();
        Self { _peer: peer, _open: (client, server) }
    }
}

fn tc(words: &str) {
    let output = std::process::Command::new(on_path("tc", "iproute2"))
        .args(words.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "tc {words} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Sends an echo request of each version.
fn ping() {
    let raw =
        |family, protocol| socket(family, SockType::Raw, SockFlag::empty(), protocol).unwrap();
    let echo = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    let to = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 0));
    let icmp = raw(AddressFamily::Inet, SockProtocol::Icmp);
    assert_eq!(sendto(icmp.as_raw_fd(), &echo, &to, MsgFlags::empty()), Ok(8));
    // The kernel computes the checksum of ICMPv6.
    let echo = [128, 0, 0, 0, 0, 1, 0, 1];
    let to = SockaddrIn6::from(SocketAddrV6::new("fc00::2".parse::<Ipv6Addr>().unwrap(), 0, 0, 0));
    let icmp = raw(AddressFamily::Inet6, SockProtocol::IcmpV6);
    assert_eq!(sendto(icmp.as_raw_fd(), &echo, &to, MsgFlags::empty()), Ok(8));
}

#[test]
fn real_connections_are_listed_and_deleted() {
    let traffic = Traffic::new();
    let before = assert_listed();
    let protocols: Vec<u64> =
        before.iter().map(|entry| entry["protocol"].as_u64().unwrap()).collect();
    for protocol in [1, 6, 17, 58] {
        assert!(protocols.contains(&protocol), "no entry of {protocol}: {before:#?}");
    }
    let filter = "--protocol tcp --dport 80 --dst 10.0.0.2 --src 10.0.0.1 --mark 5";
    let [tcp] = &listed_by_example(filter)[..] else { panic!("{before:#?}") };
    assert_eq!(printed_by_example(&format!("delete {filter}")), "1 deleted\n");
    let left: Vec<u64> =
        ids(&before).into_iter().filter(|id| Some(*id) != tcp["id"].as_u64()).collect();
    assert_eq!(ids(&assert_listed()), left);
    let chosen = listed_by_conntrack("-p udp").len();
    assert_eq!(
        printed_by_example("delete --protocol udp --dport 53"),
        format!("{chosen} deleted\n")
    );
    assert!(chosen == 2 && listed_by_conntrack("-p udp").is_empty());
    drop(traffic);
}
