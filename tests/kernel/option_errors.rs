//! Options that cannot be set, and their errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libteam::rtnl::RtnlSocket;
use libteam::{Error, IfIndex, LinkSettings, Mode, OptionId, OptionValue, Result, TeamHandle};
use nix::errno::Errno;

use crate::support::changes::{assert_no_changes, kernel_errno, reason, take_changes, team_with};
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::state;

/// Panics unless the team is unchanged and has nothing to report.
fn assert_untouched(team: &mut TeamHandle, before: &TeamHandle) {
    assert_no_changes(team);
    assert_eq!(state(team).options, state(before).options);
    assert_eq!(state(&TeamHandle::open("team0").unwrap()).options, state(before).options);
}

#[test]
fn missing_option_is_unknown_option() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let table: [(OptionId, OptionValue); 7] = [
        (OptionId::global("no_such_option"), 1_u32.into()),
        (OptionId::global("activeport"), d0.get().into()),
        (OptionId::global("priority"), 1_i32.into()),
        (OptionId::port("notify_peers_count", d0), 1_u32.into()),
        (OptionId::global("lb_tx_hash_to_port_mapping"), d0.get().into()),
        (OptionId::element("lb_tx_hash_to_port_mapping", 256), d0.get().into()),
        (OptionId::element("lb_tx_hash_to_port_mapping", u32::MAX), d0.get().into()),
    ];
    for (id, value) in table {
        let operation = format!("setting option {id} of team0 to {value}");
        let error = team.set_option(&id, value).unwrap_err();
        assert_eq!(error.to_string(), format!("{operation}: no such option (ENOENT)"));
        let Error::UnknownOption { op, team, id: unknown } = error else {
            panic!("not UnknownOption: {error:?}")
        };
        assert_eq!((op, &*team, unknown), (operation, "team0", id));
    }
    assert_untouched(&mut team, &before);
}

/// A command for one port.
type PortCommand = fn(&mut TeamHandle, IfIndex) -> Result<()>;

/// Returns every command for one port, with the option and the value that it sets.
fn port_commands() -> Vec<(&'static str, PortCommand)> {
    vec![
        ("enabled of port {} of team0 to true", |team, port| team.set_port_enabled(port, true)),
        ("priority of port {} of team0 to 1", |team, port| team.set_port_priority(port, 1)),
        ("rx_enabled of port {} of team0 to true", |team, port| {
            team.set_port_rx_enabled(port, true)
        }),
        ("tx_enabled of port {} of team0 to true", |team, port| {
            team.set_port_tx_enabled(port, true)
        }),
        ("user_linkup of port {} of team0 to true", |team, port| {
            team.set_port_user_linkup(port, true)
        }),
        ("user_linkup_enabled of port {} of team0 to true", |team, port| {
            team.set_port_user_linkup_enabled(port, true)
        }),
        ("queue_id of port {} of team0 to 1", |team, port| team.set_port_queue_id(port, 1)),
        ("enabled of port {} of team0 to true", |team, port| {
            team.set_option(&OptionId::port("enabled", port), true)
        }),
        (r#"enabled of port {} of team0 to "true""#, |team, port| {
            team.set_option_str(&OptionId::port("enabled", port), "true")
        }),
        ("enabled of port {} of team0 to true", |team, port| {
            team.set_options([(OptionId::port("enabled", port), true.into())])
        }),
    ]
}

/// Panics unless each command for a port fails with [`Error::NotPort`].
fn assert_not_port(team: &mut TeamHandle, port: IfIndex) {
    for (option, set) in port_commands() {
        let error = set(team, port).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == port),
            "expected NotPort: {option}: {error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "setting option {}: link {port} is not a port of team0 (ENOENT)",
                option.replace("{}", &port.to_string())
            )
        );
    }
}

#[test]
fn port_option_of_a_non_port_is_not_port() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    dummies(&["d1"]);
    for link in [index("d1"), index("lo"), team.ifindex(), IfIndex::new(4711).unwrap()] {
        assert_not_port(&mut team, link);
    }
    take_changes(&mut team);
    assert_untouched(&mut team, &before);
}

/// Commands by which another process removes a port from the team.
const DEPARTURES: [&str; 3] = ["link set d0 nomaster", "link del d0", "link set d0 master br0"];

