//! A handle that follows the team's own links only, and pays for no other.

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

/// Indexes of links that come and go; each is used again and again.
const PASSING: std::ops::Range<u32> = 1000..1008;
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
fn only_the_team_and_its_ports_are_kept() {
    enter();
    dummies(&["d0", "d1", "d2", "other"]);
    let mut team = team_of(&["d0", "d1"]);
    assert_eq!(team.link_scope(), LinkScope::Team);
    assert_eq!(names(&team), ["d0", "d1", "team0"]);
    dummies(&["more"]);
    ip("link set other up mtu 1400");
    assert!(
        !team.wait(Some(Duration::from_millis(50))).unwrap(),
        "a link of no concern woke the handle"
    );
    assert!(take_changes(&mut team).is_empty());
    assert_matches_kernel(&team);
}

#[test]
fn what_happens_to_a_port_is_told_as_to_a_handle_that_follows_all() {
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
        until_told(&mut team, &mut all, &[d0, own]);
    }
    assert_matches_kernel(&team);
}

/// Compares what two handles tell of some links.
fn until_told(team: &mut TeamHandle, all: &mut TeamHandle, links: &[IfIndex]) {
    thread::sleep(Duration::from_millis(30));
    let (of_team, of_all) = (take_changes(team), take_changes(all));
    for link in links {
        assert_eq!(link_change(&of_team, *link), link_change(&of_all, *link));
        assert_eq!(team.link(*link), all.link(*link));
    }
}

#[test]
fn a_port_comes_and_leaves_and_is_followed_no_more() {
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
    until_quiet_telling(&mut team, |changes| {
        let left = link_change(changes, d0).expect("it left");
        assert!(left.is_released() && !left.is_removed() && left.after().is_none());
        assert_eq!(left.latest().master(), None);
        assert!(left.changed_fields().contains(LinkChange::MASTER | LinkChange::RELEASED));
    });
    assert_eq!(team.link(d0), None);
    ip("link set d0 mtu 1300");
    assert!(!team.wait(Some(Duration::from_millis(50))).unwrap(), "it is followed still");
    assert_matches_kernel(&team);
}

/// Handles events until there is nothing more; the first batch with links in it is looked at.
fn until_quiet_telling(team: &mut TeamHandle, look: impl FnOnce(&Changes)) {
    let mut look = Some(look);
    while team.wait(Some(Duration::from_millis(60))).unwrap() {
        let changes = take_changes(team);
        if changes.links().len() > 0 {
            if let Some(look) = look.take() {
                look(&changes);
            }
        }
    }
    assert!(look.is_none(), "no link was told");
}

#[test]
fn a_port_that_is_deleted_or_moved_away_is_removed() {
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
        assert!(change.is_removed() || change.is_released(), "{change:?}");
        assert_eq!(team.link(link), None);
    }
    assert!(link_change(&changes, d0).unwrap().is_removed());
    assert_matches_kernel(&team);
}

#[test]
fn the_original_address_is_known_in_every_mode_of_ports_that_this_handle_adds() {
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
fn events_of_other_teams_wake_nobody() {
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
        "another team's event woke this one's handle"
    );
    team.set_notify_peers_count(3).unwrap();
    assert!(team.wait(Some(Duration::ZERO)).unwrap());
}

#[test]
fn ten_thousand_messages_of_an_unrelated_link_wake_nobody_and_cost_no_buffer() {
    enter();
    dummies(&["d0", "other"]);
    let builder = TeamHandle::builder().receive_buffer(0);
    drop(team_of(&["d0"]));
    let mut team = builder.open("team0").unwrap();
    let (mut raw, other) = (Raw::new(), index("other"));
    for number in 0..10_000 {
        raw.set_mtu(other, 1000 + number % 100).unwrap();
    }
    assert!(!team.wait(Some(Duration::ZERO)).unwrap(), "a link of no concern woke the handle");
    assert_eq!(drops().0, 0, "dropped by the filter is not lost");
    assert!(take_changes(&mut team).is_empty());
}

/// Makes links ports of `team0`, releases and deletes them at random, without a pause; how often it
/// could.
fn churn(random: &mut fastrand::Rng, master: IfIndex) -> u32 {
    let mut raw = Raw::new();
    let mut done = 0;
    for _ in 0..ACTIONS {
        let link = IfIndex::new(random.u32(PASSING)).unwrap();
        let number = random.u32(0..1000);
        // What cannot be done at the moment is not done.
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
fn whatever_comes_leaves_and_is_deleted_at_full_speed_nothing_is_missed() {
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
        // The kernel looks at carriers in its own time.
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
        assert_eq!(replica, Replica::of(&team), "the changes do not add up in round {round}");
    }
    eprintln!("{made} rounds, {done} changes by the writer, {with_ports} rounds ended with ports");
    assert!(done > 2 * made && with_ports > made / 4);
}
