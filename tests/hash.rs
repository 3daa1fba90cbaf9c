//! The programs that [`BpfProgram::hash`] composes: the bytes of packets on which the hash depends,
//! and how evenly it spreads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod packets;

use std::collections::BTreeSet;
use std::ops::Range;

use libteam::bpf::{BpfProgram, HashFields};
use packets::interpreter::{self, Packet, hash};
use packets::{Flow, ICMP, SCTP, TCP, UDP};

/// Returns every set of fields with its program.
fn all() -> impl Iterator<Item = (HashFields, BpfProgram)> {
    (0..=HashFields::all().bits()).map(|bits| {
        let fields = HashFields::from_bits(bits).unwrap();
        (fields, BpfProgram::hash(fields))
    })
}

fn run(program: &BpfProgram, packet: &Packet) -> u32 {
    interpreter::run(program.instructions(), packet)
}

/// Returns the bytes of a packet's frame on which the hash depends.
fn counted(program: &BpfProgram, packet: &Packet) -> BTreeSet<usize> {
    let before = run(program, packet);
    let counts = |position: &usize| {
        [0x01, 0x80, 0xff].into_iter().any(|flip| {
            let mut packet = packet.clone();
            packet.frame[*position] ^= flip;
            run(program, &packet) != before
        })
    };
    (0..packet.frame.len()).filter(counts).collect()
}

/// The position of each hash field in a packet, as ranges of bytes.
type Layout = Vec<(HashFields, Range<usize>)>;

/// Panics unless the hash depends on exactly the bytes of each set of fields. `deciding` are bytes
/// that determine the packet's type, which are not checked.
fn assert_counts(what: &str, packet: &Packet, layout: &Layout, deciding: &[usize]) {
    for (fields, program) in all() {
        let wanted = layout
            .iter()
            .filter(|(field, _)| fields.intersects(*field))
            .flat_map(|(_, range)| range.clone());
        let wanted: BTreeSet<usize> =
            wanted.filter(|position| !deciding.contains(position)).collect();
        let mut found = counted(&program, packet);
        found.retain(|position| !deciding.contains(position));
        assert_eq!(found, wanted, "{what}, {fields}");
    }
}

fn layout(tags: usize, more: Layout) -> Layout {
    let mut layout = vec![(HashFields::ETH, 0..12)];
    for tag in 0..tags {
        layout.push((HashFields::VLAN, 14 + 4 * tag..16 + 4 * tag));
    }
    layout.extend(more);
    layout
}

