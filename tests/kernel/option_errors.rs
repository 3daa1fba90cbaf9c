//! Options that cannot be set, and why.

use libteam::{Error, IfIndex, Mode, OptionId, OptionValue, TeamHandle};
use rustix::io::Errno;

use crate::support::changes::{assert_silent, refusal, team_with, told};
use crate::support::netns::{dummies, enter, index};
use crate::support::snapshot::state;

/// Panics unless the team is as it was and has nothing to tell.
fn assert_untouched(team: &mut TeamHandle, before: &TeamHandle) {
    assert_silent(team);
    assert_eq!(state(team).options, state(before).options);
    assert_eq!(state(&TeamHandle::open("team0").unwrap()).options, state(before).options);
}

#[test]
fn an_option_that_the_team_does_not_have_is_unknown() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    let (d0, lo) = (index("d0"), IfIndex::new(1).unwrap());
    let table: [(OptionId, OptionValue); 9] = [
        (OptionId::global("no_such_option"), 1_u32.into()),
        (OptionId::global("activeport"), d0.get().into()),
        (OptionId::global("priority"), 1_i32.into()),
        (OptionId::port("priority", lo), 1_i32.into()),
        (OptionId::port("enabled", IfIndex::new(4711).unwrap()), true.into()),
        (OptionId::port("notify_peers_count", d0), 1_u32.into()),
        (OptionId::global("lb_tx_hash_to_port_mapping"), d0.get().into()),
        (OptionId::element("lb_tx_hash_to_port_mapping", 256), d0.get().into()),
        (OptionId::element("lb_tx_hash_to_port_mapping", u32::MAX), d0.get().into()),
    ];
    for (id, value) in table {
        let error = team.set_option(&id, value).unwrap_err();
        assert_eq!(error.to_string(), format!("team0 has no option {id}"));
        assert!(
            matches!(error, Error::UnknownOption { team, id: told } if team == "team0" && told == id)
        );
    }
    assert_untouched(&mut team, &before);
}

#[test]
fn a_value_of_another_type_is_refused() {
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
    for (id, value, wants, is) in table {
        let error = team.set_option(&id, value).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("option {id} is of type {wants}, the value is of type {is}")
        );
        assert!(
            matches!(error, Error::OptionType { expected, found, .. } if (expected.to_string(), found.to_string()) == (wants.to_owned(), is.to_owned()))
        );
    }
    assert_untouched(&mut team, &before);
}

#[test]
fn a_value_that_no_message_can_carry_is_refused() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &[]);
    let before = TeamHandle::open("team0").unwrap();
    let unknown_type = OptionValue::Other { type_code: 99, data: vec![1] };
    let table: [(&str, OptionValue, &str); 4] = [
        ("mode", "a-mode-of-thirty-two-bytes-......".into(), "the text is longer than 31 bytes"),
        ("mode", "random\0".into(), "the text has a NUL"),
        ("mode", unknown_type, "its type is unknown"),
        ("lb_hash_stats", vec![0; 0xffff].into(), "it does not fit an attribute"),
    ];
    for (name, value, why) in table {
        let error = team.set_option(&OptionId::global(name), value).unwrap_err();
        assert!(matches!(&error, Error::OptionValue { reason, .. } if *reason == why), "{error:?}");
        assert!(error.to_string().ends_with(why), "{error}");
    }
    let long_name = OptionId::global("an-option-name-of-more-than-32-byt");
    assert!(matches!(team.set_option(&long_name, 1_u32), Err(Error::OptionValue { .. })));
    let two_names = OptionId::global("notify_peers_count\0x");
    assert!(matches!(team.set_option(&two_names, 1_u32), Err(Error::OptionValue { .. })));
    // The longest text goes out, and the kernel itself refuses it.
    let longest = Mode::Other("a-mode-of-thirty-one-bytes-....".to_owned());
    assert_eq!(refusal(&team.set_mode(longest).unwrap_err()), Errno::INVAL);
    assert_untouched(&mut team, &before);
}

#[test]
fn a_mode_that_cannot_be_is_refused_by_the_kernel() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    let set = |team: &mut TeamHandle, mode| refusal(&team.set_mode(mode).unwrap_err());
    assert_eq!(set(&mut team, Mode::Other("weighted".to_owned())), Errno::INVAL);
    assert_eq!(set(&mut team, Mode::Unset), Errno::INVAL);
    assert_eq!(set(&mut team, Mode::Other(String::new())), Errno::INVAL);
    dummies(&["d0"]);
    team.add_port(index("d0")).unwrap();
    let error = team.set_mode(Mode::Random).unwrap_err();
    assert_eq!(refusal(&error), Errno::BUSY);
    assert_eq!(error.to_string(), "the kernel refused setting option mode of team0 to random");
    assert_eq!(team.mode(), Some(Mode::RoundRobin));
    team.remove_port(index("d0")).unwrap();
    team.set_mode(Mode::Random).unwrap();
    assert_eq!(team.mode(), Some(Mode::Random));
}

#[test]
fn only_a_port_can_be_the_active_port() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    team.set_active_port(index("d0")).unwrap();
    dummies(&["d1"]);
    for stranger in [index("d1"), team.ifindex(), IfIndex::new(4711).unwrap()] {
        let error = team.set_active_port(stranger).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { ifindex, .. } if *ifindex == stranger),
            "{error:?}"
        );
        assert_eq!(error.to_string(), format!("link {stranger} is not a port of team0"));
    }
    assert_eq!(team.active_port(), Some(index("d0")));
}

#[test]
fn a_mode_without_an_active_port_takes_none() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let error = team.set_active_port(index("d0")).unwrap_err();
    assert!(matches!(error, Error::UnknownOption { .. }), "{error:?}");
}

#[test]
fn a_value_that_the_driver_refuses_is_an_error_with_its_number() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let before = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let table: [(OptionId, OptionValue, Errno); 8] = [
        (OptionId::port("queue_id", d0), 16_u32.into(), Errno::INVAL),
        (OptionId::global("lb_tx_method"), "magic".into(), Errno::INVAL),
        (OptionId::element("lb_tx_hash_to_port_mapping", 0), 1_u32.into(), Errno::NODEV),
        (OptionId::element("lb_tx_hash_to_port_mapping", 0), 0_u32.into(), Errno::NODEV),
        (OptionId::element("lb_hash_stats", 0), vec![0; 8].into(), Errno::OPNOTSUPP),
        (OptionId::port("lb_port_stats", d0), vec![0; 8].into(), Errno::OPNOTSUPP),
        (OptionId::global("bpf_hash_func"), vec![0; 7].into(), Errno::INVAL),
        (OptionId::global("bpf_hash_func"), vec![0xff; 8].into(), Errno::INVAL),
    ];
    for (id, value, errno) in table {
        let error = team.set_option(&id, value.clone()).unwrap_err();
        assert_eq!(refusal(&error), errno, "{id}");
        assert_eq!(
            error.to_string(),
            format!("the kernel refused setting option {id} of team0 to {value}")
        );
    }
    assert_untouched(&mut team, &before);
}

#[test]
fn a_refused_value_does_not_keep_the_next_from_being_set() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let d0 = index("d0");
    team.set_option(&OptionId::port("queue_id", d0), 99_u32).unwrap_err();
    team.set_option(&OptionId::port("queue_id", d0), 1_u32).unwrap();
    assert_eq!(team.option(&OptionId::port("queue_id", d0)).unwrap().value(), &OptionValue::U32(1));
    assert_eq!(told(&mut team).options().len(), 1);
}
