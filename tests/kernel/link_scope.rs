//! `LinkScope::Team`: a handle follows the team's own link and its ports, without cost for other
//! links.

use std::thread;
use std::time::{Duration, Instant};

use libteam::{Changes, IfIndex, Link, LinkChange, LinkScope, Mode, TeamHandle};

use crate::support::changes::{Replica, all_links, link_change, take_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::features::renaming;
use crate::support::netns::{OtherNamespace, dummies, enter, index, ip};
use crate::support::raw::{Raw, drops};
use crate::support::snapshot::{assert_matches_kernel, state};
use crate::support::timeouts::{rounds, timeout};

/// Indexes of links that are created and deleted again and again.
const TRANSIENT: std::ops::Range<u32> = 1000..1008;
const ROUNDS: u32 = 2000;
const FEW_ROUNDS: u32 = 200;
/// `IFF_UP`.
const UP: u32 = 1;
const ACTIONS: usize = 12;

fn names(team: &TeamHandle) -> Vec<&str> {
    team.links().map(Link::name).collect()
}

pub(crate) fn team_of(ports: &[&str]) -> TeamHandle {
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    for port in ports {
        team.add_port(index(port)).unwrap();
    }
    handle_until_quiet(&mut team);
    team
}

#[test]
fn cache_has_only_the_team_and_its_ports() {
    enter();
    dummies(&["d0", "d1", "d2", "other"]);
    let mut team = team_of(&["d0", "d1"]);
    assert_eq!(team.link_scope(), LinkScope::Team);
    assert_eq!(names(&team), ["d0", "d1", "team0"]);
    dummies(&["more"]);
    ip("link set other up mtu 1400");
    assert!(
        !team.wait(Some(Duration::from_millis(50))).unwrap(),
        "an unrelated link woke the handle"
    );
    assert!(take_changes(&mut team).is_empty());
    assert_matches_kernel(&team);
}

#[test]
fn both_scopes_report_the_same_port_changes() {
    enter();
    dummies(&["d0", "d1"]);
    let mut team = team_of(&[]);
    let mut all = all_links().open("team0").unwrap();
    let (d0, own) = (index("d0"), team.ifindex());
    team.add_port(d0).unwrap();
    team.add_port(index("d1")).unwrap();
    handle_until_quiet(&mut team);
    handle_until_quiet(&mut all);
    let mut commands = vec!["link set team0 mtu 1300".to_owned()];
    commands.extend(renaming("d0", "port0"));
    commands.extend(
        ["link set port0 address 02:00:00:00:00:07", "link set port0 down"].map(str::to_owned),
    );
    for command in commands {
        ip(&command);
        assert_same_changes(&mut team, &mut all, &[d0, own]);
    }
    assert_matches_kernel(&team);
}

/// Panics unless both handles report the same of some links.
fn assert_same_changes(team: &mut TeamHandle, all: &mut TeamHandle, links: &[IfIndex]) {
    thread::sleep(Duration::from_millis(30));
    let (of_team, of_all) = (take_changes(team), take_changes(all));
    for link in links {
        assert_eq!(link_change(&of_team, *link), link_change(&of_all, *link));
        assert_eq!(team.link(*link), all.link(*link));
    }
}

#[test]
fn released_port_is_no_longer_followed() {
    enter();
    dummies(&["d0"]);
    let mut team = team_of(&[]);
    let d0 = index("d0");
    ip("link set d0 mtu 1400 address 02:00:00:00:00:11");
    ip("link set d0 master team0");
    let changes = take_changes(&mut team);
    let added = link_change(&changes, d0).unwrap();
    assert!(added.is_added() && added.after() == team.link(d0));
    assert_eq!(team.link(d0).unwrap().original_hwaddr().unwrap().to_string(), "02:00:00:00:00:11");
    ip("link set d0 nomaster");
    handle_until_quiet_with(&mut team, |changes| {
        let released = link_change(changes, d0).expect("a change of d0");
        assert!(released.is_released() && !released.is_removed() && released.after().is_none());
        assert_eq!(released.latest().master(), None);
        assert!(released.changed_fields().contains(LinkChange::MASTER | LinkChange::RELEASED));
    });
    assert_eq!(team.link(d0), None);
    ip("link set d0 mtu 1300");
    assert!(
        !team.wait(Some(Duration::from_millis(50))).unwrap(),
        "the released d0 woke the handle"
    );
    assert_matches_kernel(&team);
}

/// Handles events until there are none; passes the first batch with links to `check`.
fn handle_until_quiet_with(team: &mut TeamHandle, check: impl FnOnce(&Changes)) {
    let mut check = Some(check);
    while team.wait(Some(Duration::from_millis(60))).unwrap() {
        let changes = take_changes(team);
        if changes.links().len() > 0 {
            if let Some(check) = check.take() {
                check(&changes);
            }
        }
    }
    assert!(check.is_none(), "no change of a link was reported");
}

#[test]
fn deleted_or_moved_port_is_removed() {
    enter();
    let other = OtherNamespace::new();
    dummies(&["d0", "d1"]);
    let mut team = team_of(&["d0", "d1"]);
    let (d0, d1) = (index("d0"), index("d1"));
    ip("link del d0");
    other.take("d1");
    let changes = take_changes(&mut team);
    for link in [d0, d1] {
        let change = link_change(&changes, link).unwrap();
        assert!(
            change.is_removed() || change.is_released(),
            "expected a removed or released link: {change:?}"
        );
        assert_eq!(team.link(link), None);
    }
    assert!(link_change(&changes, d0).unwrap().is_removed());
    assert_matches_kernel(&team);
}

#[test]
fn added_port_has_original_hwaddr_in_every_mode() {
    enter();
    for (number, mode) in crate::support::programs::MODES.into_iter().enumerate() {
        ip(&format!("link add d{number} address 02:00:00:00:01:0{number} type dummy"));
        let mut team = TeamHandle::create("team0").unwrap();
        team.set_mode(mode).unwrap();
        let port = index(&format!("d{number}"));
        team.add_port(port).unwrap();
        let original =
            team.link(port).unwrap().original_hwaddr().map(|address| address.to_string());
        assert_eq!(original, Some(format!("02:00:00:00:01:0{number}")), "mode {:?}", team.mode());
        team.destroy().unwrap();
    }
}

#[test]
fn events_of_other_teams_do_not_wake_the_handle() {
    enter();
    dummies(&["d0", "e0", "e1"]);
    let mut team = team_of(&["d0"]);
    let mut other = TeamHandle::create("team1").unwrap();
    other.set_mode(Mode::LoadBalance).unwrap();
    other.add_port(index("e0")).unwrap();
    other.add_port(index("e1")).unwrap();
    other.remove_port(index("e1")).unwrap();
    assert!(
        !team.wait(Some(Duration::from_millis(50))).unwrap(),
        "an event of another team woke the handle"
    );
    team.set_notify_peers_count(3).unwrap();
    assert!(team.wait(Some(Duration::ZERO)).unwrap());
}

#[test]
fn unrelated_messages_wake_no_handle_and_cost_nothing() {
    enter();
    dummies(&["d0", "other"]);
    let builder = TeamHandle::builder().receive_buffer(0);
    drop(team_of(&["d0"]));
    let mut team = builder.open("team0").unwrap();
    let (mut raw, other) = (Raw::new(), index("other"));
    for number in 0..10_000 {
        raw.set_mtu(other, 1000 + number % 100).unwrap();
    }
    assert!(!team.wait(Some(Duration::ZERO)).unwrap(), "an unrelated link woke the handle");
    assert_eq!(drops().0, 0, "link messages dropped; those that a filter rejects do not count");
    assert!(take_changes(&mut team).is_empty());
}

/// Adds links to `team0`, releases and deletes them at random, without a pause. Returns the number
/// of successful actions.
fn churn(random: &mut fastrand::Rng, master: IfIndex) -> u32 {
    let mut raw = Raw::new();
    let mut done = 0;
    for _ in 0..ACTIONS {
        let link = IfIndex::new(random.u32(TRANSIENT)).unwrap();
        let number = random.u32(0..1000);
        // Actions that are not possible at the moment fail.
        let result = match random.u8(0..10) {
            0 | 1 => raw.add_dummy(&format!("new{number}"), link),
            2 => raw.delete(link),
            3 => raw.rename(link, &format!("name{number}")),
            4..=6 => raw.set_flags(link, 0, UP).and_then(|()| raw.set_master(link, Some(master))),
            7 | 8 => raw.set_master(link, None),
            _ => raw.set_flags(link, (number % 2) * UP, UP),
        };
        done += u32::from(result.is_ok());
    }
    done
}

#[test]
fn team_scope_converges_under_fast_port_changes() {
    enter();
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut team = team_of(&[]);
    let master = team.ifindex();
    let mut replica = Replica::of(&team);
    let (mut made, mut done, mut with_ports) = (0, 0, 0);
    for round in rounds(ROUNDS, FEW_ROUNDS) {
        made += 1;
        done += thread::scope(|scope| {
            let writer = scope.spawn(|| churn(&mut random, master));
            while !writer.is_finished() {
                replica.apply(&take_changes(&mut team));
                thread::yield_now();
            }
            writer.join().unwrap()
        });
        // The kernel updates carriers with a delay.
        let deadline = Instant::now() + timeout();
        loop {
            replica.apply(&take_changes(&mut team));
            let fresh = state(&TeamHandle::open("team0").unwrap());
            let now = state(&team);
            if (&now.links, &now.ports) == (&fresh.links, &fresh.ports) {
                with_ports += u32::from(now.ports.len() > 1);
                break;
            }
            assert!(
                Instant::now() < deadline,
                "round {round}: {:#?} instead of {:#?}",
                now.links,
                fresh.links
            );
        }
        assert_eq!(replica, Replica::of(&team), "sum of the changes, and cache, in round {round}");
    }
    eprintln!("{made} rounds, {done} changes by the writer, {with_ports} rounds ended with ports");
    assert!(done > 2 * made && with_ports > made / 4);
}
