//! The life of a device: created, opened, recreated, destroyed.

use std::thread;

use libteam::netlink::SocketBuilder;
use libteam::{Error, IfIndex, Mode, OptionId, OptionValue, TeamHandle};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::support::changes::{kernel_errno, team_with};
use crate::support::netns::{dummies, enter, index, ip, ip_json, veth};
use crate::support::raw::Raw;
use crate::support::snapshot::assert_matches_kernel;

/// As `ip` prints it.
fn kind_of(name: &str) -> Option<String> {
    Some(ip_json(&format!("-d link show {name}"))[0]["linkinfo"]["info_kind"].as_str()?.to_owned())
}

#[test]
fn a_created_device_is_there_and_a_destroyed_one_is_not() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    assert_eq!(team.name(), "team0");
    assert_eq!(team.ifindex(), index("team0"));
    assert_eq!(kind_of("team0").as_deref(), Some("team"));
    assert_eq!(team.mode(), Some(Mode::Unset));
    assert_eq!(team.ports().len(), 0);
    assert!(!team.team_link().unwrap().is_admin_up());
    assert_matches_kernel(&team);
    team.destroy().unwrap();
    assert!(matches!(TeamHandle::open("team0"), Err(Error::NoSuchDevice { .. })));
}

#[test]
fn dropping_a_handle_leaves_the_device() {
    enter();
    drop(TeamHandle::create("team0").unwrap());
    assert_eq!(kind_of("team0").as_deref(), Some("team"));
}

#[test]
fn a_name_that_is_taken_is_refused_by_the_kernel_whoever_has_it() {
    enter();
    dummies(&["d0"]);
    ip("link property add dev d0 altname spare");
    let _team = TeamHandle::create("team0").unwrap();
    for name in ["team0", "d0", "spare", "lo"] {
        let error = TeamHandle::create(name).unwrap_err();
        assert_eq!(kernel_errno(&error), Errno::EEXIST, "{name}");
        assert_eq!(error.to_string(), format!("creating team device {name}: file exists (EEXIST)"));
    }
    assert_eq!(kind_of("d0").as_deref(), Some("dummy"));
    assert_eq!(ip_json("link").len(), 3);
}

#[test]
fn a_name_that_no_device_can_have_is_refused_and_nothing_is_created() {
    enter();
    // The kernel would create a device for the ones with a percent sign.
    for name in ["", ".", "..", "a/b", "a:b", "a b", "team%d", "team%", "a\0b", "sixteen-bytes-xx"]
    {
        for result in [TeamHandle::create(name), TeamHandle::recreate(name)] {
            assert!(
                matches!(result, Err(Error::InvalidName { name: told, .. }) if told == name),
                "{name:?}"
            );
        }
    }
    assert_eq!(ip_json("link").len(), 1);
}

#[test]
fn what_is_no_team_is_not_opened() {
    enter();
    dummies(&["d0"]);
    veth("v0", "peer0");
    for (name, kind) in [("d0", Some("dummy")), ("v0", Some("veth")), ("lo", None)] {
        for result in [TeamHandle::open(name), TeamHandle::open_index(index(name))] {
            let Err(Error::NotTeam { device, kind: told, .. }) = result else {
                panic!("{name}: {result:?}")
            };
            assert_eq!((&*device, told.as_deref()), (name, kind));
        }
    }
    assert_eq!(
        TeamHandle::open("lo").unwrap_err().to_string(),
        "opening lo: lo is not a team device"
    );
    assert_eq!(
        TeamHandle::open("d0").unwrap_err().to_string(),
        "opening d0: d0 is not a team device, but of kind dummy"
    );
}

#[test]
fn what_does_not_exist_is_not_opened() {
    enter();
    let error = TeamHandle::open("team0").unwrap_err();
    assert!(matches!(&error, Error::NoSuchDevice { device, .. } if device == "team0"), "{error:?}");
    assert_eq!(error.to_string(), "opening team0: no such device (ENODEV)");
    for number in [4711, 0x7fff_ffff] {
        let error = TeamHandle::open_index(IfIndex::new(number).unwrap()).unwrap_err();
        assert!(matches!(&error, Error::NoSuchDevice { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("opening link {number}: no such device (ENODEV)"));
    }
}

#[test]
fn a_device_is_opened_by_name_by_index_and_by_alternative_name() {
    enter();
    let team = team_with(Mode::ActiveBackup, &["d0"]);
    ip(
        "link property add dev team0 altname uplink altname an-alternative-name-of-more-than-fifteen-bytes",
    );
    let by_index = TeamHandle::open_index(team.ifindex());
    for opened in [TeamHandle::open("team0"), TeamHandle::open("uplink"), by_index] {
        let opened = opened.unwrap();
        assert_eq!((opened.name(), opened.ifindex()), ("team0", team.ifindex()));
        assert_matches_kernel(&opened);
    }
}

#[test]
fn recreating_leaves_a_team_alone_that_has_the_name_beside_its_own() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    ip("link property add dev team0 altname uplink");
    let error = TeamHandle::recreate("uplink").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::EEXIST as i32), "{error}");
    assert_eq!(TeamHandle::open("team0").unwrap().ifindex(), team.ifindex());
}

