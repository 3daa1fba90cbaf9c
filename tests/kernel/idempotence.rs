//! Commands whose effect exists already change nothing, whatever the handle's cache contains.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use libteam::{Error, ErrorKind, HwAddr, Mode, TeamHandle};
use nix::sched::{CloneFlags, unshare};

use crate::support::changes::{assert_no_changes, take_changes, team_with};
use crate::support::netns::{dummies, enter, index, ip, ip_json};
use crate::support::snapshot::assert_matches_kernel;

/// Panics if one of the handles has anything to report.
fn assert_all_silent<const N: usize>(handles: [&mut TeamHandle; N]) {
    handles.into_iter().for_each(assert_no_changes);
}

fn open() -> TeamHandle {
    TeamHandle::open("team0").unwrap()
}

fn kernel_mode() -> Option<Mode> {
    open().mode()
}

#[test]
fn setting_the_same_mode_does_nothing() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::Unset).unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team.set_lb_stats_refresh_interval(Duration::from_secs(7)).unwrap();
    dummies(&["d0"]);
    for has_port in [false, true] {
        if has_port {
            team.add_port(index("d0")).unwrap();
        }
        let mut other = open();
        take_changes(&mut team);
        team.set_mode(Mode::LoadBalance).unwrap();
        team.set_mode(Mode::Other("loadbalance".to_owned())).unwrap();
        assert_all_silent([&mut team, &mut other]);
        assert_eq!(
            open().lb_stats_refresh_interval(),
            Some(Duration::from_secs(7)),
            "options after the same mode was set again"
        );
    }
    let error = team.set_mode(Mode::Random).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
}

#[test]
fn mode_that_another_handle_changed_is_set() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = open();
    // The cache has the old mode until the handle reads the event.
    other.set_mode(Mode::Random).unwrap();
    assert_eq!(team.mode(), Some(Mode::RoundRobin));
    team.set_mode(Mode::RoundRobin).unwrap();
    assert_eq!(kernel_mode(), Some(Mode::RoundRobin));
    other.set_mode(Mode::Broadcast).unwrap();
    team.set_mode(Mode::Broadcast).unwrap();
    assert_eq!((kernel_mode(), team.mode()), (Some(Mode::Broadcast), Some(Mode::Broadcast)));
    assert_matches_kernel(&team);
}

#[test]
fn setting_the_same_active_port_does_nothing() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let (d0, d1) = (index("d0"), index("d1"));
    team.set_active_port(d0).unwrap();
    take_changes(&mut team);
    let mut other = open();
    team.set_active_port(d0).unwrap();
    assert_all_silent([&mut team, &mut other]);
    // Another handle changed the active port; the event is unread.
    other.set_active_port(d1).unwrap();
    assert_eq!(team.active_port(), Some(d0));
    team.set_active_port(d0).unwrap();
    assert_eq!(open().active_port(), Some(d0));
    // The active port was removed and added again, and so is not active.
    other.remove_port(d0).unwrap();
    other.add_port(d0).unwrap();
    assert_eq!(open().active_port(), None);
    team.set_active_port(d0).unwrap();
    assert_eq!(open().active_port(), Some(d0));
    assert_matches_kernel(&team);
}

#[test]
fn active_port_in_other_mode_or_team_is_an_error() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    team.set_active_port(index("d0")).unwrap();
    team.remove_port(index("d0")).unwrap();
    for _ in 0..2 {
        let error = team.set_active_port(index("d0")).unwrap_err();
        assert!(matches!(error, Error::NotPort { .. }), "expected NotPort: {error:?}");
    }
    team.set_mode(Mode::Random).unwrap();
    let error = team.set_active_port(index("d0")).unwrap_err();
    assert!(matches!(error, Error::UnknownOption { .. }), "expected UnknownOption: {error:?}");
}

#[test]
fn setting_the_same_hwaddr_does_nothing() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let [first, second]: [HwAddr; 2] =
        ["02:00:00:00:00:01", "02:00:00:00:00:02"].map(|text| text.parse().unwrap());
    for link in [team.ifindex(), index("d0")] {
        team.set_hwaddr(link, first).unwrap();
        take_changes(&mut team);
        let mut other = open();
        team.set_hwaddr(link, first).unwrap();
        assert_all_silent([&mut team, &mut other]);
        other.set_hwaddr(link, second).unwrap();
        team.set_hwaddr(link, first).unwrap();
        assert_eq!(team.lookup_hwaddr(link).unwrap(), Some(first));
    }
    assert_matches_kernel(&team);
}

