//! The example `teamnl` does what the C library's `teamnl` does: output, settings, errors.

use libteam::{IfIndex, Mode, OptionId, TeamHandle};

use crate::support::features::{has_halves, switches};
use crate::support::netns::{enter, ip};
use crate::support::programs::{MODES, Tool, assert_same, team_with_ports_in_all_states};

/// Returns `-p` and `-a` for an option.
fn instance(team: &TeamHandle, id: &OptionId) -> String {
    let port =
        id.port.map(|port| format!("-p {} ", team.link(port).unwrap().name())).unwrap_or_default();
    let array_index = id.array_index.map(|index| format!("-a {index} ")).unwrap_or_default();
    port + &array_index
}

/// Sets options of each port and the team to other values than the initial ones.
fn set_everything(team: &mut TeamHandle) {
    let ports: Vec<IfIndex> = team.ports().map(libteam::Port::ifindex).collect();
    for (port, number) in ports.iter().zip([-5, 0, 7, i32::MIN]) {
        team.set_port_priority(*port, number).unwrap();
        team.set_port_user_linkup(*port, number > 0).unwrap();
        team.set_port_user_linkup_enabled(*port, number < 0).unwrap();
        team.set_port_enabled(*port, number != 7).unwrap();
    }
    team.set_port_queue_id(ports[0], 3).unwrap();
    team.set_notify_peers_count(u32::MAX).unwrap();
    if team.mode() == Some(Mode::ActiveBackup) {
        team.set_active_port(ports[1]).unwrap();
    }
    if team.mode() == Some(Mode::LoadBalance) {
        team.set_option(&OptionId::element("lb_tx_hash_to_port_mapping", 3), ports[0].get())
            .unwrap();
        team.set_option(&OptionId::global("bpf_hash_func"), vec![6, 0, 0, 0, 0xff, 0, 0, 0])
            .unwrap();
    }
}

#[test]
fn both_tools_print_the_same_in_every_mode() {
    for mode in MODES.map(Some).into_iter().chain([None]) {
        let mut team = team_with_ports_in_all_states(mode.clone());
        let mut compared = 0;
        for _ in 0..2 {
            assert_same("team0 ports");
            assert_same("team0 options");
            set_everything(&mut team);
        }
        let v0 = team.lookup_ifindex("v0").unwrap();
        let is_sample = |id: &OptionId| {
            id.port.is_none_or(|port| port == v0) && id.array_index.is_none_or(|i| i % 252 == 3)
        };
        for option in team.options().filter(|option| is_sample(option.id())) {
            let words =
                format!("{}team0 getoption {}", instance(&team, option.id()), option.id().name);
            let outcome = assert_same(&words);
            assert_eq!(outcome.stdout, format!("{}\n", option.value()), "{words}");
            compared += 1;
        }
        // In every mode there are five options of the team, and four of a port besides its
        // switches.
        assert!(
            compared >= 9 + switches(&team, v0).len(),
            "only {compared} options in the mode {mode:?}"
        );
        team.destroy().unwrap();
    }
}

#[test]
fn both_tools_truncate_long_lines_alike() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    for instructions in [0, 1, 4, 5, 43, 100] {
        let program = r"\06\00\00\00\ff\12\0a\00".repeat(instructions);
        let words = format!(
            "team0 setoption bpf_hash_func {}",
            if program.is_empty() { "''" } else { &program }
        );
        assert!(assert_same(&words).status.success());
        assert_eq!(assert_same("team0 options").stdout.contains("<trunc>"), instructions >= 5);
        if !program.is_empty() {
            assert_eq!(assert_same("team0 getoption bpf_hash_func").stdout, program + "\n");
        }
    }
}

#[test]
fn both_tools_list_the_newest_port_first() {
    let mut team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    let v0 = team.lookup_ifindex("v0").unwrap();
    team.remove_port(v0).unwrap();
    assert_same("team0 ports");
    ip("link set v0 down");
    team.add_port(v0).unwrap();
    ip("link del d0");
    let outcome = assert_same("team0 ports");
    assert_eq!(outcome.stdout.lines().count(), 3);
    assert!(outcome.stdout.contains(": v0: "));
    assert_same("team0 options");
}

