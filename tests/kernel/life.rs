//! Creating, opening, recreating and destroying a team device.

use std::thread;

use libteam::netlink::SocketBuilder;
use libteam::{Error, IfIndex, Mode, OptionId, OptionValue, TeamHandle};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::support::changes::{kernel_errno, team_with};
use crate::support::netns::{dummies, enter, index, ip, ip_json, veth};
use crate::support::raw::Raw;
use crate::support::snapshot::assert_matches_kernel;

/// Returns the kind of a link as `ip` prints it.
fn kind_of(name: &str) -> Option<String> {
    Some(ip_json(&format!("-d link show {name}"))[0]["linkinfo"]["info_kind"].as_str()?.to_owned())
}

#[test]
fn create_adds_a_device_and_destroy_removes_it() {
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
fn dropped_handle_leaves_the_device() {
    enter();
    drop(TeamHandle::create("team0").unwrap());
    assert_eq!(kind_of("team0").as_deref(), Some("team"));
}

#[test]
fn creating_an_existing_name_is_refused_by_kernel() {
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
fn creating_an_invalid_name_creates_nothing() {
    enter();
    // The kernel would create a device for those with a percent sign.
    for name in ["", ".", "..", "a/b", "a:b", "a b", "team%d", "team%", "a\0b", "sixteen-bytes-xx"]
    {
        for result in [TeamHandle::create(name), TeamHandle::recreate(name)] {
            assert!(
                matches!(result, Err(Error::InvalidName { name: found, .. }) if found == name),
                "expected InvalidName: {name:?}"
            );
        }
    }
    assert_eq!(ip_json("link").len(), 1);
}

#[test]
fn opening_a_non_team_is_refused() {
    enter();
    dummies(&["d0"]);
    veth("v0", "peer0");
    for (name, kind) in [("d0", Some("dummy")), ("v0", Some("veth")), ("lo", None)] {
        for result in [TeamHandle::open(name), TeamHandle::open_index(index(name))] {
            let Err(Error::NotTeam { device, kind: found, .. }) = result else {
                panic!("{name}: {result:?}")
            };
            assert_eq!((&*device, found.as_deref()), (name, kind));
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
fn opening_a_missing_device_is_refused() {
    enter();
    let error = TeamHandle::open("team0").unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchDevice { device, .. } if device == "team0"),
        "expected NoSuchDevice: {error:?}"
    );
    assert_eq!(error.to_string(), "opening team0: no such device (ENODEV)");
    for number in [4711, 0x7fff_ffff] {
        let error = TeamHandle::open_index(IfIndex::new(number).unwrap()).unwrap_err();
        assert!(matches!(&error, Error::NoSuchDevice { .. }), "expected NoSuchDevice: {error:?}");
        assert_eq!(error.to_string(), format!("opening link {number}: no such device (ENODEV)"));
    }
}

#[test]
fn device_opens_by_name_index_and_alternative_name() {
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
fn recreate_refuses_an_alternative_name() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    ip("link property add dev team0 altname uplink");
    let error = TeamHandle::recreate("uplink").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::EEXIST as i32), "{error}");
    assert_eq!(TeamHandle::open("team0").unwrap().ifindex(), team.ifindex());
}

#[test]
fn alternative_name_may_be_invalid_as_a_name() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    let longest = "x".repeat(127);
    let mut raw = Raw::new();
    for name in
        ["lab/up", "t:0", "a b", "team%d", ".", "voil\u{e0}", "more-than-15-bytes", &longest]
    {
        assert!(
            matches!(TeamHandle::open(name), Err(Error::InvalidName { name: found, .. }) if found == name),
            "expected InvalidName: {name}"
        );
        raw.add_alternative_name(team.ifindex(), name).unwrap();
        assert_eq!(TeamHandle::open(name).unwrap().name(), "team0", "{name}");
    }
}

#[test]
fn lookup_finds_names_and_alternative_names() {
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
        assert!(
            matches!(team.lookup_ifindex(name), Err(Error::NoSuchDevice { .. })),
            "expected NoSuchDevice: {name:?}"
        );
    }
}

#[test]
fn recreate_replaces_a_team() {
    enter();
    let old = team_with(Mode::ActiveBackup, &["d0"]);
    let new = TeamHandle::recreate("team0").unwrap();
    assert_ne!(new.ifindex(), old.ifindex());
    assert_eq!((new.name(), new.mode(), new.ports().len()), ("team0", Some(Mode::Unset), 0));
    assert_matches_kernel(&new);
}

#[test]
fn recreate_creates_an_absent_team() {
    enter();
    let team = TeamHandle::recreate("team0").unwrap();
    assert_eq!(team.ifindex(), index("team0"));
    assert_matches_kernel(&team);
}

#[test]
fn recreate_refuses_a_non_team() {
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
fn ports_of_a_destroyed_team_are_released_and_down() {
    enter();
    let team = team_with(Mode::RoundRobin, &["d0", "d1"]);
    assert!(team.link(index("d0")).unwrap().is_admin_up());
    team.destroy().unwrap();
    for name in ["d0", "d1"] {
        let link = &ip_json(&format!("link show {name}"))[0];
        assert_eq!(link.get("master"), None);
        assert!(
            !link["flags"].as_array().unwrap().contains(&"UP".into()),
            "the released port is up: {link}"
        );
    }
}

#[test]
fn handle_works_in_another_namespaces_thread() {
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
fn receive_buffer_request_is_capped_at_the_maximum() {
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
fn each_event_socket_gets_requested_receive_buffer() {
    enter();
    let default = TeamHandle::create("team0").unwrap().receive_buffers().unwrap();
    // The kernel doubles the requested size, and gives at least 2304 bytes.
    assert_eq!((default.link, default.team), (2 << 20, 2 << 20));
    for (requested, given) in [(64 << 20, 128 << 20), (100_000, 200_000), (0, 2304)] {
        let team = TeamHandle::builder().receive_buffer(requested).open("team0").unwrap();
        let buffers = team.receive_buffers().unwrap();
        assert_eq!((buffers.link, buffers.team), (given, given), "{requested} bytes");
    }
}