/// Returns a packet with up to two tags in its frame: a description, the packet, and the number of
/// tags in the frame.
fn with_tags(packet: &Packet) -> [(&'static str, Packet, usize); 6] {
    [
        ("untagged", packet.clone(), 0),
        ("tag beside", packet.accelerated(5), 0),
        ("802.1Q", packet.tagged(0x8100, 5), 1),
        ("802.1ad", packet.tagged(0x88a8, 5), 1),
        ("two tags", packet.tagged(0x8100, 6).tagged(0x88a8, 5), 2),
        (
            "one offloaded, two in the frame",
            packet.tagged(0x8100, 6).tagged(0x8100, 5).accelerated(4),
            2,
        ),
    ]
}

/// Returns the bytes that determine the packet's type: its types, and the priorities in its tags,
/// which share bytes with the VLAN ids.
fn types(tags: usize) -> Vec<usize> {
    (12..14 + 4 * tags).filter(|position| position % 4 < 2).collect()
}

#[test]
fn every_field_set_gives_a_valid_program() {
    for (fields, program) in all() {
        assert_eq!(
            BpfProgram::new(program.instructions()),
            Ok(program.clone()),
            "{fields}\n{program}"
        );
    }
    // Short enough for any limit, and for conditional jumps over the whole program.
    let longest = all().map(|(_, program)| program.instructions().len()).max().unwrap();
    assert!(longest < 255, "the longest program has {longest} instructions");
}

#[test]
fn ipv4_hash_depends_on_addresses_and_ports() {
    for (protocol, field) in
        [(TCP, HashFields::TCP), (UDP, HashFields::UDP), (SCTP, HashFields::SCTP)]
    {
        for (what, packet, tags) in with_tags(&Flow::new(protocol).ipv4(b"payload")) {
            let ip = 14 + 4 * tags;
            let layout =
                layout(tags, vec![(HashFields::IPV4, ip + 12..ip + 20), (field, ip + 20..ip + 24)]);
            let deciding = [types(tags), vec![ip, ip + 6, ip + 7, ip + 9]].concat();
            assert_counts(what, &packet, &layout, &deciding);
        }
    }
}

#[test]
fn ipv4_options_are_skipped_before_the_ports() {
    for words in [1, 5, 10] {
        let options = vec![1; 4 * words];
        let flow = Flow::new(UDP);
        let packet = flow.ipv4_with(&options, 0, &flow.ipv4(b"payload").frame[34..]);
        let ports = 34 + options.len();
        let layout =
            layout(0, vec![(HashFields::IPV4, 26..34), (HashFields::UDP, ports..ports + 4)]);
        assert_counts("options", &packet, &layout, &[12, 13, 14, 20, 21, 23]);
    }
}

#[test]
fn ipv6_hash_depends_on_addresses_and_ports() {
    for (protocol, field) in
        [(TCP, HashFields::TCP), (UDP, HashFields::UDP), (SCTP, HashFields::SCTP)]
    {
        for (what, packet, tags) in with_tags(&Flow::new(protocol).ipv6(b"payload")) {
            let ip = 14 + 4 * tags;
            let layout =
                layout(tags, vec![(HashFields::IPV6, ip + 8..ip + 40), (field, ip + 40..ip + 44)]);
            assert_counts(what, &packet, &layout, &[types(tags), vec![ip + 6]].concat());
        }
    }
}

#[test]
fn fragments_are_hashed_without_ports() {
    let flow = Flow::new(UDP);
    let payload = &flow.ipv4(b"payload").frame[34..];
    // The first fragment, one in the middle, the last one; with and without other flags.
    for fragment in [0x2000, 0x2001, 0x3fff, 0x0001, 0x1fff, 0x2000 | 0x8000, 0x4001] {
        for (what, packet, tags) in with_tags(&flow.ipv4_with(&[], fragment, payload)) {
            let ip = 14 + 4 * tags;
            let layout = layout(tags, vec![(HashFields::IPV4, ip + 12..ip + 20)]);
            assert_counts(what, &packet, &layout, &[types(tags), vec![ip + 6, ip + 7]].concat());
        }
    }
    // A fragment header, whose next header is UDP.
    let fragment = [UDP, 0, 0, 1, 0, 0, 0, 7];
    let packet = flow.ipv6_with(44, &fragment, payload);
    assert_counts("IPv6", &packet, &layout(0, vec![(HashFields::IPV6, 22..54)]), &[12, 13, 20]);
}

#[test]
fn unfragmented_packets_are_hashed_with_ports() {
    let flow = Flow::new(UDP);
    let payload = &flow.ipv4(b"payload").frame[34..];
    let program = BpfProgram::hash(HashFields::IP | HashFields::L4);
    let hashes: BTreeSet<u32> = [0, 0x4000, 0x8000, 0xc000]
        .map(|flags| run(&program, &flow.ipv4_with(&[], flags, payload)))
        .into();
    assert_eq!(hashes.len(), 1);
}

#[test]
fn extension_headers_and_other_protocols_hide_ports() {
    let flow = Flow::new(UDP);
    let payload = &flow.ipv6(b"payload").frame[54..];
    for next in [0, 43, 51, 60] {
        let packet = flow.ipv6_with(next, &[UDP, 0, 1, 4, 0, 0, 0, 0], payload);
        assert_counts(
            "extension",
            &packet,
            &layout(0, vec![(HashFields::IPV6, 22..54)]),
            &[12, 13, 20],
        );
    }
    let flow = Flow::new(ICMP);
    assert_counts(
        "v4",
        &flow.ipv4(&[]),
        &layout(0, vec![(HashFields::IPV4, 26..34)]),
        &[12, 13, 14, 20, 21, 23],
    );
    assert_counts(
        "v6",
        &flow.ipv6(&[]),
        &layout(0, vec![(HashFields::IPV6, 22..54)]),
        &[12, 13, 20],
    );
}

#[test]
fn other_packets_hash_only_ethernet_and_tags() {
    for (what, packet, tags) in with_tags(&Flow::new(UDP).other()) {
        assert_counts(what, &packet, &layout(tags, vec![]), &types(tags));
    }
    // Headers behind a third tag in the frame are not parsed.
    let deep =
        Flow::new(UDP).ipv4(b"payload").tagged(0x8100, 7).tagged(0x8100, 6).tagged(0x8100, 5);
    assert_counts("three tags", &deep, &layout(2, vec![]), &types(2));
}

#[test]
fn tag_hash_depends_on_id_and_not_on_priority() {
    let program = BpfProgram::hash(HashFields::all());
    let plain = Flow::new(UDP).ipv4(b"payload");
    let ways: [fn(&Packet, u16) -> Packet; 3] = [
        |packet, tag| packet.accelerated(tag),
        |packet, tag| packet.tagged(0x8100, tag),
        |packet, tag| packet.tagged(0x88a8, 9).tagged(0x8100, tag),
    ];
    for way in ways {
        let of = |tag: u16| run(&program, &way(&plain, tag));
        for tag in [5, 0x2005, 0xe005, 0xf005] {
            assert_eq!(of(tag), of(5), "{tag:#x}");
        }
        let numbers: BTreeSet<u32> = (1..0xfff).map(of).collect();
        assert!(numbers.len() > 4000, "{} different hashes of 4096 VLAN ids", numbers.len());
    }
}

#[test]
fn offloaded_tag_hashes_like_an_in_frame_tag() {
    let flow = Flow::new(TCP);
    for packet in [
        flow.ipv4(b"payload"),
        flow.ipv6(b"payload"),
        flow.other(),
        flow.ipv4_with(&[], 0x2000, b"12345678"),
    ] {
        for (fields, program) in all() {
            let beside = run(&program, &packet.accelerated(5));
            assert_eq!(run(&program, &packet.tagged(0x8100, 5)), beside, "{fields}");
            assert_eq!(run(&program, &packet.tagged(0x88a8, 5)), beside, "{fields}");
            let inner = packet.tagged(0x8100, 6);
            assert_eq!(
                run(&program, &inner.tagged(0x88a8, 5)),
                run(&program, &inner.accelerated(5)),
                "{fields}"
            );
            // Without the VLAN among the fields, a tag has no effect.
            if !fields.contains(HashFields::VLAN) {
                assert_eq!(run(&program, &packet), beside, "{fields}");
            }
        }
    }
}

#[test]
fn truncated_packet_has_the_hash_0() {
    let program = BpfProgram::hash(HashFields::all());
    let whole = Flow::new(UDP).ipv4(&[]);
    for length in 0..whole.frame.len() {
        let cut = Packet { frame: whole.frame[..length].to_vec(), tag: None };
        assert_eq!(run(&program, &cut) == 0, length < 38, "hash of a packet cut to {length} bytes");
    }
    let nothing = BpfProgram::hash(HashFields::empty());
    assert_eq!(run(&nothing, &whole), run(&nothing, &Packet { frame: vec![], tag: None }));
}

/// Distributes flows over `ports` ports. Returns the smallest and the largest share, in percent of
/// an even one.
fn spread(fields: HashFields, flows: impl Iterator<Item = Packet>, ports: usize) -> (usize, usize) {
    let program = BpfProgram::hash(fields);
    let mut shares = vec![0; ports];
    let mut count = 0;
    for packet in flows {
        shares[usize::from(hash(&program, &packet)) % ports] += 1;
        count += 1;
    }
    let percent = |share: &usize| share * 100 * ports / count;
    (shares.iter().map(percent).min().unwrap(), shares.iter().map(percent).max().unwrap())
}

#[test]
fn flows_that_differ_little_spread_well() {
    let base = Flow::new(UDP);
    let numbers = || 0..=255_u8;
    let port = |offset: u16| move |number: u8| offset + u16::from(number);
    let crowds: [(&str, HashFields, Vec<Packet>); 7] = [
        (
            "source ports",
            HashFields::L4,
            numbers()
                .map(port(40_000))
                .map(|source| Flow { ports: [source, 53], ..base }.ipv4(&[]))
                .collect(),
        ),
        // Flows that an exclusive or of the two ports would not distinguish.
        (
            "equal ports",
            HashFields::L4,
            numbers()
                .map(port(500))
                .map(|both| Flow { ports: [both; 2], ..base }.ipv4(&[]))
                .collect(),
        ),
        (
            "hosts",
            HashFields::IP,
            numbers().map(|host| Flow { hosts: [host, 1], ..base }.ipv4(&[])).collect(),
        ),
        (
            "pairs of hosts",
            HashFields::IP,
            numbers().map(|host| Flow { hosts: [host; 2], ..base }.ipv4(&[])).collect(),
        ),
        (
            "IPv6 hosts",
            HashFields::IP,
            numbers().map(|host| Flow { hosts: [host, 1], ..base }.ipv6(&[])).collect(),
        ),
        (
            "stations",
            HashFields::ETH,
            numbers().map(|station| Flow { eth: [station, 1], ..base }.other()).collect(),
        ),
        (
            "VLANs",
            HashFields::VLAN,
            numbers().map(|vlan| base.other().accelerated(vlan.into())).collect(),
        ),
    ];
    for (what, fields, packets) in crowds {
        for ports in [2, 3, 4, 8] {
            let (least, most) = spread(fields, packets.iter().cloned(), ports);
            println!("{what} over {ports}: {least}..{most} %");
            assert!(
                least >= 55 && most <= 150,
                "{what} over {ports} ports: {least} to {most} percent"
            );
        }
    }
}

#[test]
fn top_bits_of_addresses_spread_well() {
    let packets = (0..=255_u8).map(|top| {
        let mut packet = Flow::new(UDP).ipv4(&[]);
        // The first bytes of both addresses, changed together.
        (packet.frame[26], packet.frame[30]) = (top, top);
        packet
    });
    for ports in [2, 3, 4, 8] {
        let (least, most) = spread(HashFields::IP, packets.clone(), ports);
        assert!(least >= 55 && most <= 150, "{ports} ports: {least} to {most} percent");
    }
}
