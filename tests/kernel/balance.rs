//! Load balancing of real frames: the ports that they use, and the driver's counters.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use libteam::bpf::{BpfProgram, HashFields};
use libteam::{Error, IfIndex, Mode, TeamHandle, TxMethod};

use crate::support::frames::{Balanced, Wire};
use crate::support::netns::{enter, ip};
use crate::support::packets::interpreter::{Packet, hash};
use crate::support::packets::{Flow, UDP};
use crate::support::snapshot::assert_matches_kernel;
use crate::support::timeouts::timeout;

/// Returns this number of flows, each with another source port.
fn flows(count: u16) -> impl Iterator<Item = Flow> {
    (0..count).map(|number| Flow { ports: [20_000 + number, 53], ..Flow::new(UDP) })
}

fn balanced(fields: HashFields) -> (Balanced, BpfProgram) {
    let mut balanced = Balanced::over(4);
    let program = BpfProgram::hash(fields);
    balanced.team.set_bpf_hash_func(&program).unwrap();
    (balanced, program)
}

#[test]
fn flow_stays_on_one_port_and_many_flows_spread() {
    enter();
    let (balanced, _) = balanced(HashFields::IP | HashFields::UDP);
    for version in [Flow::ipv4, Flow::ipv6] {
        let mut shares = [0; 4];
        for flow in flows(256) {
            for payload in ["one", "two", "three"] {
                balanced.wire.send(&version(flow, payload.as_bytes()).frame);
            }
            let received: Vec<usize> = balanced.received(3).iter().map(Vec::len).collect();
            let port = received.iter().position(|count| *count == 3);
            shares[port.unwrap_or_else(|| panic!("{flow:?} uses several ports: {received:?}"))] +=
                1;
        }
        assert!(
            shares.iter().all(|share| (32..128).contains(share)),
            "frames per port: {shares:?}"
        );
    }
}

#[test]
fn statistics_agree_with_received_frames() {
    enter();
    let (mut balanced, program) = balanced(HashFields::ETH | HashFields::IP | HashFields::L4);
    assert_eq!(balanced.team.lb_stats_refresh_interval(), Some(Duration::ZERO));
    assert_eq!(balanced.team.lb_hash_stats(), Some([0; 256]));
    balanced.team.set_lb_stats_refresh_interval(Duration::from_millis(100)).unwrap();
    assert_eq!(balanced.team.lb_stats_refresh_interval(), Some(Duration::from_millis(100)));
    let (mut by_hash, mut total) = ([0; 256], 0);
    for (length, flow) in flows(300).enumerate() {
        let packet =
            if length % 2 == 0 { flow.ipv4(&vec![0; length]) } else { flow.ipv6(&vec![0; length]) };
        balanced.wire.send(&packet.frame);
        let bytes = packet.frame.len() as u64;
        by_hash[usize::from(hash(&program, &packet))] += bytes;
        total += bytes;
    }
    let deadline = Instant::now() + timeout();
    while balanced.team.lb_hash_stats().unwrap().iter().sum::<u64>() < total
        && Instant::now() < deadline
    {
        balanced.team.wait(Some(Duration::from_secs(1))).unwrap();
        let changes = balanced.team.handle_events().unwrap();
        assert!(!changes.is_resynced());
    }
    // The driver updates the ports after the hashes, in the same refresh.
    assert_eq!(balanced.team.lb_hash_stats(), Some(by_hash));
    for (port, frames) in balanced.ports.iter().zip(balanced.received(300)) {
        let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
        assert_eq!(balanced.team.lb_port_stats(*port), Some(bytes));
    }
    assert_eq!(balanced.team.lb_port_stats(balanced.team.ifindex()), None);
    balanced.team.set_lb_stats_refresh_interval(Duration::ZERO).unwrap();
    assert_matches_kernel(&balanced.team);
}

