//! The actions on links and teams that are recorded.

use std::process::Command;

use libteam::bpf::{BpfProgram, HashFields};
use libteam::{Mode, OptionId, TeamHandle, TxMethod};

use crate::message::{TEAM_FAMILY, attribute};
use crate::recorder::{DUMP, Recorded, Recorder, TEAM};

type Scene = fn(&mut Recorder);

pub(crate) const SCENES: [(&str, Scene); 9] = [
    ("life", life),
    ("backup", backup),
    ("balance", balance),
    ("address", address),
    ("bridge", bridge),
    ("resync", resync),
    ("kinds", kinds),
    ("reborn", reborn),
    ("errors", errors),
];

pub(crate) fn play(scene: Scene) -> Recorded {
    ip("link add team0 index 10 type team");
    let mut recorder = Recorder::new();
    recorder.resync(|| {});
    scene(&mut recorder);
    recorder.resync(|| {});
    recorder.recorded
}

/// Runs `ip`. Links of a kind that the kernel lacks are left out.
fn ip(words: &str) {
    let status =
        Command::new("ip").args(words.split_whitespace()).status().expect("iproute2 is installed");
    if !status.success() {
        eprintln!("refused: ip {words}");
    }
}

/// Runs the commands, and receives the events of each.
fn step(recorder: &mut Recorder, commands: &[&str]) {
    for command in commands {
        ip(command);
        recorder.receive();
    }
}

fn ports(recorder: &mut Recorder) {
    for (port, index) in [("eth1", 21), ("eth2", 22)] {
        ip(&format!("link add {port} index {index} type veth peer name far-{port}"));
        ip(&format!("link set far-{port} up"));
        recorder.receive();
        step(recorder, &[&format!("link set {port} master team0")]);
    }
    step(recorder, &["link set team0 up"]);
}

/// Runs a command of a handle, and receives its events.
fn set(recorder: &mut Recorder, command: impl FnOnce(&mut TeamHandle) -> libteam::Result<()>) {
    let mut team = TeamHandle::open("team0").expect("the team is there");
    command(&mut team).expect("the driver takes it");
    recorder.receive();
    let options = team.options().map(|option| {
        let (value, code) = (option.value(), type_code(option.value().option_type()));
        format!("{}\n{code}\n{value}", option.id().name)
    });
    recorder.recorded.options = options.collect();
}

fn type_code(kind: libteam::OptionType) -> u8 {
    match kind {
        libteam::OptionType::U32 => 3,
        libteam::OptionType::String => 5,
        libteam::OptionType::Bool => 6,
        libteam::OptionType::Binary => 11,
        libteam::OptionType::I32 => 14,
        _ => 0,
    }
}

fn life(recorder: &mut Recorder) {
    set(recorder, |team| team.set_mode(Mode::RoundRobin));
    ports(recorder);
    step(
        recorder,
        &[
            "link set eth1 name lan1",
            "link set lan1 mtu 1400",
            "link property add dev lan1 altname a-port-with-a-name-of-more-than-fifteen-bytes altname p1",
            "link set eth2 address 02:00:00:00:00:22",
            "link set far-eth2 down",
            "link set far-eth2 up",
            "link set lan1 nomaster",
            "link set lan1 up",
            "link del lan1",
            "link set team0 name team1",
            "link del team1",
        ],
    );
}

fn backup(recorder: &mut Recorder) {
    set(recorder, |team| team.set_mode(Mode::ActiveBackup));
    ports(recorder);
    let port = libteam::IfIndex::new(21).expect("no 0");
    set(recorder, |team| team.set_active_port(port));
    for option in ["enabled", "user_linkup", "user_linkup_enabled", "rx_enabled", "enabled"] {
        set(recorder, |team| team.set_option(&OptionId::port(option, port), false).or(Ok(())));
        set(recorder, |team| team.set_option(&OptionId::port(option, port), true).or(Ok(())));
    }
    recorder.note_request(&[
        attribute(1, b"priority\0"),
        attribute(6, &21_u32.to_ne_bytes()),
        attribute(3, &[14]),
    ]);
    set(recorder, |team| team.set_option(&OptionId::port("priority", port), -5));
    set(recorder, |team| team.set_option(&OptionId::port("queue_id", port), 3_u32));
    set(recorder, |team| team.set_option(&OptionId::global("notify_peers_count"), 2_u32));
    step(recorder, &["link set far-eth1 down", "link set far-eth1 up", "link set eth2 nomaster"]);
}

fn balance(recorder: &mut Recorder) {
    set(recorder, |team| team.set_mode(Mode::LoadBalance));
    ports(recorder);
    let program = BpfProgram::hash(HashFields::IP);
    set(recorder, |team| team.set_option(&OptionId::global("bpf_hash_func"), &program));
    set(recorder, |team| {
        team.set_option(&OptionId::global("lb_tx_method"), TxMethod::HashToPortMapping.as_str())
    });
    set(recorder, |team| {
        team.set_option(&OptionId::element("lb_tx_hash_to_port_mapping", 1), 21_u32)
    });
    set(recorder, |team| team.set_option(&OptionId::global("lb_stats_refresh_interval"), 1_u32));
    step(recorder, &["link set eth1 nomaster", "link set eth2 nomaster"]);
    set(recorder, |team| team.set_mode(Mode::Random));
}

