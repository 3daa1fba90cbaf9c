//! What happens to the links and the team while the kernel is listened to.

use std::process::Command;

use libteam::bpf::{BpfProgram, HashFields};
use libteam::{Mode, OptionId, TeamHandle, TxMethod};

use crate::hear::{DUMP, Ear, Recorded, TEAM};
use crate::message::{TEAM_FAMILY, attribute};

type Scene = fn(&mut Ear);

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
    let mut ear = Ear::new();
    ear.resync(|| {});
    scene(&mut ear);
    ear.resync(|| {});
    ear.recorded
}

/// Runs `ip`; a kind of link that the kernel does not have is no matter.
fn ip(words: &str) {
    let status =
        Command::new("ip").args(words.split_whitespace()).status().expect("iproute2 is installed");
    if !status.success() {
        eprintln!("refused: ip {words}");
    }
}

/// Runs each of the commands, and hears what comes of each.
fn step(ear: &mut Ear, commands: &[&str]) {
    for command in commands {
        ip(command);
        ear.hear();
    }
}

fn ports(ear: &mut Ear) {
    for (port, index) in [("eth1", 21), ("eth2", 22)] {
        ip(&format!("link add {port} index {index} type veth peer name far-{port}"));
        ip(&format!("link set far-{port} up"));
        ear.hear();
        step(ear, &[&format!("link set {port} master team0")]);
    }
    step(ear, &["link set team0 up"]);
}

/// Sets something, and hears what comes of it.
fn set(ear: &mut Ear, command: impl FnOnce(&mut TeamHandle) -> libteam::Result<()>) {
    let mut team = TeamHandle::open("team0").expect("the team is there");
    command(&mut team).expect("the driver takes it");
    ear.hear();
    let options = team.options().map(|option| {
        let (value, code) = (option.value(), type_code(option.value().option_type()));
        format!("{}\n{code}\n{value}", option.id().name)
    });
    ear.recorded.options = options.collect();
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

fn life(ear: &mut Ear) {
    set(ear, |team| team.set_mode(Mode::RoundRobin));
    ports(ear);
    step(
        ear,
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

fn backup(ear: &mut Ear) {
    set(ear, |team| team.set_mode(Mode::ActiveBackup));
    ports(ear);
    let port = libteam::IfIndex::new(21).expect("no 0");
    set(ear, |team| team.set_active_port(port));
    for option in ["enabled", "user_linkup", "user_linkup_enabled", "rx_enabled", "enabled"] {
        set(ear, |team| team.set_option(&OptionId::port(option, port), false).or(Ok(())));
        set(ear, |team| team.set_option(&OptionId::port(option, port), true).or(Ok(())));
    }
    ear.note_request(&[
        attribute(1, b"priority\0"),
        attribute(6, &21_u32.to_ne_bytes()),
        attribute(3, &[14]),
    ]);
    set(ear, |team| team.set_option(&OptionId::port("priority", port), -5));
    set(ear, |team| team.set_option(&OptionId::port("queue_id", port), 3_u32));
    set(ear, |team| team.set_option(&OptionId::global("notify_peers_count"), 2_u32));
    step(ear, &["link set far-eth1 down", "link set far-eth1 up", "link set eth2 nomaster"]);
}

fn balance(ear: &mut Ear) {
    set(ear, |team| team.set_mode(Mode::LoadBalance));
    ports(ear);
    let program = BpfProgram::hash(HashFields::IP);
    set(ear, |team| team.set_option(&OptionId::global("bpf_hash_func"), &program));
    set(ear, |team| {
        team.set_option(&OptionId::global("lb_tx_method"), TxMethod::HashToPortMapping.as_str())
    });
    set(ear, |team| team.set_option(&OptionId::element("lb_tx_hash_to_port_mapping", 1), 21_u32));
    set(ear, |team| team.set_option(&OptionId::global("lb_stats_refresh_interval"), 1_u32));
    step(ear, &["link set eth1 nomaster", "link set eth2 nomaster"]);
    set(ear, |team| team.set_mode(Mode::Random));
}

/// A mode that gives its ports the team's address, and a port that was given another by hand.
fn address(ear: &mut Ear) {
    set(ear, |team| team.set_mode(Mode::Broadcast));
    step(
        ear,
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

fn bridge(ear: &mut Ear) {
    ports(ear);
    step(
        ear,
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

/// Links come and go while they are listed.
fn resync(ear: &mut Ear) {
    ports(ear);
    for number in 0..12 {
        ip(&format!("link add d{number} type dummy"));
    }
    ear.resync(|| ip("link del d3"));
    ear.resync(|| ip("link add d20 type dummy"));
    ip("link set eth1 nomaster");
    ear.resync(|| {});
}

fn kinds(ear: &mut Ear) {
    step(
        ear,
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

/// The team goes, and another link gets its index, and then another team.
fn reborn(ear: &mut Ear) {
    ports(ear);
    step(
        ear,
        &[
            "link del team0",
            "link add d0 index 10 type dummy",
            "link del d0",
            "link add team0 index 10 type team",
            "link set eth1 master team0",
        ],
    );
}

fn errors(ear: &mut Ear) {
    let about = |index: u32| [&[0; 4], &index.to_ne_bytes()[..], &[0; 8]].concat();
    let team = attribute(1, &TEAM.to_ne_bytes());
    let item = |fields: &[Vec<u8>]| attribute(2, &attribute(1, &fields.concat()));
    let long_name = attribute(3, &[b'x'; 17]);
    let master = attribute(10, &TEAM.to_ne_bytes());
    ear.ask(19, 0, &[&about(1)[..], &master].concat());
    ear.ask(19, 0, &[&about(TEAM)[..], &master].concat());
    ear.ask(19, 0, &about(4711));
    ear.ask(19, 0, &about(1));
    ear.ask(18, 0, &[&about(0)[..], &long_name].concat());
    ear.ask(16, 0x600, &[&about(0)[..], &attribute(18, &attribute(1, b"no-such-kind\0"))].concat());
    ear.ask(18, DUMP, &[&about(0)[..], &attribute(3, b"eth1\0")].concat());
    ear.ask(99, 0, &about(0));
    ear.ask(TEAM_FAMILY, 0, &[&[2, 1, 0, 0][..], &attribute(1, &[1])].concat());
    ear.ask(TEAM_FAMILY, 0, &[&[9, 1, 0, 0][..], &team].concat());
    let number = attribute(4, &5_u32.to_ne_bytes());
    let name = attribute(1, b"notify_peers_count\0");
    ear.ask(
        TEAM_FAMILY,
        0,
        &[&[1, 1, 0, 0][..], &team, &item(&[name.clone(), attribute(3, &[3]), number])].concat(),
    );
    ear.ask(TEAM_FAMILY, 0, &[&[1, 1, 0, 0][..], &team, &item(&[name])].concat());
    ear.ask(
        TEAM_FAMILY,
        0,
        &[&[1, 1, 0, 0][..], &team, &item(&[attribute(1, &[b'x'; 40])])].concat(),
    );
}
