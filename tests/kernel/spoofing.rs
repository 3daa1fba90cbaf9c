//! A hostile process that spoofs messages of the kernel, or floods sockets.

use std::time::{Duration, Instant};

use libteam::link_events::LinkEvents;
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{Error, IfIndex, LinkSettings, Mode, TeamHandle};

use crate::support::changes::{
    Replica, all_links, handle_until_converged, take_changes, team_with,
};
use crate::support::diff::handle_until_quiet;
use crate::support::link_replica::marks;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::{assert_matches_kernel, state};
use crate::support::spoof::{ABSENT_IFINDEX, Spoofer, run_once};

/// The sockets of two handles, of a stream of link events and of an rtnetlink connection.
const SOCKETS: usize = 4 + 4 + 1 + 1;
const ROUNDS: u32 = 40;

fn absent() -> IfIndex {
    IfIndex::new(ABSENT_IFINDEX).unwrap()
}

/// Creates a team with two ports, and opens a handle that follows all links and another one that
/// follows only the team's.
fn handles() -> [TeamHandle; 2] {
    enter();
    let mut all = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    handle_until_quiet(&mut all);
    let own = TeamHandle::open("team0").unwrap();
    [all, own]
}

/// Makes a process send spoofed messages, and panics if they have any effect.
fn assert_unaffected_by(spoofer: &str) {
    let mut handles = handles();
    let mut events = LinkEvents::new().unwrap();
    let mut rtnl = RtnlSocket::new().unwrap();
    let before = [0, 1].map(|which: usize| state(&handles[which]));
    run_once(spoofer, SOCKETS);
    assert_eq!(marks(&mut events), [""; 0]);
    for (team, before) in handles.iter_mut().zip(before) {
        let changes = take_changes(team);
        assert!(
            changes.is_empty() && !changes.is_resynced(),
            "changes after spoofed messages: {changes:#?}"
        );
        assert_eq!(state(team), before);
        assert_matches_kernel(team);
        assert!(
            !team.wait(Some(Duration::ZERO)).unwrap(),
            "the handle is readable after spoofed messages"
        );
    }
    // The next requests have sequence numbers for which replies were spoofed: an acknowledgement,
    // an error and an end.
    assert!(matches!(rtnl.delete_link(absent()), Err(Error::NoSuchDevice { .. })));
    assert_eq!(rtnl.create_link(&NewLink::dummy("more")).unwrap(), index("more"));
    assert_eq!(marks(&mut events)[0], "+more");
    for (number, team) in (7..).zip(&mut handles) {
        assert!(team.add_port(absent()).is_err());
        team.set_notify_peers_count(number).unwrap();
        assert_eq!(team.notify_peers_count().unwrap(), number);
        handle_until_converged(team);
    }
    ip("link set more mtu 1400");
    assert!(marks(&mut events).iter().any(|mark| mark == "*more"));
}

#[test]
fn spoofed_messages_have_no_effect() {
    assert_unaffected_by("support::spoof::spoofs_once");
}

#[test]
fn unprivileged_process_cannot_send_spoofed_messages() {
    assert_unaffected_by("support::spoof::spoofs_without_privileges");
}

/// Gives every kind of command, including some that the kernel refuses. Returns the duration of the
/// slowest.
fn give_commands(team: &mut TeamHandle, rtnl: &mut RtnlSocket, round: u32) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut last = Instant::now();
    let mut lap = || {
        let now = Instant::now();
        slowest = slowest.max(now - last);
        last = now;
    };
    let d1 = index("d1");
    team.set_notify_peers_count(round).unwrap();
    lap();
    team.set_port_priority(index("d0"), 5).unwrap();
    lap();
    team.remove_port(d1).unwrap();
    lap();
    team.add_port(d1).unwrap();
    lap();
    let more = rtnl.create_link(&NewLink::dummy("more")).unwrap();
    lap();
    rtnl.set_link(more, &LinkSettings::new().mtu(1400)).unwrap();
    lap();
    assert!(rtnl.create_link(&NewLink::dummy("more")).is_err());
    lap();
    rtnl.delete_link(more).unwrap();
    lap();
    assert!(matches!(rtnl.delete_link(more), Err(Error::NoSuchDevice { .. })));
    lap();
    let mut second = TeamHandle::create("team1").unwrap();
    lap();
    for mode in [Mode::LoadBalance, Mode::Random] {
        second.set_mode(mode).unwrap();
        lap();
    }
    second.destroy().unwrap();
    lap();
    RtnlSocket::new().unwrap().link_by_name("team0").unwrap();
    lap();
    slowest
}

/// Gives commands while the spoofing process runs. Panics if one fails or hangs, or if a handle
/// reports spoofed data.
fn assert_works_despite(spoofer: &str) {
    let mut handles = handles();
    let mut replicas = [0, 1].map(|which: usize| Replica::of(&handles[which]));
    let mut rtnl = RtnlSocket::new().unwrap();
    let mut spoofer = Spoofer::start(spoofer);
    let (mut slowest, mut resyncs) = (Duration::ZERO, 0);
    for round in 0..ROUNDS {
        slowest = slowest.max(give_commands(&mut handles[0], &mut rtnl, round));
        for (team, replica) in handles.iter_mut().zip(&mut replicas) {
            let changes = take_changes(team);
            resyncs += u32::from(changes.is_resynced());
            for link in changes.links() {
                assert_ne!(link.latest().ifindex(), absent(), "{link:?}");
                assert!(
                    !link.latest().name().starts_with("forged"),
                    "a spoofed name in the cache: {link:?}"
                );
            }
            replica.apply(&changes);
        }
    }
    assert!(spoofer.is_running(), "the spoofing process has ended");
    drop(spoofer);
    eprintln!("{ROUNDS} rounds, {resyncs} resyncs, the slowest command took {slowest:?}");
    for (team, replica) in handles.iter_mut().zip(&mut replicas) {
        while team.wait(Some(Duration::from_millis(100))).unwrap() {
            replica.apply(&take_changes(team));
        }
        assert_eq!(*replica, Replica::of(team));
        assert_matches_kernel(team);
    }
}

#[test]
fn commands_work_despite_endless_spoofed_messages() {
    assert_works_despite("support::spoof::spoofs_until_killed");
}

#[test]
fn unprivileged_flood_breaks_no_command() {
    assert_works_despite("support::spoof::overruns_sockets_until_killed");
}

#[test]
fn events_arrive_despite_spoofed_messages() {
    let [team, own] = handles();
    drop((team, own));
    // `ip` may lose its reply to a spoofed message.
    dummies(&["d2"]);
    let _spoofer = Spoofer::start("support::spoof::spoofs_until_killed");
    for round in 0..20_u32 {
        let mut rtnl = RtnlSocket::new().unwrap();
        assert!(matches!(rtnl.delete_link(absent()), Err(Error::NoSuchDevice { .. })));
        for builder in [TeamHandle::builder(), all_links()] {
            let team = builder.open("team0").unwrap();
            assert_eq!((team.ports().len(), team.mode()), (2, Some(Mode::ActiveBackup)));
            assert_eq!(team.link(absent()), None);
        }
        rtnl.set_link(index("d2"), &LinkSettings::new().mtu(1000 + round)).unwrap();
        assert_eq!(rtnl.link_by_name("d2").unwrap().mtu(), 1000 + round);
    }
}
