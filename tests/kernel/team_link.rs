//! The team's own link, changed through the handle.

use std::fs::File;
use std::time::Duration;

use libteam::{Error, ErrorKind, HwAddr, LinkScope, LinkSettings, Mode, TeamHandle};

use crate::support::changes::{assert_no_changes, take_changes, team_with};
use crate::support::netns::{dummies, enter, index, ip, ip_json};
use crate::support::snapshot::assert_matches_kernel;

fn set() -> LinkSettings {
    LinkSettings::new()
}

/// Returns a field of `team0` as `ip` prints it.
fn ip_link(field: &str) -> serde_json::Value {
    ip_json("link show team0")[0][field].clone()
}

#[test]
fn cache_is_current_after_each_change() {
    for scope in [LinkScope::Team, LinkScope::All] {
        for is_up in [false, true] {
            enter();
            dummies(&["d0"]);
            let mut team = TeamHandle::builder().link_scope(scope).create("team0").unwrap();
            team.set_mode(Mode::RoundRobin).unwrap();
            team.add_port(index("d0")).unwrap();
            if is_up {
                team.set_link(&set().up()).unwrap();
                assert!(team.team_link().unwrap().is_admin_up());
            }
            let hwaddr: HwAddr = "02:00:00:00:00:2a".parse().unwrap();
            team.set_link(&set().mtu(1400)).unwrap();
            assert_eq!((team.team_link().unwrap().mtu(), ip_link("mtu")), (1400, 1400.into()));
            assert_eq!(team.link(index("d0")).unwrap().mtu(), 1400, "MTU of the port d0");
            team.set_link(&set().hwaddr(hwaddr)).unwrap();
            assert_eq!(team.team_link().unwrap().hwaddr(), Some(hwaddr));
            assert_eq!(ip_link("address"), hwaddr.to_string());
            for carrier in [false, true, false] {
                team.set_link(&set().carrier(carrier)).unwrap();
                assert_eq!(team.carrier(), Some(carrier), "carrier of the team, up: {is_up}");
            }
            team.set_link(&set().down().name("team9").mtu(1300).up()).unwrap();
            assert_eq!((team.name(), team.team_link().unwrap().name()), ("team9", "team9"));
            team.set_link(&set().down()).unwrap();
            assert!(!team.team_link().unwrap().is_admin_up());
            while team.wait(Some(Duration::from_millis(200))).unwrap() {
                take_changes(&mut team);
            }
            assert_matches_kernel(&team);
        }
    }
}

#[test]
fn link_change_by_the_handle_is_reported_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.set_link(&set().mtu(1400)).unwrap();
    let changes = take_changes(&mut team);
    assert_eq!(changes.links().len(), 1, "{changes:#?}");
    assert_eq!(changes.links().next().unwrap().after().map(libteam::Link::mtu), Some(1400));
    assert_no_changes(&mut team);
    // Settings that are in effect already cause no change.
    team.set_link(&set().mtu(1400)).unwrap();
    team.set_link(&set()).unwrap();
    assert_no_changes(&mut team);
}

#[test]
fn team_cannot_leave_its_namespace() {
    enter();
    let there = File::open("/proc/thread-self/ns/net").unwrap();
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let error =
        team.set_link(&set().mtu(1300).namespace(&there).unwrap().name("x").up()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(
        error.to_string().contains("invalid network namespace of team device \"team0\""),
        "expected an error of the namespace: {error}"
    );
    assert_eq!(ip_link("mtu"), 1500);
    assert_no_changes(&mut team);
}

#[test]
fn failed_change_leaves_the_link_unchanged() {
    enter();
    dummies(&["d0"]);
    let mut team = team_with(Mode::RoundRobin, &[]);
    let before = team.team_link().cloned();
    let error = team.set_link(&set().mtu(1400).name("d0")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
    assert_eq!(team.team_link().cloned(), before);
    let too_long = HwAddr::new(&[2; 8]).unwrap();
    let error = team.set_link(&set().hwaddr(too_long)).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { .. }), "expected InvalidSetting: {error:?}");
    assert_matches_kernel(&team);
    ip("link del team0");
    let error = team.set_link(&set().up()).unwrap_err();
    assert!(matches!(error, Error::DeviceGone { .. }), "expected DeviceGone: {error:?}");
}