#[test]
fn stats_interval_the_driver_cannot_keep_is_refused() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    let longest = Duration::from_millis(419_430_300);
    for interval in [longest, Duration::from_millis(100), Duration::ZERO] {
        team.set_lb_stats_refresh_interval(interval).unwrap();
        assert_eq!(team.lb_stats_refresh_interval(), Some(interval));
    }
    let too_long = longest + Duration::from_millis(100);
    for interval in
        [too_long, Duration::MAX, Duration::from_millis(50), Duration::from_nanos(100_000_001)]
    {
        let error = team.set_lb_stats_refresh_interval(interval).unwrap_err();
        assert!(matches!(error, Error::OptionValue { .. }), "expected OptionValue: {error}");
    }
    assert_eq!(team.lb_stats_refresh_interval(), Some(Duration::ZERO));
}

#[test]
fn hash_uses_its_mapped_port() {
    enter();
    let (mut balanced, program) = balanced(HashFields::IP | HashFields::UDP);
    let [first, second, third, fourth] = balanced.ports[..] else { panic!("four ports") };
    assert_eq!(balanced.team.lb_tx_method(), Some(TxMethod::Hash));
    assert_eq!(balanced.team.lb_tx_hash_to_port_mapping(), Some([None; 256]));

    let port = |hash: u8| match hash {
        0..64 => third,
        64..128 => first,
        128..=254 => fourth,
        255 => second,
    };
    balanced.team.set_lb_tx_hash_to_port_mapping((0..=255).map(|hash| (hash, port(hash)))).unwrap();
    balanced.team.set_lb_tx_method(TxMethod::HashToPortMapping).unwrap();
    let mapping = balanced.team.lb_tx_hash_to_port_mapping().unwrap();
    assert!((0..=255).zip(mapping).all(|(hash, mapped)| mapped == Some(port(hash))));
    assert_matches_kernel(&balanced.team);

    for flow in flows(256) {
        let packet = flow.ipv4(&[]);
        balanced.wire.send(&packet.frame);
        let wanted = balanced.ports.iter().position(|each| *each == port(hash(&program, &packet)));
        assert_eq!(balanced.reached(1), Vec::from_iter(wanted));
    }

    // A partial mapping keeps the other hashes.
    balanced.team.set_lb_tx_hash_to_port_mapping([(7, second), (200, second)]).unwrap();
    let mapping = balanced.team.lb_tx_hash_to_port_mapping().unwrap();
    assert_eq!([mapping[6], mapping[7], mapping[200]], [Some(third), Some(second), Some(second)]);

    // Removing a port clears its mappings.
    balanced.team.remove_port(third).unwrap();
    assert_eq!(balanced.team.lb_tx_hash_to_port_mapping().unwrap()[6], None);
}

#[test]
fn mapping_to_non_port_changes_nothing() {
    enter();
    let mut balanced = Balanced::over(2);
    let non_port = balanced.team.lookup_ifindex("far1").unwrap();
    let port = balanced.ports[0];
    let error =
        balanced.team.set_lb_tx_hash_to_port_mapping([(0, port), (1, non_port)]).unwrap_err();
    assert!(
        matches!(error, Error::NotPort { ifindex, .. } if ifindex == non_port),
        "expected NotPort: {error}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "setting option lb_tx_hash_to_port_mapping[1] of team0 to {non_port}: \
             link {non_port} is not a port of team0 (ENOENT)"
        )
    );
    assert_eq!(balanced.team.lb_tx_hash_to_port_mapping(), Some([None; 256]));
}

#[test]
fn mapping_to_disabled_port_fails_alone() {
    enter();
    let mut balanced = Balanced::over(2);
    let [good, bad] = balanced.ports[..] else { panic!("two ports") };
    balanced.team.set_port_enabled(bad, false).unwrap();
    let error = balanced
        .team
        .set_lb_tx_hash_to_port_mapping(
            (0..=255).map(|hash| (hash, if hash == 3 { bad } else { good })),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "setting option lb_tx_hash_to_port_mapping[3] of team0 to {bad}: \
             no such device (ENODEV)"
        )
    );
    assert_eq!(error.raw_os_error(), Some(19));
    let mapping = balanced.team.lb_tx_hash_to_port_mapping().unwrap();
    assert!((0..256).all(|hash| mapping[hash] == (hash != 3).then_some(good)));
}

