//! The example `active_backup` with a port that fails when it is made active, and with one link
//! that has two configured names.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, TEAM_HWADDR, config, hwaddr, veth_pairs, wait_until};
use crate::support::netns::{enter, index, ip};
use crate::support::raw::Raw;
use crate::support::timeouts::slowness;

/// Shorter than any delay after which the daemon would try again by itself.
const AT_ONCE: Duration = Duration::from_millis(900);

fn with_policy(policy: &str, ports: &Value) -> Value {
    config(
        ports,
        &json!({"hwaddr": TEAM_HWADDR, "runner": {"name": "activebackup", "hwaddr_policy": policy}}),
    )
}

/// Creates `mv`, which cannot have the team's address while the link below has it.
fn macvlan() {
    ip("link add base type veth peer name basepeer");
    ip(&format!("link set base address {TEAM_HWADDR} up"));
    ip("link set basepeer up");
    ip("link add link base mv type macvlan");
}

#[test]
fn best_port_without_team_address_is_skipped() {
    for policy in ["only_active", "same_all"] {
        enter();
        veth_pairs(2);
        // The driver of an ifb device cannot set an address.
        ip("link add fixed type ifb");
        let ports = json!({"fixed": {"prio": 100}, "eth1": {"prio": 200}, "eth2": {}});
        ip("link set far1 down");
        let daemon = Daemon::start(&with_policy(policy, &ports));
        let status = daemon.until_active("eth2");
        assert_eq!(status["ports"]["fixed"]["state"], "up", "{policy}");

        // A failover does not choose it either.
        ip("link set far1 up");
        daemon.until_active("eth1");
        sleep(Duration::from_secs(5));
        let lost = Instant::now();
        ip("link set far1 down");
        daemon.until_active("eth2");
        assert!(
            lost.elapsed() < AT_ONCE * slowness(),
            "{policy}: failover after {:?}\n{}",
            lost.elapsed(),
            daemon.log()
        );
        wait_until("eth2 has the team's address", || hwaddr("eth2") == TEAM_HWADDR);

        let ticks = daemon.processor_ticks();
        sleep(Duration::from_secs(3));
        let ticks = daemon.processor_ticks() - ticks;
        assert!(ticks < 15 * u64::from(slowness()), "{policy}: {ticks} ticks: {}", daemon.log());
        assert_eq!(daemon.log().matches("fixed cannot be active: ").count(), 1, "{}", daemon.log());
    }
}

#[test]
fn failed_port_is_retried() {
    enter();
    veth_pairs(1);
    macvlan();
    let daemon =
        Daemon::start(&with_policy("only_active", &json!({"mv": {"prio": 100}, "eth1": {}})));
    daemon.until_active("eth1");
    ip("link set base address 02:00:00:00:00:bb");
    daemon.until_active("mv");
    assert_eq!(hwaddr("mv"), TEAM_HWADDR);
}

#[test]
fn failed_port_is_retried_at_once_as_last_port() {
    enter();
    veth_pairs(1);
    macvlan();
    let start = Instant::now();
    let daemon =
        Daemon::start(&with_policy("only_active", &json!({"mv": {"prio": 100}, "eth1": {}})));
    daemon.until_active("eth1");
    // After attempts at about 0, 1, 3 and 7 seconds, the next would be at 15.
    sleep(Duration::from_secs(8).saturating_sub(start.elapsed()));
    ip("link set base address 02:00:00:00:00:bb");
    let lost = Instant::now();
    ip("link set far1 down");
    daemon.until_active("mv");
    assert!(
        lost.elapsed() < 3 * AT_ONCE * slowness(),
        "failover after {:?}\n{}",
        lost.elapsed(),
        daemon.log()
    );
}

#[test]
fn link_with_two_configured_names_is_one_port() {
    enter();
    veth_pairs(1);
    ip("link property add dev eth1 altname cable1");
    ip("link property add dev eth1 altname left");
    let delay = Duration::from_secs(slowness().into());
    let watch = json!({"name": "ethtool", "delay_up": delay.as_millis()});
    let ports = json!({"cable1": {}, "eth1": {"prio": 7}, "left": {}});
    let start = Instant::now();
    let daemon = Daemon::start(&config(&ports, &json!({"link_watch": watch})));
    // More often than the delay.
    let mut raw = Raw::new();
    let mut is_active = false;
    for round in 0..60_u8 {
        raw.set_hwaddr(index("far1"), [2, 0, 0, 0, 1, round]).unwrap();
        ip(&format!("link set eth1 alias {round}"));
        sleep(delay / 20);
        is_active |= daemon.status()["active"] == "eth1";
    }
    assert!(is_active, "eth1 is not active after {:?}: {}", start.elapsed(), daemon.log());
    let status = daemon.status();
    let found = ["cable1", "eth1", "left"].map(|name| status["ports"][name]["state"].clone());
    assert_eq!(found, ["absent", "up", "absent"], "{status:#}");
    let log = daemon.log();
    assert_eq!(log.matches("is a port\n").count(), 1, "{log}");
    for name in ["cable1", "left"] {
        assert_eq!(log.matches(&format!("{name} is ignored\n")).count(), 1, "{log}");
    }
}

#[test]
fn renamed_link_with_configured_name_stays_up() {
    enter();
    veth_pairs(2);
    let slow = json!({"name": "ethtool", "delay_up": 3_600_000});
    ip("link property add dev eth2 altname left");
    let ports = json!({"eth1": {"prio": 10}, "left": {}, "right": {"link_watch": slow}});
    let daemon = Daemon::start(&config(&ports, &json!({})));
    daemon.until_active("eth1");
    daemon.until_port("left", "up");
    ip("link property del dev eth2 altname left");
    ip("link property add dev eth2 altname right");
    let status = daemon
        .until("the port has its new name", |status| status["ports"]["right"]["state"] != "absent");
    assert_eq!(status["ports"]["right"]["state"], "up", "{status:#}\n{}", daemon.log());
    assert_eq!(status["ports"]["left"]["state"], "absent", "{status:#}");
}
