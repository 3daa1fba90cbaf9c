//! The example `active_backup` chooses a port, and survives what happens to the team and its links.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::announcing::listen_for;
use crate::daemon::{Daemon, cable, cables, own_hwaddr};
use crate::effort::PATIENCE;
use crate::netns::{enter, index, ip, ip_json, run_ip};
use crate::raw::Raw;
use crate::tool::{example, run};
use crate::wire::Wire;

const IFF_UP: u32 = 1;
const TEAM_HWADDR: &str = "02:00:00:00:00:aa";

/// A configuration with these ports, and what else is given.
fn config(ports: &Value, more: &Value) -> Value {
    let mut config = json!({"device": "team0", "runner": {"name": "activebackup"}, "ports": ports});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn two_ports() -> Value {
    config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &json!({"hwaddr": TEAM_HWADDR}))
}

fn hwaddr(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["address"].as_str().unwrap().to_owned()
}

/// The master of a link; empty for none.
fn master(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["master"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        sleep(Duration::from_millis(10));
    }
}

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
    let mut team = libteam::TeamHandle::open("team0").unwrap();
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
    let watch = |up, down| json!({"name": "ethtool", "delay_up": up, "delay_down": down});
    let ports = json!({"eth1": {"prio": 10, "link_watch": watch(1000, 1000)}, "eth2": {}});
    let daemon = Daemon::start(&config(&ports, &json!({"link_watch": watch(0, 0)})));
    let status = daemon.until_active("eth2");
    assert!(status["ports"]["eth1"]["changes_in_ms"].as_u64().is_some_and(|left| left <= 1000), "{status:#}");
    daemon.until_active("eth1");

    let down = Instant::now();
    ip("link set far1 down");
    let status = daemon.until("the loss is noted", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    assert_eq!(status["active"], "eth1", "not yet");
    daemon.until_active("eth2");
    assert!(down.elapsed() >= Duration::from_secs(1), "{:?}", down.elapsed());

    let up = Instant::now();
    ip("link set far1 up");
    daemon.until_active("eth1");
    assert!(up.elapsed() >= Duration::from_secs(1), "{:?}", up.elapsed());

    // Shorter than its delay.
    let before = daemon.status()["failovers"].clone();
    ip("link set far1 down");
    daemon.until("the loss is noted", |status| !status["ports"]["eth1"]["changes_in_ms"].is_null());
    ip("link set far1 up");
    sleep(Duration::from_millis(1500));
    assert_eq!(daemon.status()["failovers"], before, "{}", daemon.log());

    // Back, and gone again before its delay is over.
    ip("link set far1 down");
    daemon.until_active("eth2");
    let mut raw = Raw::new();
    for _ in 0..8 {
        raw.set_flags(index("far1"), IFF_UP, IFF_UP).unwrap();
        sleep(Duration::from_millis(200));
        raw.set_flags(index("far1"), 0, IFF_UP).unwrap();
        sleep(Duration::from_millis(50));
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
fn ports_come_and_go_and_come_back() {
    enter();
    cables(1);
    let daemon = Daemon::start(&two_ports());
    let status = daemon.until_active("eth1");
    assert_eq!(status["ports"]["eth2"]["state"], "absent");
    cable(2);
    daemon.until_port("eth2", "up");
    ip("link del eth1");
    let status = daemon.until_active("eth2");
    assert_eq!(status["ports"]["eth1"]["state"], "absent");
    cable(1);
    daemon.until_active("eth1");
    assert_eq!(master("eth1"), "team0");

    // Released by somebody: it is configured, and free.
    ip("link set eth1 nomaster");
    daemon.until("it is a port again", |status| status["ports"]["eth1"]["ifindex"] == index("eth1").get());
    daemon.until_active("eth1");
    // Taken by somebody.
    ip("link add br0 type bridge");
    ip("link set eth1 master br0");
    daemon.until_port("eth1", "absent");
    sleep(Duration::from_millis(300));
    assert_eq!(master("eth1"), "br0");
    ip("link del br0");
    daemon.until_active("eth1");
    // Up, as somebody set it before it got its name.
    ip("link del eth2");
    ip("link add other type veth peer name far2");
    ip("link set far2 up");
    ip("link set other up");
    ip("link set other name eth2");
    daemon.until_port("eth2", "up");
}

#[test]
fn a_port_that_is_renamed_stays_one_until_another_link_takes_its_name() {
    enter();
    cables(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    let rename = |old, new| crate::kernel::renaming(old, new).iter().for_each(|command| drop(ip(command)));
    for (old, name) in [("eth1", "eth9"), ("eth9", "eth1")] {
        rename(old, name);
        let status = daemon.until_active(name);
        assert_eq!(status["ports"]["eth1"]["link"], name);
    }
    // The two change places.
    for (old, new) in [("eth1", "eth9"), ("eth2", "eth1"), ("eth9", "eth2")] {
        rename(old, new);
    }
    let indices = || ["eth1", "eth2"].map(|name| index(name).get());
    daemon.until("they are known by their new names", |status| {
        ["eth1", "eth2"].map(|name| status["ports"][name]["ifindex"].as_u64())
            == indices().map(|index| Some(index.into()))
    });
    daemon.until_active("eth1");
    assert_eq!(["eth1", "eth2"].map(master), ["team0", "team0"]);

    rename("eth1", "old");
    daemon.until("it has another name", |status| status["ports"]["eth1"]["link"] == "old");
    ip("link add eth1 type veth peer name new");
    ip("link set new up");
    daemon.until_active("eth1");
    wait_until("the old one is released", || master("old").is_empty());
    assert_eq!(master("eth1"), "team0");
}

#[test]
fn a_team_that_is_deleted_is_created_again() {
    enter();
    cables(2);
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    for _ in 0..3 {
        let old = index("team0");
        ip("link del team0");
        daemon.until("there is another one", |status| {
            status["ifindex"].as_u64().is_some_and(|new| new != u64::from(old.get()))
        });
        let status = daemon.until_active("eth1");
        assert_eq!(status["hwaddr"], TEAM_HWADDR);
    }
    assert!(daemon.end(Signal::SIGTERM).success());
    assert!(!run_ip("link show dev team0").status.success(), "it is deleted");
}

#[test]
fn a_team_that_somebody_else_creates_again_is_taken_over() {
    enter();
    cables(2);
    let mut daemon = Daemon::start(&two_ports());
    for round in 0..5_u32 {
        daemon.until_active("eth1");
        // At once, and after the daemon saw that it was gone.
        ip("link del team0");
        sleep(Duration::from_millis(u64::from(round) * 20));
        ip("link add team0 type team");
    }
    daemon.until_active("eth1");
    assert_eq!(hwaddr("team0"), TEAM_HWADDR);
    // It was not the daemon's, and so is not made again by it.
    ip("link del team0");
    daemon.until("it is gone", |status| status["ifindex"].is_null());
    sleep(Duration::from_millis(1500));
    assert!(daemon.status()["ifindex"].is_null());
    ip("link add team0 type team");
    daemon.until_active("eth1");
    assert!(daemon.end(Signal::SIGTERM).success());
    assert_eq!(master("eth1"), "team0", "it stays as it is");
}

#[test]
fn a_team_in_another_mode_is_put_into_this_one() {
    enter();
    cables(2);
    let mut team = libteam::TeamHandle::create("team0").unwrap();
    team.set_mode(libteam::Mode::RoundRobin).unwrap();
    team.add_port(index("eth2")).unwrap();
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    crate::watch::hear_until(&mut team, "the mode is set", |team| team.mode() == Some(libteam::Mode::ActiveBackup));
}

#[test]
fn lost_notifications_are_made_good() {
    enter();
    cables(3);
    let ports = json!({"eth1": {"prio": 10}, "eth2": {"prio": 5}, "eth3": {}});
    let daemon = Daemon::start_with(&config(&ports, &json!({})), &[], &[("TEAM_EVENT_BUFSIZE", "4096")]);
    daemon.until_active("eth1");
    daemon.until("all are up", |status| status["ports"]["eth3"]["state"] == "up");
    let mut raw = Raw::new();
    for round in 1..=3_u32 {
        daemon.signal(Signal::SIGSTOP);
        // More than its buffers hold, and then what matters: a port fails, one goes, one comes.
        for mtu in 0..1200 {
            raw.set_mtu(index("eth3"), 1300 + mtu % 2).unwrap_err();
            raw.set_mtu(index("team0"), 1300 + mtu % 2).unwrap();
        }
        ip("link set far1 down");
        ip("link del eth3");
        cable(3);
        daemon.signal(Signal::SIGCONT);
        let status = daemon.until_active("eth2");
        assert!(status["resyncs"].as_u64() >= Some(round.into()), "{status:#}");
        daemon.until("eth3 is the new one", |status| {
            status["ports"]["eth3"]["ifindex"] == index("eth3").get() && status["ports"]["eth3"]["state"] == "up"
        });
        ip("link set far1 up");
        daemon.until_active("eth1");
    }
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
    let heard = listen_for(&wire, Duration::from_secs(1));
    assert_eq!(heard.len(), 6, "{heard:?}\n{}", daemon.log());
    let of_team: Vec<_> = heard.iter().filter(|(_, frame)| frame[28..32] == [192, 0, 2, 1]).collect();
    assert_eq!(of_team.len(), 3);
    for pair in of_team.windows(2) {
        let apart = pair[1].0.abs_diff(pair[0].0);
        assert!(apart >= Duration::from_millis(100) && apart < Duration::from_millis(500), "{apart:?}");
    }
    assert_eq!(daemon.status()["announcements"], 6);
}

#[test]
fn at_the_end_a_created_team_is_deleted_unless_it_is_to_be_kept() {
    enter();
    cables(2);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&two_ports());
        daemon.until_active("eth1");
        wait_until("the address is set", || hwaddr("eth2") == TEAM_HWADDR);
        assert_eq!(daemon.end(signal).code(), Some(0));
        assert!(!run_ip("link show dev team0").status.success(), "it is deleted");
        assert!(!daemon.directory().join("socket").exists());
        assert_eq!(["eth1", "eth2"].map(hwaddr), [1, 2].map(own_hwaddr));
    }
    let mut daemon = Daemon::start_with(&two_ports(), &["--keep"], &[]);
    daemon.until_active("eth1");
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert_eq!(["eth1", "eth2"].map(master), ["team0", "team0"]);
    // The next one finds it.
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert_eq!(master("eth1"), "team0", "it was there before");
}

#[test]
fn only_one_listens_and_one_that_was_killed_is_replaced() {
    enter();
    cables(2);
    let mut daemon = Daemon::start(&two_ports());
    let (socket, file) = (daemon.directory().join("socket"), daemon.directory().join("config"));
    let mut command = Command::new(example("active_backup"));
    command.arg("--socket").arg(&socket).arg(&file);
    let outcome = run(command);
    assert_eq!(outcome.stderr, format!("active_backup: {}: another one is running\n", socket.display()));
    assert_eq!(outcome.status.code(), Some(1));

    daemon.end(Signal::SIGKILL);
    assert!(socket.exists());
    let mut command = Command::new(example("active_backup"));
    let mut child = command.arg("--socket").arg(&socket).arg(&file).spawn().unwrap();
    let asked = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
    wait_until("another one listens", asked);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_status_is_a_table_or_json() {
    enter();
    cables(1);
    let daemon = Daemon::start(&two_ports());
    daemon
        .until("eth1 is active and was announced", |status| status["announcements"] == 1 && status["active"] == "eth1");
    let ask = |words: &[&str]| {
        let mut command = Command::new(example("active_backup"));
        command.args(words).arg("--socket").arg(daemon.directory().join("socket"));
        command.arg(daemon.directory().join("config"));
        run(command)
    };
    let expected = format!(
        "team0: active eth1, hwaddr {TEAM_HWADDR}, 1 failovers, 1 announcements, 0 resyncs\n  \
         PORT            STATE    PRIO STICKY      SPEED HWADDR            LINK\n\
         * eth1            up         10 no     10000 Mb/s {TEAM_HWADDR} eth1\n  \
         eth2            absent      0 no              - -                 -\n"
    );
    assert_eq!(ask(&["--status"]).stdout, expected);
    let json: Value = serde_json::from_str(&ask(&["--status", "--json"]).stdout).unwrap();
    assert_eq!(json, daemon.status());
    assert_eq!(json["ports"]["eth1"]["is_active"], true);
    let misuse = ask(&["--json"]);
    assert!(misuse.stderr.starts_with("Usage: ") && misuse.status.code() == Some(2), "{misuse:?}");
    drop(daemon);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    enter();
    let refused = [
        (json!({}), "missing field `device` at line 1 column 2"),
        (config(&json!({}), &json!({})), "there are no ports"),
        (config(&json!({"team0": {}}), &json!({})), "the device cannot be its own port"),
        (config(&json!({"eth1": {"priority": 1}}), &json!({})), "unknown field `priority`"),
        (
            config(&json!({"eth1": {}}), &json!({"runner": {"name": "lacp"}})),
            "unknown variant `lacp`, expected `activebackup`",
        ),
        (config(&json!({"eth1": {}}), &json!({"hwaddr": "nonsense"})), "\"nonsense\" is no hardware address"),
        (
            config(
                &json!({"eth1": {}}),
                &json!({"hwaddr": TEAM_HWADDR, "runner": {"name": "activebackup", "hwaddr_policy": "by_active"}}),
            ),
            "with the policy by_active the team has the hardware address of a port",
        ),
    ];
    let file = std::path::PathBuf::from(format!("/run/libteam-test-{}.refused", std::process::id()));
    for (config, why) in refused {
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(example("active_backup"));
        command.arg(&file);
        let outcome = run(command);
        assert!(outcome.stderr.starts_with(&format!("active_backup: {}: ", file.display())), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(why), "{why}: {}", outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1));
    }
    std::fs::remove_file(&file).unwrap();
    assert!(!run_ip("link show dev team0").status.success(), "nothing is created");
}