#[test]
fn mapping_with_lost_notification_is_set() {
    enter();
    let balanced = Balanced::over(2);
    // A buffer of the smallest size holds two events. Most settings are answered with ESRCH then.
    let mut team = TeamHandle::builder().receive_buffer(1).open("team0").unwrap();
    drop(balanced.team);
    let port = balanced.ports[1];
    team.set_lb_tx_hash_to_port_mapping((0..=255).map(|hash| (hash, port))).unwrap();
    assert_eq!(team.lb_tx_hash_to_port_mapping(), Some([Some(port); 256]));
    assert!(team.handle_events().unwrap().is_resynced());
}

#[test]
fn other_modes_have_no_load_balancing_options() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    assert_eq!(team.bpf_hash_func(), Ok(None));
    assert_eq!((team.lb_tx_method(), team.lb_stats_refresh_interval()), (None, None));
    assert!(team.lb_tx_hash_to_port_mapping().is_none() && team.lb_hash_stats().is_none());
    let errors = [
        team.set_bpf_hash_func(&BpfProgram::hash(HashFields::ETH)),
        team.set_lb_tx_method(TxMethod::Hash),
        team.set_lb_stats_refresh_interval(Duration::from_secs(1)),
    ];
    for error in errors {
        assert!(
            matches!(error, Err(Error::UnknownOption { .. })),
            "expected UnknownOption: {error:?}"
        );
    }
}

#[test]
fn unknown_tx_method_is_refused() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    let error = team.set_lb_tx_method(TxMethod::Other("weighted".to_owned())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting option lb_tx_method of team0 to \"weighted\": invalid argument (EINVAL)"
    );
    assert_eq!((error.raw_os_error(), team.lb_tx_method()), (Some(22), Some(TxMethod::Hash)));
}

#[test]
fn vlan_device_and_in_frame_tag_use_the_same_port() {
    enter();
    let fields =
        [HashFields::IP | HashFields::UDP, HashFields::VLAN | HashFields::IP | HashFields::UDP];
    let (mut balanced, _) = balanced(fields[0]);
    ip("link add link team0 name vlan5 type vlan id 5");
    ip("link set vlan5 up");
    let vlan = Wire::open("vlan5");
    for fields in fields {
        let program = BpfProgram::hash(fields);
        balanced.team.set_bpf_hash_func(&program).unwrap();
        let mut ports = BTreeSet::new();
        for flow in flows(64) {
            for packet in [flow.ipv4(b"payload"), flow.ipv6(b"payload")] {
                // The VLAN device leaves the tag in the metadata, for the network card to insert.
                vlan.send(&packet.frame);
                let beside = balanced.reached(1);
                balanced.wire.send(&packet.tagged(0x8100, 5).frame);
                assert_eq!((beside.len(), balanced.reached(1)), (1, beside.clone()), "{flow:?}");
                assert_eq!(
                    hash(&program, &packet.accelerated(5)) % 4,
                    u8::try_from(beside[0]).unwrap()
                );
                ports.extend(beside);
            }
        }
        assert_eq!(ports.len(), 4);
    }
}

/// Sends large datagrams, each from another port. Returns for each the number of far ends that it
/// reached and its number of frames.
fn send_fragmented(balanced: &Balanced, from: &str, to: &str) -> Vec<(usize, usize)> {
    let send = |_| {
        UdpSocket::bind((from, 0)).unwrap().send_to(&[0x1b; 4000], (to, 9)).unwrap();
        let received = balanced.received(3);
        let reached = received.iter().filter(|frames| !frames.is_empty()).count();
        (reached, received.iter().map(Vec::len).sum())
    };
    (0..32).map(send).collect()
}