#[test]
fn option_of_a_port_just_released_is_not_port() {
    for (number, departure) in DEPARTURES.into_iter().enumerate() {
        // For each command: it is the first one after the port was removed.
        for (option, set) in port_commands() {
            enter();
            let mut team = team_with(Mode::RoundRobin, &["d0"]);
            ip("link add br0 type bridge");
            let d0 = index("d0");
            ip(departure);
            let error = set(&mut team, d0).unwrap_err();
            assert!(
                matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == d0),
                "expected NotPort: {number}, {option}: {error:?}"
            );
            assert_not_port(&mut team, d0);
        }
    }
}

#[test]
fn option_of_a_port_released_meanwhile_is_not_port() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let (d0, master) = (index("d0"), team.ifindex());
    let mut rtnl = RtnlSocket::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let is_stopped = Arc::clone(&stop);
    let moves = std::thread::spawn(move || {
        while !is_stopped.load(Ordering::Relaxed) {
            rtnl.set_link(d0, &LinkSettings::new().no_master()).unwrap();
            rtnl.set_link(d0, &LinkSettings::new().down().master(master)).unwrap();
        }
    });
    let mut failed = 0;
    for priority in 0..2000 {
        match team.set_port_priority(d0, priority) {
            Ok(()) => {}
            Err(Error::NotPort { ifindex, .. }) if ifindex == d0 => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    moves.join().unwrap();
    assert_ne!(failed, 0, "no set failed while the port was removed and added");
}

#[test]
fn active_port_and_mapping_to_released_port_fail() {
    for departure in DEPARTURES {
        enter();
        let mut team = team_with(Mode::ActiveBackup, &["d0"]);
        ip("link add br0 type bridge");
        let d0 = index("d0");
        ip(departure);
        let error = team.set_active_port(d0).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == d0),
            "expected NotPort: {error:?}"
        );
        let error = team.remove_port(d0).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == d0),
            "expected NotPort: {error:?}"
        );

        enter();
        let mut team = team_with(Mode::LoadBalance, &["d0"]);
        ip("link add br0 type bridge");
        let d0 = index("d0");
        ip(departure);
        let error = team.set_lb_tx_hash_to_port_mapping([(3, d0)]).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == d0),
            "expected NotPort: {error:?}"
        );
    }
}

#[test]
fn value_of_another_type_is_refused() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let table: [(OptionId, OptionValue, &str, &str); 6] = [
        (OptionId::global("notify_peers_count"), 1_i32.into(), "u32", "i32"),
        (OptionId::port("priority", d0), 1_u32.into(), "i32", "u32"),
        (OptionId::port("enabled", d0), 1_u32.into(), "bool", "u32"),
        (OptionId::global("mode"), b"random\0".to_vec().into(), "string", "binary"),
        (OptionId::global("bpf_hash_func"), "".into(), "binary", "string"),
        (OptionId::element("lb_tx_hash_to_port_mapping", 3), true.into(), "u32", "bool"),
    ];
    for (id, value, expected_type, is) in table {
        let error = team.set_option(&id, value).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "setting option {id} of team0: invalid value of type {is}: expected {expected_type}"
            )
        );
        assert!(
            matches!(error, Error::OptionType { expected, found, .. } if (expected.to_string(), found.to_string()) == (expected_type.to_owned(), is.to_owned()))
        );
    }
    assert_untouched(&mut team, &before);
}

#[test]
fn value_that_no_message_can_carry_is_refused() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &[]);
    let before = TeamHandle::open("team0").unwrap();
    let unknown_type = OptionValue::Other { type_code: 99, data: vec![1] };
    let table: [(&str, OptionValue, &str); 4] = [
        ("mode", "a-mode-of-thirty-two-bytes-......".into(), "expected text of at most 31 bytes"),
        ("mode", "random\0".into(), "expected text without a NUL"),
        ("mode", unknown_type, "expected a value of a known type"),
        ("lb_hash_stats", vec![0; 0xffff].into(), "expected at most 65279 bytes"),
    ];
    for (name, value, why) in table {
        let error = team.set_option(&OptionId::global(name), value).unwrap_err();
        let Error::OptionValue { value, reason, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*reason, why);
        assert_eq!(error.to_string(), format!("setting option {name} of team0 to {value}: {why}"));
    }
    let long_name = OptionId::global("an-option-name-of-more-than-32-byt");
    assert!(matches!(team.set_option(&long_name, 1_u32), Err(Error::OptionValue { .. })));
    let two_names = OptionId::global("notify_peers_count\0x");
    assert!(matches!(team.set_option(&two_names, 1_u32), Err(Error::OptionValue { .. })));
    // The longest possible text is sent, and the kernel refuses it.
    let longest = Mode::Other("a-mode-of-thirty-one-bytes-....".to_owned());
    assert_eq!(kernel_errno(&team.set_mode(longest).unwrap_err()), Errno::EINVAL);
    assert_untouched(&mut team, &before);
}

