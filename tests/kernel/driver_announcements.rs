//! The announcements that the driver makes itself, and how a handle reports them.

use std::time::{Duration, Instant};

use libteam::{LinkChange, TeamHandle};

use crate::support::changes::{assert_no_changes, link_change, take_changes};
use crate::support::neighbourhood::{ANNOUNCE_DELAY, Neighbourhood, frames_within};
use crate::support::netns::{enter, ip};

/// The timer tick of the slowest kernel that tests run on.
const TICK: Duration = Duration::from_millis(10);

/// Returns what a handle reports of the team's own link within this time, batch by batch.
fn reported_of_link(team: &mut TeamHandle, time: Duration) -> Vec<LinkChange> {
    let end = Instant::now() + time;
    let mut reported = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if team.wait(Some(left)).unwrap() {
            let (changes, ifindex) = (take_changes(team), team.ifindex());
            let change = link_change(&changes, ifindex)
                .inspect(|change| assert_eq!(change.before(), change.after()));
            reported.extend(change.map(libteam::Change::changed_fields));
        }
    }
    reported
}

#[test]
fn driver_announces_with_set_count_and_interval() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 192.0.2.1/24 dev team0");
    for (count, interval) in [(3, 100), (2, 250), (1, 0), (0, 100)] {
        let interval = Duration::from_millis(interval);
        scene.team.set_notify_peers(count, interval).unwrap();
        assert_eq!(scene.team.notify_peers_count(), Some(count));
        assert_eq!(scene.team.notify_peers_interval(), Some(interval));
        scene.received(0);
        scene.enable_spare();
        let reported = frames_within(&scene.wires[0], interval * count + ANNOUNCE_DELAY);
        assert_eq!(reported.len(), usize::try_from(count).unwrap(), "{reported:?}");
        for pair in reported.windows(2) {
            let apart = pair[1].0.abs_diff(pair[0].0);
            println!("{interval:?}: {apart:?}");
            assert!(
                apart + TICK >= interval && apart < interval + ANNOUNCE_DELAY,
                "time between announcements: {apart:?}, not {interval:?}"
            );
            assert_eq!(pair[0].1, pair[1].1);
        }
    }
}

#[test]
fn each_announcement_is_reported_as_notify_peers() {
    enter();
    let mut scene = Neighbourhood::new();
    let team = &mut scene.team;
    team.set_notify_peers(3, Duration::from_millis(60)).unwrap();
    reported_of_link(team, ANNOUNCE_DELAY);
    scene.enable_spare();
    let reported = reported_of_link(&mut scene.team, Duration::from_millis(180) + ANNOUNCE_DELAY);
    assert_eq!(reported, [LinkChange::NOTIFY_PEERS; 3]);
    assert_no_changes(&mut scene.team);
}

#[test]
fn each_multicast_rejoin_is_reported_as_mcast_rejoin() {
    enter();
    let mut scene = Neighbourhood::new();
    let team = &mut scene.team;
    team.set_mcast_rejoin(2, Duration::from_millis(60)).unwrap();
    assert_eq!(team.mcast_rejoin_count(), Some(2));
    assert_eq!(team.mcast_rejoin_interval(), Some(Duration::from_millis(60)));
    reported_of_link(team, ANNOUNCE_DELAY);
    scene.enable_spare();
    let reported = reported_of_link(&mut scene.team, Duration::from_millis(120) + ANNOUNCE_DELAY);
    assert_eq!(reported, [LinkChange::MCAST_REJOIN; 2]);
}

#[test]
fn queued_announcements_merge_into_one_change() {
    enter();
    let mut scene = Neighbourhood::new();
    scene.team.set_notify_peers(2, Duration::from_millis(20)).unwrap();
    scene.team.set_mcast_rejoin(1, Duration::ZERO).unwrap();
    reported_of_link(&mut scene.team, ANNOUNCE_DELAY);
    scene.enable_spare();
    std::thread::sleep(ANNOUNCE_DELAY);
    ip("link set team0 mtu 1400");
    let changes = take_changes(&mut scene.team);
    let change = link_change(&changes, scene.team.ifindex()).unwrap();
    assert_eq!(
        change.changed_fields(),
        LinkChange::NOTIFY_PEERS | LinkChange::MCAST_REJOIN | LinkChange::MTU
    );
    assert_eq!((change.before().unwrap().mtu(), change.latest().mtu()), (1500, 1400));
    assert_no_changes(&mut scene.team);

    // A reported change is not reported again.
    ip("link set team0 mtu 1500");
    let changes = take_changes(&mut scene.team);
    assert_eq!(
        link_change(&changes, scene.team.ifindex()).unwrap().changed_fields(),
        LinkChange::MTU
    );
}

#[test]
fn invalid_count_or_interval_changes_neither() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_notify_peers(3, Duration::from_micros(1001)).unwrap();
    assert_eq!(
        (team.notify_peers_count(), team.notify_peers_interval()),
        (Some(3), Some(Duration::from_millis(2)))
    );
    team.set_mcast_rejoin(u32::MAX, Duration::from_millis(u32::MAX.into())).unwrap();
    let too_long = Duration::from_millis(1 << 32);
    for error in [team.set_notify_peers(1, too_long), team.set_mcast_rejoin(1, too_long)] {
        assert!(
            matches!(error, Err(libteam::Error::OptionValue { .. })),
            "expected OptionValue: {error:?}"
        );
    }
    assert_eq!((team.notify_peers_count(), team.mcast_rejoin_count()), (Some(3), Some(u32::MAX)));
    assert_eq!(team.notify_peers_interval(), Some(Duration::from_millis(2)));
}

/// The driver leaves this announcement to user space, which is the purpose of `announce`.
#[test]
fn kernel_does_not_announce_new_active_port() {
    enter();
    let mut scene = Neighbourhood::new();
    ip("address add 192.0.2.1/24 dev team0");
    scene.team.set_notify_peers(3, Duration::from_millis(10)).unwrap();
    reported_of_link(&mut scene.team, ANNOUNCE_DELAY);
    scene.wires.iter().for_each(|wire| drop(wire.frames()));
    for port in ["eth2", "eth1"] {
        let port = scene.team.lookup_ifindex(port).unwrap();
        scene.team.set_active_port(port).unwrap();
        for wire in &scene.wires {
            assert_eq!(frames_within(wire, ANNOUNCE_DELAY), []);
        }
    }
    assert!(reported_of_link(&mut scene.team, ANNOUNCE_DELAY).is_empty());
}