#[test]
fn an_alternative_name_may_be_what_no_name_can_be() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    let longest = "x".repeat(127);
    let mut raw = Raw::new();
    for name in
        ["lab/up", "t:0", "a b", "team%d", ".", "voil\u{e0}", "more-than-15-bytes", &longest]
    {
        assert!(
            matches!(TeamHandle::open(name), Err(Error::InvalidName { name: told, .. }) if told == name),
            "{name}"
        );
        raw.add_alternative_name(team.ifindex(), name).unwrap();
        assert_eq!(TeamHandle::open(name).unwrap().name(), "team0", "{name}");
    }
}

#[test]
fn a_name_is_looked_up_as_name_and_as_alternative_name_of_any_length() {
    enter();
    dummies(&["d0"]);
    ip(
        "link property add dev d0 altname spare altname an-alternative-name-of-more-than-fifteen-bytes",
    );
    let mut team = TeamHandle::create("team0").unwrap();
    for name in ["d0", "spare", "an-alternative-name-of-more-than-fifteen-bytes"] {
        assert_eq!(team.lookup_ifindex(name).unwrap(), index("d0"), "{name}");
    }
    for name in ["d1", "", "a\0b"] {
        assert!(matches!(team.lookup_ifindex(name), Err(Error::NoSuchDevice { .. })), "{name:?}");
    }
}

#[test]
fn recreating_replaces_a_team() {
    enter();
    let old = team_with(Mode::ActiveBackup, &["d0"]);
    let new = TeamHandle::recreate("team0").unwrap();
    assert_ne!(new.ifindex(), old.ifindex());
    assert_eq!((new.name(), new.mode(), new.ports().len()), ("team0", Some(Mode::Unset), 0));
    assert_matches_kernel(&new);
}

#[test]
fn recreating_creates_what_is_absent() {
    enter();
    let team = TeamHandle::recreate("team0").unwrap();
    assert_eq!(team.ifindex(), index("team0"));
    assert_matches_kernel(&team);
}

#[test]
fn recreating_leaves_a_device_of_another_kind_alone() {
    enter();
    dummies(&["d0"]);
    let before = ip("link show d0");
    for name in ["d0", "lo"] {
        assert!(
            matches!(TeamHandle::recreate(name), Err(Error::NotTeam { device, .. }) if device == name)
        );
    }
    assert_eq!(ip("link show d0"), before);
}

#[test]
fn ports_outlive_their_team_down_and_without_a_master() {
    enter();
    let team = team_with(Mode::RoundRobin, &["d0", "d1"]);
    assert!(team.link(index("d0")).unwrap().is_admin_up());
    team.destroy().unwrap();
    for name in ["d0", "d1"] {
        let link = &ip_json(&format!("link show {name}"))[0];
        assert_eq!(link.get("master"), None);
        assert!(!link["flags"].as_array().unwrap().contains(&"UP".into()), "{link}");
    }
}

#[test]
fn a_handle_works_on_in_a_thread_of_another_namespace() {
    enter();
    dummies(&["d0"]);
    let mut team = TeamHandle::create("team0").unwrap();
    let d0 = index("d0");
    let moved = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        team.set_mode(Mode::ActiveBackup).unwrap();
        team.add_port(d0).unwrap();
        team.set_active_port(d0).unwrap();
        team.refresh().unwrap();
        team
    });
    let team = moved.join().unwrap();
    assert_eq!(team.active_port(), Some(d0));
    let here = TeamHandle::open("team0").unwrap();
    let active = here.option(&OptionId::global("activeport")).unwrap().value().clone();
    assert_eq!(active, OptionValue::U32(d0.get()));
    assert_matches_kernel(&team);
}

#[test]
fn a_receive_buffer_that_is_larger_than_any_is_the_largest() {
    enter();
    let _team = TeamHandle::create("team0").unwrap();
    for bytes in [0x7fff_ffff, usize::MAX] {
        let events = SocketBuilder::new().receive_buffer(bytes).link_events().unwrap();
        assert_eq!(events.receive_buffer().unwrap(), 0x7fff_fffe);
        let team = TeamHandle::builder().receive_buffer(bytes).open("team0").unwrap();
        assert_eq!(team.receive_buffers().unwrap().team, 0x7fff_fffe);
        assert_eq!(
            SocketBuilder::new()
                .receive_buffer(bytes)
                .rtnl()
                .unwrap()
                .link_by_name("lo")
                .unwrap()
                .mtu(),
            65536
        );
    }
}

#[test]
fn each_event_socket_gets_the_receive_buffer_that_is_asked_for() {
    enter();
    let default = TeamHandle::create("team0").unwrap().receive_buffers().unwrap();
    // The kernel gives twice what is asked for, and at the least 2304 bytes.
    assert_eq!((default.link, default.team), (2 << 20, 2 << 20));
    for (wanted, given) in [(64 << 20, 128 << 20), (100_000, 200_000), (0, 2304)] {
        let team = TeamHandle::builder().receive_buffer(wanted).open("team0").unwrap();
        let buffers = team.receive_buffers().unwrap();
        assert_eq!((buffers.link, buffers.team), (given, given), "{wanted} bytes");
    }
}