#[test]
fn invalid_mode_is_refused_by_the_kernel() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    let set = |team: &mut TeamHandle, mode| kernel_errno(&team.set_mode(mode).unwrap_err());
    assert_eq!(set(&mut team, Mode::Other("weighted".to_owned())), Errno::EINVAL);
    assert_eq!(set(&mut team, Mode::Unset), Errno::EINVAL);
    assert_eq!(set(&mut team, Mode::Other(String::new())), Errno::EINVAL);
    dummies(&["d0"]);
    team.add_port(index("d0")).unwrap();
    let error = team.set_mode(Mode::Random).unwrap_err();
    assert_eq!(kernel_errno(&error), Errno::EBUSY);
    assert_eq!(
        error.to_string(),
        "setting option mode of team0 to \"random\": device or resource busy (EBUSY)"
    );
    assert_eq!(team.mode(), Some(Mode::RoundRobin));
    team.remove_port(index("d0")).unwrap();
    team.set_mode(Mode::Random).unwrap();
    assert_eq!(team.mode(), Some(Mode::Random));
}

#[test]
fn active_port_has_to_be_a_port() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    team.set_active_port(index("d0")).unwrap();
    dummies(&["d1"]);
    for non_port in [index("d1"), team.ifindex(), IfIndex::new(4711).unwrap()] {
        let error = team.set_active_port(non_port).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == non_port),
            "expected NotPort: {error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "setting option activeport of team0 to {non_port}: \
                 link {non_port} is not a port of team0 (ENOENT)"
            )
        );
    }
    assert_eq!(team.active_port(), Some(index("d0")));
}

#[test]
fn active_port_in_mode_without_one_is_unknown() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let error = team.set_active_port(index("d0")).unwrap_err();
    assert!(matches!(error, Error::UnknownOption { .. }), "expected UnknownOption: {error:?}");
}

#[test]
fn refused_value_is_an_error_with_the_errno() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let table: [(OptionId, OptionValue, Errno); 8] = [
        (OptionId::port("queue_id", d0), 16_u32.into(), Errno::EINVAL),
        (OptionId::global("lb_tx_method"), "magic".into(), Errno::EINVAL),
        (OptionId::element("lb_tx_hash_to_port_mapping", 0), 1_u32.into(), Errno::ENODEV),
        (OptionId::element("lb_tx_hash_to_port_mapping", 0), 0_u32.into(), Errno::ENODEV),
        (OptionId::element("lb_hash_stats", 0), vec![0; 8].into(), Errno::EOPNOTSUPP),
        (OptionId::port("lb_port_stats", d0), vec![0; 8].into(), Errno::EOPNOTSUPP),
        (OptionId::global("bpf_hash_func"), vec![0; 7].into(), Errno::EINVAL),
        (OptionId::global("bpf_hash_func"), vec![0xff; 8].into(), Errno::EINVAL),
    ];
    for (id, value, errno) in table {
        let error = team.set_option(&id, value.clone()).unwrap_err();
        assert_eq!(kernel_errno(&error), errno, "{id}");
        let value = match value {
            OptionValue::String(text) => format!("{text:?}"),
            value => value.to_string(),
        };
        assert_eq!(
            error.to_string(),
            format!("setting option {id} of team0 to {value}: {}", reason(errno))
        );
    }
    assert_untouched(&mut team, &before);
}

#[test]
fn option_can_be_set_after_a_refused_value() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let d0 = index("d0");
    team.set_option(&OptionId::port("queue_id", d0), 99_u32).unwrap_err();
    team.set_option(&OptionId::port("queue_id", d0), 1_u32).unwrap();
    assert_eq!(team.option(&OptionId::port("queue_id", d0)).unwrap().value(), &OptionValue::U32(1));
    assert_eq!(take_changes(&mut team).options().len(), 1);
}
