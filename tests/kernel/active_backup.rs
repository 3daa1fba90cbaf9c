//! The example `active_backup`: its choice of the active port, and the addresses, announcements and
//! switches that follow from the choice.

use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::TeamHandle;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::daemon::{
    Daemon, TEAM_HWADDR, config, hwaddr, own_hwaddr, two_ports, veth_pairs, wait_until,
};
use crate::support::frames::Wire;
use crate::support::neighbourhood::frames_within;
use crate::support::netns::{enter, index, ip};
use crate::support::raw::Raw;
use crate::support::timeouts::slowness;

const IFF_UP: u32 = 1;

#[test]
fn best_port_that_is_up_is_active() {
    enter();
    veth_pairs(3);
    let ports = json!({"eth1": {"prio": -5}, "eth2": {"prio": 10}, "eth3": {}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until_active("eth2");
    ip("link set far2 down");
    daemon.until_active("eth3");
    ip("link set far3 down");
    daemon.until_active("eth1");
    ip("link set far1 down");
    let status = daemon.until_port("eth1", "down");
    assert_eq!(status["active"], "eth1", "active port with only eth1 up");
    ip("link set far3 up");
    daemon.until_active("eth3");
    ip("link set far1 up");
    daemon.until_port("eth1", "up");
    ip("link set far2 up");
    let status = daemon.until_active("eth2");
    assert_eq!(status["failovers"], 5);
    // A priority set by another program does not replace the configured one.
    ip("link set team0 up");
    let mut team = TeamHandle::open("team0").unwrap();
    team.set_active_port(index("eth1")).unwrap();
    let status =
        daemon.until("a failover to the preferred port", |status| status["failovers"] == 6);
    assert_eq!(status["active"], "eth2");
    assert_eq!(team.port_priority(index("eth1")), Some(-5));
}

#[test]
fn sticky_or_equal_active_port_stays_active() {
    enter();
    veth_pairs(3);
    let ports = json!({"eth1": {"prio": 10}, "eth2": {"sticky": true}, "eth3": {"prio": 10}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until("all ports are up", |status| {
        ["eth1", "eth2", "eth3"].iter().all(|port| status["ports"][port]["state"] == "up")
    });
    let first = daemon.status()["active"].as_str().unwrap().to_owned();
    let (first, second) = if first == "eth1" { (1, 3) } else { (3, 1) };
    ip(&format!("link set far{first} down"));
    daemon.until_active(&format!("eth{second}"));
    ip(&format!("link set far{first} up"));
    let status = daemon.until_port(&format!("eth{first}"), "up");
    assert_eq!(
        status["active"],
        format!("eth{second}"),
        "active port after one of equal priority came up"
    );
    ip("link set far1 down");
    ip("link set far3 down");
    daemon.until_active("eth2");
    ip("link set far1 up");
    let status = daemon.until_port("eth1", "up");
    assert_eq!(status["active"], "eth2", "active port after a better one came up: eth2 is sticky");
    ip("link set far2 down");
    daemon.until_active("eth1");
}

#[test]
fn link_counts_only_after_its_delay() {
    enter();
    veth_pairs(2);
    let delay = Duration::from_secs(slowness().into());
    let watch = |milliseconds| json!({"name": "ethtool", "delay_up": milliseconds, "delay_down": milliseconds});
    let ports = json!({"eth1": {"prio": 10, "link_watch": watch(delay.as_millis())}, "eth2": {}});
    let daemon = Daemon::start(&config(&ports, &json!({"link_watch": watch(0)})));
    let status = daemon.until_active("eth2");
    assert!(
        status["ports"]["eth1"]["changes_in_ms"]
            .as_u64()
            .is_some_and(|left| u128::from(left) <= delay.as_millis()),
        "status before the delay: {status:#}"
    );
    daemon.until_active("eth1");

    let down = Instant::now();
    ip("link set far1 down");
    let status = daemon
        .until("the loss is pending", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    assert_eq!(status["active"], "eth1", "active port before the delay is over");
    daemon.until_active("eth2");
    assert!(down.elapsed() >= delay, "failover after {:?}, delay {delay:?}", down.elapsed());

    let up = Instant::now();
    ip("link set far1 up");
    daemon.until_active("eth1");
    assert!(up.elapsed() >= delay, "failover after {:?}, delay {delay:?}", up.elapsed());

    // A loss of the link shorter than the delay.
    let before = daemon.status()["failovers"].clone();
    ip("link set far1 down");
    daemon
        .until("the loss is pending", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    ip("link set far1 up");
    sleep(delay * 3 / 2);
    assert_eq!(daemon.status()["failovers"], before, "{}", daemon.log());

    // The link is up again, and down before its delay is over.
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

/// Returns the hardware addresses of the team and its two ports.
fn addresses() -> [String; 3] {
    ["team0", "eth1", "eth2"].map(hwaddr)
}

#[test]
fn same_all_gives_all_ports_the_team_address() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    wait_until("all ports have the team's address", || addresses() == [TEAM_HWADDR; 3]);
    ip("link set team0 address 02:00:00:00:00:bb");
    wait_until("all ports have the new address", || addresses() == ["02:00:00:00:00:bb"; 3]);
    ip("link set eth2 address 02:00:00:00:00:cc");
    wait_until("the port has the team's address again", || addresses() == ["02:00:00:00:00:bb"; 3]);
    drop(daemon);
}

#[test]
fn by_active_gives_team_the_active_ports_address() {
    enter();
    veth_pairs(2);
    let more = json!({"runner": {"name": "activebackup", "hwaddr_policy": "by_active"}});
    let daemon = Daemon::start(&config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &more));
    let [one, two] = [1, 2].map(own_hwaddr);
    daemon.until_active("eth1");
    wait_until("the team has eth1's address", || addresses() == [&*one, &one, &two]);
    ip("link set far1 down");
    wait_until("the team has eth2's address", || addresses() == [&*two, &one, &two]);
    ip("link set eth2 address 02:00:00:00:00:cc");
    wait_until("the team has the port's new address", || hwaddr("team0") == "02:00:00:00:00:cc");
}

#[test]
fn only_active_gives_active_port_the_team_address() {
    enter();
    veth_pairs(2);
    let more = json!({"hwaddr": TEAM_HWADDR, "runner": {"name": "activebackup", "hwaddr_policy": "only_active"}});
    let mut daemon = Daemon::start(&config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &more));
    let [one, two] = [1, 2].map(own_hwaddr);
    daemon.until_active("eth1");
    wait_until("eth1 has the team's address", || addresses() == [TEAM_HWADDR, TEAM_HWADDR, &two]);
    ip("link set far1 down");
    wait_until("eth2 has the team's address", || addresses() == [TEAM_HWADDR, &one, TEAM_HWADDR]);
    ip("link set far1 up");
    wait_until("eth1 has the team's address again", || {
        addresses() == [TEAM_HWADDR, TEAM_HWADDR, &two]
    });
    ip("link set team0 address 02:00:00:00:00:bb");
    wait_until("eth1 has the team's new address", || {
        addresses() == ["02:00:00:00:00:bb", "02:00:00:00:00:bb", &two]
    });
    assert!(daemon.end(Signal::SIGTERM).success());
    assert_eq!(["eth1", "eth2"].map(hwaddr), [one, two]);
}

#[test]
fn failover_sends_configured_announcements() {
    enter();
    veth_pairs(2);
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
    let received = frames_within(&wire, Duration::from_secs(1));
    assert_eq!(received.len(), 6, "{received:?}\n{}", daemon.log());
    let of_team: Vec<_> =
        received.iter().filter(|(_, frame)| frame[28..32] == [192, 0, 2, 1]).collect();
    assert_eq!(of_team.len(), 3);
    for pair in of_team.windows(2) {
        let apart = pair[1].0.abs_diff(pair[0].0);
        assert!(
            apart >= Duration::from_millis(100) && apart < Duration::from_millis(500),
            "times between announcements: {apart:?}"
        );
    }
    assert_eq!(daemon.status()["announcements"], 6);
}

#[test]
fn recovery_from_failure_of_all_ports_is_announced() {
    enter();
    veth_pairs(2);
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
    let later = daemon.until("the recovery is announced", |status| status["announcements"] == 2);
    assert_eq!((&later["active"], &later["failovers"]), (&status["active"], &status["failovers"]));
}

#[test]
fn link_flap_seen_late_restarts_the_up_delay() {
    enter();
    veth_pairs(2);
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
    // The kernel reports a link's state with a delay.
    sleep(delay / 5);
    daemon.signal(Signal::SIGCONT);
    daemon.until_active("eth2");
    daemon.until_active("eth1");
    assert!(back.elapsed() >= delay, "active again after {:?}, delay {delay:?}", back.elapsed());
}

#[test]
fn restarted_daemon_keeps_the_active_port() {
    enter();
    veth_pairs(2);
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
fn active_port_left_disabled_is_enabled() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start_with(&two_ports(), &["--keep"], &[]);
    daemon.until_active("eth1");
    drop(daemon);
    // The state in which teamd leaves ports.
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
