//! The example `active_backup` chooses a port, and what comes with that.

use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::TeamHandle;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::daemon::{
    Daemon, TEAM_HWADDR, cables, config, hwaddr, own_hwaddr, two_ports, wait_until,
};
use crate::support::frames::Wire;
use crate::support::neighbourhood::frames_within;
use crate::support::netns::{enter, index, ip};
use crate::support::raw::Raw;
use crate::support::timeouts::slowness;

const IFF_UP: u32 = 1;

#[test]
fn the_best_port_that_is_up_is_active() {
    enter();
    cables(3);
    let ports = json!({"eth1": {"prio": -5}, "eth2": {"prio": 10}, "eth3": {}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until_active("eth2");
    ip("link set far2 down");
    daemon.until_active("eth3");
    ip("link set far3 down");
    daemon.until_active("eth1");
    ip("link set far1 down");
    let status = daemon.until_port("eth1", "down");
    assert_eq!(status["active"], "eth1", "there is no other");
    ip("link set far3 up");
    daemon.until_active("eth3");
    ip("link set far1 up");
    daemon.until_port("eth1", "up");
    ip("link set far2 up");
    let status = daemon.until_active("eth2");
    assert_eq!(status["failovers"], 5);
    // What somebody else sets is not what the priorities say.
    ip("link set team0 up");
    let mut team = TeamHandle::open("team0").unwrap();
    team.set_active_port(index("eth1")).unwrap();
    let status = daemon.until("the choice is mended", |status| status["failovers"] == 6);
    assert_eq!(status["active"], "eth2");
    assert_eq!(team.port_priority(index("eth1")), Some(-5));
}

#[test]
fn a_sticky_port_stays_active_and_one_as_good_as_the_active_one_does_not_replace_it() {
    enter();
    cables(3);
    let ports = json!({"eth1": {"prio": 10}, "eth2": {"sticky": true}, "eth3": {"prio": 10}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until("all are up", |status| {
        ["eth1", "eth2", "eth3"].iter().all(|port| status["ports"][port]["state"] == "up")
    });
    let first = daemon.status()["active"].as_str().unwrap().to_owned();
    let (first, second) = if first == "eth1" { (1, 3) } else { (3, 1) };
    ip(&format!("link set far{first} down"));
    daemon.until_active(&format!("eth{second}"));
    ip(&format!("link set far{first} up"));
    let status = daemon.until_port(&format!("eth{first}"), "up");
    assert_eq!(status["active"], format!("eth{second}"), "as good as the other");
    ip("link set far1 down");
    ip("link set far3 down");
    daemon.until_active("eth2");
    ip("link set far1 up");
    let status = daemon.until_port("eth1", "up");
    assert_eq!(status["active"], "eth2", "it is sticky");
    ip("link set far2 down");
    daemon.until_active("eth1");
}

#[test]
fn a_link_counts_when_its_delay_is_over() {
    enter();
    cables(2);
    let delay = Duration::from_secs(slowness().into());
    let watch = |milliseconds| json!({"name": "ethtool", "delay_up": milliseconds, "delay_down": milliseconds});
    let ports = json!({"eth1": {"prio": 10, "link_watch": watch(delay.as_millis())}, "eth2": {}});
    let daemon = Daemon::start(&config(&ports, &json!({"link_watch": watch(0)})));
    let status = daemon.until_active("eth2");
    assert!(
        status["ports"]["eth1"]["changes_in_ms"]
            .as_u64()
            .is_some_and(|left| u128::from(left) <= delay.as_millis()),
        "{status:#}"
    );
    daemon.until_active("eth1");

    let down = Instant::now();
    ip("link set far1 down");
    let status = daemon
        .until("the loss is noted", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    assert_eq!(status["active"], "eth1", "not yet");
    daemon.until_active("eth2");
    assert!(down.elapsed() >= delay, "{:?}", down.elapsed());

    let up = Instant::now();
    ip("link set far1 up");
    daemon.until_active("eth1");
    assert!(up.elapsed() >= delay, "{:?}", up.elapsed());

    // Shorter than its delay.
    let before = daemon.status()["failovers"].clone();
    ip("link set far1 down");
    daemon.until("the loss is noted", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    ip("link set far1 up");
    sleep(delay * 3 / 2);
    assert_eq!(daemon.status()["failovers"], before, "{}", daemon.log());

    // Back, and gone again before its delay is over.
    ip("link set far1 down");
    daemon.until_active("eth2");
    let mut raw = Raw::new();
    for _ in 0..8 {
        raw.set_flags(index("far1"), IFF_UP, IFF_UP).unwrap();
        sleep(delay / 5);
        raw.set_flags(index("far1"), 0, IFF_UP).unwrap();
        sleep(delay / 20);
    }
    assert_eq!(daemon.status()["active"], "eth2");
    let now: u64 = daemon.status()["failovers"].as_u64().unwrap();
    assert_eq!(now, before.as_u64().unwrap() + 1, "{}", daemon.log());
}

/// The hardware addresses of the team and its two ports.
fn addresses() -> [String; 3] {
    ["team0", "eth1", "eth2"].map(hwaddr)
}

#[test]
fn with_same_all_every_port_has_the_hardware_address_of_the_team() {
    enter();
    cables(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    wait_until("all have it", || addresses() == [TEAM_HWADDR; 3]);
    ip("link set team0 address 02:00:00:00:00:bb");
    wait_until("all follow", || addresses() == ["02:00:00:00:00:bb"; 3]);
    ip("link set eth2 address 02:00:00:00:00:cc");
    wait_until("it is given the team's again", || addresses() == ["02:00:00:00:00:bb"; 3]);
    drop(daemon);
}

#[test]
fn with_by_active_the_team_has_the_hardware_address_of_the_active_port() {
    enter();
    cables(2);
    let more = json!({"runner": {"name": "activebackup", "hwaddr_policy": "by_active"}});
    let daemon = Daemon::start(&config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &more));
    let [one, two] = [1, 2].map(own_hwaddr);
    daemon.until_active("eth1");
    wait_until("it is eth1's", || addresses() == [&*one, &one, &two]);
    ip("link set far1 down");
    wait_until("it is eth2's", || addresses() == [&*two, &one, &two]);
    ip("link set eth2 address 02:00:00:00:00:cc");
    wait_until("it follows", || hwaddr("team0") == "02:00:00:00:00:cc");
}

#[test]
fn with_only_active_no_other_port_has_the_hardware_address_of_the_team() {
    enter();
    cables(2);
    let more = json!({"hwaddr": TEAM_HWADDR, "runner": {"name": "activebackup", "hwaddr_policy": "only_active"}});
    let mut daemon = Daemon::start(&config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &more));
    let [one, two] = [1, 2].map(own_hwaddr);
    daemon.until_active("eth1");
    wait_until("eth1 has it", || addresses() == [TEAM_HWADDR, TEAM_HWADDR, &two]);
    ip("link set far1 down");
    wait_until("eth2 has it", || addresses() == [TEAM_HWADDR, &one, TEAM_HWADDR]);
    ip("link set far1 up");
    wait_until("eth1 has it again", || addresses() == [TEAM_HWADDR, TEAM_HWADDR, &two]);
    ip("link set team0 address 02:00:00:00:00:bb");
    wait_until("eth1 follows", || addresses() == ["02:00:00:00:00:bb", "02:00:00:00:00:bb", &two]);
    assert!(daemon.end(Signal::SIGTERM).success());
    assert_eq!(["eth1", "eth2"].map(hwaddr), [one, two]);
}

#[test]
fn a_failover_is_announced_as_often_as_configured() {
    enter();
    cables(2);
    let more = json!({"hwaddr": TEAM_HWADDR, "notify_peers": {"count": 3, "interval": 100}});
    let daemon = Daemon::start(&config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &more));
    ip("link set team0 up");
    ip("address add 192.0.2.1/24 dev team0");
    ip("link add link team0 name vlan type vlan id 7");
    ip("address add 198.51.100.1/24 dev vlan");
    ip("link set vlan up");
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    sleep(Duration::from_millis(400));
    let wire = Wire::open("far2");
    wire.frames();
    ip("link set far1 down");
    let heard = frames_within(&wire, Duration::from_secs(1));
    assert_eq!(heard.len(), 6, "{heard:?}\n{}", daemon.log());
    let of_team: Vec<_> =
        heard.iter().filter(|(_, frame)| frame[28..32] == [192, 0, 2, 1]).collect();
    assert_eq!(of_team.len(), 3);
    for pair in of_team.windows(2) {
        let apart = pair[1].0.abs_diff(pair[0].0);
        assert!(
            apart >= Duration::from_millis(100) && apart < Duration::from_millis(500),
            "{apart:?}"
        );
    }
    assert_eq!(daemon.status()["announcements"], 6);
}

#[test]
fn the_way_back_from_a_failure_of_all_ports_is_announced_too() {
    enter();
    cables(2);
    let daemon = Daemon::start(&two_ports());
    let status = daemon.until("eth1 is active and was announced", |status| {
        status["announcements"] == 1
            && status["active"] == "eth1"
            && status["ports"]["eth2"]["state"] == "up"
    });
    ip("link set far2 down");
    ip("link set far1 down");
    daemon.until_port("eth1", "down");
    ip("link set far1 up");
    let later = daemon.until("it is announced", |status| status["announcements"] == 2);
    assert_eq!((&later["active"], &later["failovers"]), (&status["active"], &status["failovers"]));
}

#[test]
fn a_link_that_was_gone_unseen_has_to_be_up_for_its_delay_again() {
    enter();
    cables(2);
    let delay = Duration::from_secs(slowness().into());
    let watch = json!({"name": "ethtool", "delay_up": delay.as_millis()});
    let ports = json!({"eth1": {"prio": 10, "link_watch": watch}, "eth2": {}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until_active("eth1");
    daemon.signal(Signal::SIGSTOP);
    let mut raw = Raw::new();
    let back = Instant::now();
    raw.set_flags(index("far1"), 0, IFF_UP).unwrap();
    raw.set_flags(index("far1"), IFF_UP, IFF_UP).unwrap();
    // The kernel tells of a link's state some time later.
    sleep(delay / 5);
    daemon.signal(Signal::SIGCONT);
    daemon.until_active("eth2");
    daemon.until_active("eth1");
    assert!(back.elapsed() >= delay, "{:?}", back.elapsed());
}

#[test]
fn a_daemon_that_starts_again_leaves_the_traffic_where_it_is() {
    enter();
    cables(2);
    let slow = json!({"name": "ethtool", "delay_up": 3_600_000});
    let ports = json!({"eth1": {"prio": 10, "link_watch": slow}, "eth2": {}});
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.end(Signal::SIGKILL);
    let daemon = Daemon::start(&config(&ports, &json!({})));
    let status = daemon.until_port("eth2", "up");
    assert_eq!((&status["active"], &status["failovers"]), (&json!("eth1"), &json!(0)));
    assert_eq!(status["ports"]["eth1"]["state"], "up");
}

#[test]
fn the_active_port_is_enabled() {
    enter();
    cables(2);
    let daemon = Daemon::start_with(&two_ports(), &["--keep"], &[]);
    daemon.until_active("eth1");
    drop(daemon);
    // As teamd leaves it.
    let mut team = TeamHandle::open("team0").unwrap();
    let [eth1, eth2] = ["eth1", "eth2"].map(index);
    for port in [eth1, eth2] {
        team.set_port_enabled(port, false).unwrap();
    }
    let enabled = || {
        let team = TeamHandle::open("team0").unwrap();
        [eth1, eth2].map(|port| team.port_enabled(port))
    };
    let daemon = Daemon::start(&two_ports());
    wait_until("eth1 is enabled", || enabled() == [Some(true), Some(false)]);
    daemon.until_port("eth2", "up");
    ip("link set far1 down");
    daemon.until_active("eth2");
    assert_eq!(enabled(), [Some(true), Some(true)]);
}