/// Values that the driver accepts: `-p`, name, values.
const SETTINGS: [(&str, &str, &[&str]); 12] = [
    ("", "notify_peers_count", &["5", "+7", "0", "4294967295", "007"]),
    ("", "notify_peers_interval", &["100", "1"]),
    ("", "mcast_rejoin_count", &["2", "3"]),
    ("", "mcast_rejoin_interval", &["20", "30"]),
    ("-p v0", "enabled", &["false", "true"]),
    ("-p v0", "rx_enabled", &["false", "true"]),
    ("-p v0", "user_linkup", &["true", "false"]),
    ("-p v0", "user_linkup_enabled", &["true", "false"]),
    ("-p v0", "priority", &["10", "-2147483648", "2147483647", "-1"]),
    ("-p v0", "queue_id", &["15", "0"]),
    ("", "lb_tx_method", &["hash_to_port_mapping", "hash"]),
    ("", "bpf_hash_func", &[r"\06\00\00\00\01\00\00\00", r"\06\00\00\00\FF\00\00\00"]),
];

#[test]
fn option_set_by_one_tool_is_read_by_the_other() {
    let team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    let v0 = team.links().find(|link| link.name() == "v0").unwrap().ifindex();
    for (port, name, values) in SETTINGS {
        if name == "rx_enabled" && !has_halves(&team, v0) {
            continue;
        }
        for value in values {
            let read = [(Tool::C, Tool::Ours), (Tool::Ours, Tool::C)].map(|(setter, reader)| {
                let other = values.iter().find(|other| *other != value).unwrap();
                assert!(
                    Tool::C
                        .run(&format!("{port} team0 -- setoption {name} {other}"))
                        .status
                        .success()
                );
                let set = setter.run(&format!("{port} team0 -- setoption {name} {value}"));
                assert_eq!(
                    (set.status.code(), &*set.stdout),
                    (Some(0), ""),
                    "{setter:?} {name} {value}: {}",
                    set.stderr
                );
                reader.run(&format!("{port} team0 getoption {name}")).stdout
            });
            assert_eq!(read[0], read[1], "{name} {value}");
            assert_eq!(read[0].trim_end(), canonical(value), "{name}");
        }
    }
    let d0 = team
        .port(team.links().find(|link| link.name() == "d0").unwrap().ifindex())
        .unwrap()
        .ifindex();
    for (setter, reader, element) in [(Tool::C, Tool::Ours, 0), (Tool::Ours, Tool::C, 255)] {
        let set =
            setter.run(&format!("-a {element} team0 setoption lb_tx_hash_to_port_mapping {d0}"));
        assert!(set.status.success(), "setting the mapping failed: {}", set.stderr);
        let read = reader.run(&format!("-a {element} team0 getoption lb_tx_hash_to_port_mapping"));
        assert_eq!(read.stdout, format!("{d0}\n"));
    }
}

/// Returns a value as the driver reports it.
fn canonical(value: &str) -> String {
    value.parse::<i64>().map_or_else(|_| value.to_lowercase(), |number| number.to_string())
}

#[test]
fn both_tools_set_mode_and_active_port() {
    for setter in [Tool::C, Tool::Ours] {
        enter();
        ip("link add team0 type team");
        ip("link add d0 type dummy");
        assert!(setter.run("team0 setoption mode activebackup").status.success());
        ip("link set d0 master team0");
        let d0 = TeamHandle::open("team0").unwrap().lookup_ifindex("d0").unwrap();
        assert!(setter.run(&format!("team0 setoption activeport {d0}")).status.success());
        assert_eq!(assert_same("team0 getoption mode").stdout, "activebackup\n");
        assert_eq!(assert_same("team0 getoption activeport").stdout, format!("{d0}\n"));
    }
}

