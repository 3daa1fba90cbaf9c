//! The hardware address that a link had before it became a port, which some modes overwrite.

use libteam::{HwAddr, IfIndex, Link, Mode, TeamHandle};

use crate::support::changes::{Replica, all_links, take_changes, team_with};
use crate::support::netns::{dummies, enter, index, ip, ip_batch};

const OWN: &str = "02:00:00:00:00:11";
const OTHER: &str = "02:00:00:00:00:22";

/// Returns the modes, and whether the driver gives ports the team's address in each.
fn modes() -> [(Mode, bool); 5] {
    [
        (Mode::RoundRobin, true),
        (Mode::Random, true),
        (Mode::Broadcast, true),
        (Mode::ActiveBackup, false),
        (Mode::LoadBalance, false),
    ]
}

fn address(text: &str) -> HwAddr {
    text.parse().unwrap()
}

/// Returns the current and the original address.
fn addresses(team: &TeamHandle, link: IfIndex) -> (Option<HwAddr>, Option<HwAddr>) {
    let link = team.link(link).unwrap();
    (link.hwaddr(), link.original_hwaddr())
}

fn team_address(team: &TeamHandle) -> Option<HwAddr> {
    team.team_link().and_then(Link::hwaddr)
}

/// Creates a team in this mode and a link `d0` with the address [`OWN`], which is not a port yet.
fn team_and_link(mode: Mode) -> (TeamHandle, IfIndex) {
    ip(&format!("link add d0 address {OWN} type dummy"));
    (team_with(mode, &[]), index("d0"))
}

#[test]
fn original_hwaddr_is_kept_in_every_mode() {
    enter();
    for (mode, overwrites) in modes() {
        for by_us in [true, false] {
            let (mut team, d0) = team_and_link(mode.clone());
            let mut replica = Replica::of(&team);
            let own = Some(address(OWN));
            assert_ne!(team_address(&team), own);
            if by_us {
                team.add_port(d0).unwrap();
            } else {
                ip("link set d0 master team0");
            }
            replica.apply(&take_changes(&mut team));
            let current = if overwrites { team_address(&team) } else { own };
            assert_eq!(addresses(&team, d0), (current, own), "{mode}, added by us: {by_us}");

            replica.apply(&team.refresh().unwrap());
            assert_eq!(addresses(&team, d0), (current, own), "{mode}, refreshed");

            if by_us {
                team.remove_port(d0).unwrap();
            } else {
                ip("link set d0 nomaster");
            }
            replica.apply(&take_changes(&mut team));
            assert_eq!(addresses(&team, d0), (own, own), "{mode}, removed by us: {by_us}");
            assert_eq!(replica, Replica::of(&team));
            team.destroy().unwrap();
            ip("link del d0");
        }
    }
}

#[test]
fn original_hwaddr_is_right_after_merged_events() {
    enter();
    for (mode, overwrites) in modes() {
        let (mut team, d0) = team_and_link(mode.clone());
        ip_batch(&["link set d0 master team0", "link set d0 nomaster", "link set d0 master team0"]);
        take_changes(&mut team);
        let current = if overwrites { team_address(&team) } else { Some(address(OWN)) };
        assert_eq!(addresses(&team, d0), (current, Some(address(OWN))), "{mode}");
        team.destroy().unwrap();
        ip("link del d0");
    }
}

#[test]
fn hwaddr_set_just_before_adding_is_original() {
    enter();
    for (mode, _) in modes() {
        for was_up in [false, true] {
            let (mut team, d0) = team_and_link(mode.clone());
            let set = format!("link set d0 address {OTHER}");
            let flap = ["link set d0 up", "link set d0 down"];
            let flap = if was_up { &flap[..] } else { &[] };
            ip_batch(&[&[&*set], flap, &["link set d0 master team0"]].concat());
            take_changes(&mut team);
            assert_eq!(addresses(&team, d0).1, Some(address(OTHER)), "{mode}, up before: {was_up}");
            team.destroy().unwrap();
            ip("link del d0");
        }
    }
}

#[test]
fn team_address_set_before_adding_is_original() {
    enter();
    for (mode, _) in modes() {
        let (mut team, d0) = team_and_link(mode.clone());
        let of_team = team_address(&team);
        ip_batch(&[
            &*format!("link set d0 address {}", of_team.unwrap()),
            "link set d0 master team0",
        ]);
        take_changes(&mut team);
        assert_eq!(addresses(&team, d0), (of_team, of_team), "{mode}");
        team.destroy().unwrap();
        ip("link del d0");
    }
}

#[test]
fn new_team_or_port_address_keeps_original_hwaddr() {
    enter();
    for (mode, overwrites) in modes() {
        let (mut team, d0) = team_and_link(mode.clone());
        team.add_port(d0).unwrap();
        ip(&format!("link set team0 address {OTHER}"));
        take_changes(&mut team);
        let (own, other) = (Some(address(OWN)), Some(address(OTHER)));
        assert_eq!(addresses(&team, d0), (if overwrites { other } else { own }, own), "{mode}");
        ip("link set d0 address 02:00:00:00:00:33");
        take_changes(&mut team);
        assert_eq!(addresses(&team, d0), (Some(address("02:00:00:00:00:33")), own), "{mode}");
        ip("link set d0 nomaster");
        take_changes(&mut team);
        assert_eq!(addresses(&team, d0), (own, own), "{mode}");
        team.destroy().unwrap();
        ip("link del d0");
    }
}

#[test]
fn original_hwaddr_is_kept_in_another_team() {
    enter();
    let (mut first, d0) = team_and_link(Mode::RoundRobin);
    let mut second = all_links().create("team1").unwrap();
    second.set_mode(Mode::Broadcast).unwrap();
    first.add_port(d0).unwrap();
    ip("link set d0 master team1");
    take_changes(&mut first);
    take_changes(&mut second);
    let expected = (team_address(&second), Some(address(OWN)));
    assert_eq!((addresses(&first, d0), addresses(&second, d0)), (expected, expected));
}

#[test]
fn later_handle_learns_original_hwaddr_at_release() {
    enter();
    let (mut team, d0) = team_and_link(Mode::RoundRobin);
    team.add_port(d0).unwrap();
    let mut late = all_links().open("team0").unwrap();
    // A dummy device has no permanent address that the kernel could report.
    assert_eq!(addresses(&late, d0), (team_address(&team), None));
    team.remove_port(d0).unwrap();
    take_changes(&mut late);
    assert_eq!(addresses(&late, d0), (Some(address(OWN)), Some(address(OWN))));
}

#[test]
fn original_hwaddr_of_a_non_port_is_its_hwaddr() {
    enter();
    let (mut team, d0) = team_and_link(Mode::RoundRobin);
    dummies(&["d1"]);
    ip(&format!("link set d0 address {OTHER}"));
    take_changes(&mut team);
    assert_eq!(addresses(&team, d0), (Some(address(OTHER)), Some(address(OTHER))));
    let (current, original) = addresses(&team, index("d1"));
    assert_eq!(current, original);
}

#[test]
fn link_created_as_a_port_has_original_hwaddr() {
    enter();
    for (mode, overwrites) in modes() {
        let mut team = team_with(mode.clone(), &[]);
        ip(&format!("link add d0 address {OWN} master team0 type dummy"));
        take_changes(&mut team);
        let current = if overwrites { team_address(&team) } else { Some(address(OWN)) };
        assert_eq!(addresses(&team, index("d0")), (current, Some(address(OWN))), "{mode}");
        team.destroy().unwrap();
        ip("link del d0");
    }
}