#[test]
fn fragments_of_a_datagram_use_one_port() {
    enter();
    let (balanced, _) = balanced(HashFields::IP | HashFields::L4);
    std::fs::write("/proc/sys/net/ipv6/conf/team0/disable_ipv6", "0").unwrap();
    ip("address add 10.0.0.1/24 dev team0");
    ip("address add fd1b::1/64 dev team0 nodad");
    for neighbour in ["10.0.0.2", "fd1b::2"] {
        ip(&format!("neighbour add {neighbour} lladdr 02:1b:00:00:00:02 dev team0 nud permanent"));
    }
    assert_eq!(send_fragmented(&balanced, "10.0.0.1", "10.0.0.2"), [(1, 3); 32]);
    assert_eq!(send_fragmented(&balanced, "fd1b::1", "fd1b::2"), [(1, 3); 32]);
}

#[test]
fn no_hash_program_sends_all_to_one_port() {
    enter();
    let (mut balanced, program) = balanced(HashFields::IP | HashFields::UDP);
    let send = |balanced: &Balanced| {
        flows(64).for_each(|flow| balanced.wire.send(&flow.ipv4(&[]).frame));
        balanced.reached(64).len()
    };
    assert_eq!(balanced.team.bpf_hash_func(), Ok(Some(program)));
    assert_eq!(send(&balanced), 4);
    balanced.team.clear_bpf_hash_func().unwrap();
    assert_eq!(balanced.team.bpf_hash_func(), Ok(None));
    assert_eq!(send(&balanced), 1);
    assert_matches_kernel(&balanced.team);
}

/// The interpreter and the kernel compute the same hash: the driver counts every packet under the
/// interpreter's value.
#[test]
fn kernel_and_interpreter_hash_alike() {
    enter();
    let (mut balanced, program) = balanced(HashFields::all());
    let flow = Flow::new(UDP);
    let whole = flow.ipv4(b"payload");
    let packets = [
        whole.clone(),
        flow.ipv4_with(&[1; 12], 0, &whole.frame[34..]),
        flow.ipv4_with(&[], 0x2000, &whole.frame[34..]),
        flow.ipv4_with(&[], 0x0010, &whole.frame[34..]),
        flow.ipv6(b"payload"),
        flow.ipv6_with(44, &[UDP, 0, 0, 1, 0, 0, 0, 7], &whole.frame[34..]),
        flow.ipv6_with(0, &[UDP, 0, 1, 4, 0, 0, 0, 0], &whole.frame[34..]),
        flow.other(),
        whole.tagged(0x8100, 0x2005),
        whole.tagged(0x8100, 6).tagged(0x88a8, 5),
        whole.tagged(0x8100, 7).tagged(0x8100, 6).tagged(0x8100, 5),
        flow.ipv6(b"payload").tagged(0x8100, 6).tagged(0x88a8, 5),
        // Too short to contain the ports.
        Packet { frame: whole.frame[..36].to_vec(), tag: None },
    ];
    balanced.team.set_lb_stats_refresh_interval(Duration::from_millis(100)).unwrap();
    let mut expected = [0_u64; 256];
    for packet in &packets {
        balanced.wire.send(&packet.frame);
        expected[usize::from(hash(&program, packet))] += packet.frame.len() as u64;
        let deadline = Instant::now() + timeout();
        while balanced.team.lb_hash_stats() != Some(expected) {
            assert!(
                Instant::now() < deadline,
                "the driver does not count {packet:?} under the interpreter's hash"
            );
            balanced.team.wait(Some(Duration::from_millis(200))).unwrap();
            balanced.team.handle_events().unwrap();
        }
    }
}

#[test]
fn empty_mapping_changes_nothing() {
    enter();
    let mut balanced = Balanced::over(1);
    balanced.team.set_lb_tx_hash_to_port_mapping(std::iter::empty::<(u8, IfIndex)>()).unwrap();
    assert_eq!(balanced.team.lb_tx_hash_to_port_mapping(), Some([None; 256]));
}