/// A mode in which ports get the team's address, and a port with another address.
fn address(recorder: &mut Recorder) {
    set(recorder, |team| team.set_mode(Mode::Broadcast));
    step(
        recorder,
        &[
            "link add d0 type dummy",
            "link set d0 master team0",
            "link set team0 address 02:00:00:00:00:0a",
            "link set d0 nomaster",
            "link set d0 address 02:00:00:00:00:0d",
            "link set d0 master team0",
            "link del d0",
        ],
    );
}

fn bridge(recorder: &mut Recorder) {
    ports(recorder);
    step(
        recorder,
        &[
            "link add br0 type bridge",
            "link set br0 up",
            "link set team0 master br0",
            "link add d0 type dummy",
            "link set d0 master br0",
            "link set d0 nomaster",
            "link set team0 nomaster",
            "link del br0",
        ],
    );
}

/// Links are added and removed during dumps.
fn resync(recorder: &mut Recorder) {
    ports(recorder);
    for number in 0..12 {
        ip(&format!("link add d{number} type dummy"));
    }
    recorder.resync(|| ip("link del d3"));
    recorder.resync(|| ip("link add d20 type dummy"));
    ip("link set eth1 nomaster");
    recorder.resync(|| {});
}

fn kinds(recorder: &mut Recorder) {
    step(
        recorder,
        &[
            "link add d0 type dummy",
            "link add link d0 name v7 type vlan id 7",
            "link add link d0 name m0 type macvlan mode bridge",
            "link add d1 type dummy",
            "link add link d1 name i0 type ipvlan",
            "link add b0 type bond",
            "link add g0 type gre remote 192.0.2.1 local 192.0.2.2",
            "link add t0 type ipip remote 192.0.2.1 local 192.0.2.2",
            "link add s0 type sit remote 192.0.2.1 local 192.0.2.2",
            "link add g6 type ip6gre remote 2001:db8::1 local 2001:db8::2",
            "link add x0 type vxlan id 5 remote 192.0.2.1 dstport 4789",
            "link add n0 type nlmon",
            "link add f0 type ifb",
            "link add r0 type vrf table 5",
            "link add w0 type wireguard",
            "tuntap add mode tap name tap0",
            "tuntap add mode tun name tun0",
            "link set d0 address 02:00:00:00:00:01",
            "link set d0 up",
        ],
    );
}

/// The team is deleted, and another link gets its index, then another team.
fn reborn(recorder: &mut Recorder) {
    ports(recorder);
    step(
        recorder,
        &[
            "link del team0",
            "link add d0 index 10 type dummy",
            "link del d0",
            "link add team0 index 10 type team",
            "link set eth1 master team0",
        ],
    );
}

fn errors(recorder: &mut Recorder) {
    let about = |index: u32| [&[0; 4], &index.to_ne_bytes()[..], &[0; 8]].concat();
    let team = attribute(1, &TEAM.to_ne_bytes());
    let item = |fields: &[Vec<u8>]| attribute(2, &attribute(1, &fields.concat()));
    let long_name = attribute(3, &[b'x'; 17]);
    let master = attribute(10, &TEAM.to_ne_bytes());
    recorder.request(19, 0, &[&about(1)[..], &master].concat());
    recorder.request(19, 0, &[&about(TEAM)[..], &master].concat());
    recorder.request(19, 0, &about(4711));
    recorder.request(19, 0, &about(1));
    recorder.request(18, 0, &[&about(0)[..], &long_name].concat());
    recorder.request(
        16,
        0x600,
        &[&about(0)[..], &attribute(18, &attribute(1, b"no-such-kind\0"))].concat(),
    );
    recorder.request(18, DUMP, &[&about(0)[..], &attribute(3, b"eth1\0")].concat());
    recorder.request(99, 0, &about(0));
    recorder.request(TEAM_FAMILY, 0, &[&[2, 1, 0, 0][..], &attribute(1, &[1])].concat());
    recorder.request(TEAM_FAMILY, 0, &[&[9, 1, 0, 0][..], &team].concat());
    let number = attribute(4, &5_u32.to_ne_bytes());
    let name = attribute(1, b"notify_peers_count\0");
    recorder.request(
        TEAM_FAMILY,
        0,
        &[&[1, 1, 0, 0][..], &team, &item(&[name.clone(), attribute(3, &[3]), number])].concat(),
    );
    recorder.request(TEAM_FAMILY, 0, &[&[1, 1, 0, 0][..], &team, &item(&[name])].concat());
    recorder.request(
        TEAM_FAMILY,
        0,
        &[&[1, 1, 0, 0][..], &team, &item(&[attribute(1, &[b'x'; 40])])].concat(),
    );
}