#[test]
fn adding_an_existing_port_does_nothing() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let d0 = index("d0");
    team.set_active_port(d0).unwrap();
    team.set_port_priority(d0, 5).unwrap();
    take_changes(&mut team);
    let mut other = open();
    // The driver would refuse a new port that is up.
    team.add_port(d0).unwrap();
    assert_all_silent([&mut team, &mut other]);
    assert_eq!((open().port_priority(d0), open().active_port()), (Some(5), Some(d0)));
    // A port that was removed is added, although the cache still has it.
    other.remove_port(d0).unwrap();
    assert!(team.is_port(d0));
    team.add_port(d0).unwrap();
    assert!(open().is_port(d0) && team.is_port(d0));
    // A port that another handle added is cached afterwards.
    other.remove_port(d0).unwrap();
    take_changes(&mut team);
    other.add_port(d0).unwrap();
    team.add_port(d0).unwrap();
    assert!(team.is_port(d0));
    assert_matches_kernel(&team);
}

#[test]
fn open_or_create_does_not_change_a_team() {
    enter();
    dummies(&["d0"]);
    let mut team = TeamHandle::open_or_create("team0").unwrap();
    assert_eq!(team.mode(), Some(Mode::Unset));
    team.set_mode(Mode::ActiveBackup).unwrap();
    team.add_port(index("d0")).unwrap();
    ip("link property add dev team0 altname an-alternative-name-of-the-team");
    for name in ["team0", "an-alternative-name-of-the-team"] {
        let again = TeamHandle::open_or_create(name).unwrap();
        assert_eq!((again.ifindex(), again.name()), (team.ifindex(), "team0"));
        assert_eq!((again.mode(), again.ports().len()), (Some(Mode::ActiveBackup), 1));
    }
    assert!(matches!(TeamHandle::open_or_create("d0"), Err(Error::NotTeam { .. })));
    for name in ["", "team%d", "a name", "sixteen-bytes-xx"] {
        let error = TeamHandle::open_or_create(name).unwrap_err();
        assert!(
            matches!(error, Error::InvalidName { .. }),
            "expected InvalidName: {name:?}: {error:?}"
        );
    }
    assert_eq!(ip_json("link").len(), 3);
}

/// Runs a function on several threads in the same namespace, several times on each, and returns all
/// results.
fn at_once<R: Send + 'static>(run: fn() -> R) -> Vec<R> {
    let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let namespace = namespace.try_clone().unwrap();
            thread::spawn(move || {
                unshare(CloneFlags::CLONE_FS).unwrap();
                nix::sched::setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                (0..20).map(|_| run()).collect::<Vec<_>>()
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn concurrent_open_or_create_never_fails() {
    enter();
    // Each call deletes the device again, while other calls may be opening it.
    let errors: Vec<_> = at_once(|| {
        let team = TeamHandle::open_or_create("team0")?;
        match team.destroy() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            destroyed => destroyed,
        }
    })
    .into_iter()
    .filter_map(Result::err)
    .collect();
    assert!(errors.is_empty(), "errors of concurrent calls: {errors:?}");
    // Without deletions there is only one device.
    let all: BTreeSet<_> =
        at_once(|| TeamHandle::open_or_create("team1").unwrap().ifindex()).into_iter().collect();
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn numbered_team_gets_the_first_free_number() {
    enter();
    dummies(&["team1", "d0"]);
    ip("link property add dev d0 altname team3");
    let teams: Vec<_> = (0..3).map(|_| TeamHandle::create_numbered("team%d").unwrap()).collect();
    assert_eq!(teams.iter().map(TeamHandle::name).collect::<Vec<_>>(), ["team0", "team2", "team4"]);
    for team in &teams {
        assert_eq!(team.ifindex(), index(team.name()));
    }
    // The kernel numbers in the same way.
    ip("link add type team");
    assert_eq!(open_named("team5").mode(), Some(Mode::Unset));
    assert_eq!(TeamHandle::create_numbered("x%dy").unwrap().name(), "x0y");
}

fn open_named(name: &str) -> TeamHandle {
    TeamHandle::open(name).unwrap()
}

#[test]
fn concurrent_numbered_teams_are_all_different() {
    enter();
    let all = at_once(|| {
        let team = TeamHandle::create_numbered("team%d").unwrap();
        (team.ifindex(), team.name().to_owned())
    });
    let count = all.len();
    for (ifindex, name) in &all {
        assert_eq!(*ifindex, index(name), "ifindex of the handle and of {name}");
    }
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), count);
}

#[test]
fn pattern_without_a_valid_name_is_refused() {
    enter();
    for pattern in [
        "",
        "team",
        "%d%d",
        "team%",
        "team%s",
        "a%d%",
        "%%d",
        "a/%d",
        "%d b",
        "fifteen-bytes-x%d",
        "é%d\0",
    ] {
        let error = TeamHandle::create_numbered(pattern).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidName { name, .. } if name == pattern),
            "expected InvalidName: {error:?}"
        );
    }
    // The number 10 has one character too many.
    for number in 0..10 {
        let team = TeamHandle::create_numbered("fourteen-bytes%d").unwrap();
        assert_eq!(team.name(), format!("fourteen-bytes{number}"));
    }
    let error = TeamHandle::create_numbered("fourteen-bytes%d").unwrap_err();
    assert!(
        matches!(&error, Error::InvalidName { name, .. } if name == "fourteen-bytes10"),
        "expected InvalidName: {error:?}"
    );
}