/// Command lines that both refuse in the mode `loadbalance`.
const REFUSED: [&str; 50] = [
    // The device.
    "nosuch ports",
    "'' ports",
    "lo ports",
    "d0 options",
    "peer0 getoption mode",
    "a/b ports",
    "sixteen-bytes-xx ports",
    "- ports",
    // The port.
    "-p nosuch team0 ports",
    "-p lo team0 getoption enabled",
    "-p team0 team0 getoption enabled",
    "-p peer0 team0 setoption enabled true",
    "-p '' team0 getoption enabled",
    "-p -- team0 getoption enabled",
    "-p v0 -p nosuch team0 getoption enabled",
    // The array index.
    "-a three -- team0 ports",
    "-a 3x team0 getoption lb_hash_stats",
    "-a 0x3 team0 getoption lb_hash_stats",
    "-a -1 team0 getoption lb_hash_stats",
    "-a 256 team0 getoption lb_hash_stats",
    "-a 4294967296 team0 getoption lb_hash_stats",
    "-a 99999999999999999999 team0 getoption lb_hash_stats",
    // The option.
    "team0 getoption nosuch",
    "team0 getoption ''",
    "team0 getoption Mode",
    "team0 getoption enabled",
    "team0 getoption lb_hash_stats",
    "team0 getoption activeport",
    "-a 0 team0 getoption mode",
    "-p v0 team0 getoption mode",
    "-p v0 -a 3 team0 getoption lb_hash_stats",
    "-p v0 -a 0 team0 getoption enabled",
    "team0 setoption nosuch 1",
    "team0 setoption enabled true",
    // The value.
    "team0 -- setoption notify_peers_count -1",
    "team0 setoption notify_peers_count 4294967296",
    "team0 setoption notify_peers_count 99999999999999999999",
    "team0 setoption notify_peers_count five",
    "team0 setoption notify_peers_count 5x",
    "-p v0 team0 setoption priority 2147483648",
    "-p v0 team0 -- setoption priority -2147483649",
    "-p v0 team0 setoption enabled yes",
    "-p v0 team0 setoption enabled ''",
    "team0 setoption bpf_hash_func \\06\\0",
    "team0 setoption bpf_hash_func 060000000000000000",
    "team0 setoption lb_tx_method nosuch",
    // The driver.
    "-p v0 team0 setoption queue_id 16",
    "-p v0 team0 setoption lb_port_stats \\00\\00\\00\\00\\00\\00\\00\\00",
    "team0 setoption mode roundrobin",
    "team0 monitor nosuch",
];

#[test]
fn both_tools_refuse_the_same_arguments() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    let before = assert_same("team0 options").stdout;
    for words in REFUSED {
        let outcome = assert_same(words);
        assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(1), ""), "{words}");
    }
    assert_eq!(assert_same("team0 options").stdout, before);
}

#[test]
fn errors_name_the_operation_and_the_reason() {
    let team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    let v0 = team.links().find(|link| link.name() == "v0").unwrap().ifindex();
    let said = [
        ("nosuch ports", "opening nosuch: no such device (ENODEV)".to_owned()),
        ("lo ports", "opening lo: lo is not a team device".to_owned()),
        ("d0 ports", "opening d0: d0 is not a team device, but of kind dummy".to_owned()),
        ("-p lo team0 ports", "lo is not a port of team0".to_owned()),
        ("-a x team0 ports", "invalid array index \"x\": expected a decimal number up to 4294967295".to_owned()),
        ("-a 3 team0 getoption lb_tx", "reading option lb_tx[3] of team0: no such option".to_owned()),
        (
            "team0 setoption notify_peers_count x",
            "setting option notify_peers_count of team0: invalid u32 \"x\": expected a decimal number up to 4294967295"
                .to_owned(),
        ),
        (
            "team0 setoption mode random",
            "setting option mode of team0 to \"random\": device or resource busy (EBUSY)"
                .to_owned(),
        ),
        (
            "-p v0 team0 setoption queue_id 16",
            format!(
                "setting option queue_id of port {v0} of team0 to 16: invalid argument (EINVAL)"
            ),
        ),
        ("team0 monitor x", "Unknown monitor style \"x\"".to_owned()),
    ];
    for (words, error) in said {
        assert_eq!(Tool::Ours.run(words).stderr, format!("Command failed: {error}\n"), "{words}");
    }
}
