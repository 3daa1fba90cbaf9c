//! The example `active_backup` as a program: how it starts and ends, what it tells, and what it
//! makes of bad input.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::support::daemon::{
    Daemon, TEAM_HWADDR, cables, config, hwaddr, master, own_hwaddr, two_ports, wait_until,
};
use crate::support::directory::Directory;
use crate::support::netns::{enter, ip, run_ip};
use crate::support::programs::{example, run};

#[test]
fn at_the_end_a_created_team_is_deleted_unless_it_is_to_be_kept() {
    enter();
    cables(2);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
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
    assert_eq!(
        outcome.stderr,
        format!("active_backup: {}: another daemon is running\n", socket.display())
    );
    assert_eq!(outcome.status.code(), Some(1));

    daemon.end(Signal::SIGKILL);
    assert!(socket.exists());
    let mut command = Command::new(example("active_backup"));
    let mut child = command.arg("--socket").arg(&socket).arg(&file).spawn().unwrap();
    let asked = || UnixStream::connect(&socket).is_ok();
    wait_until("another one listens", asked);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_status_is_a_table_or_json() {
    enter();
    cables(1);
    let daemon = Daemon::start(&two_ports());
    daemon.until("eth1 is active and was announced", |status| {
        status["announcements"] == 1 && status["active"] == "eth1"
    });
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
    assert!(misuse.stderr.contains("\n\nUsage: ") && misuse.status.code() == Some(2), "{misuse:?}");
    drop(daemon);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    enter();
    let refused = [
        (json!({}), "missing field `device` at line 1 column 2"),
        (config(&json!({}), &json!({})), "`ports` is empty"),
        (config(&json!({"team0": {}}), &json!({})), "the team cannot be its own port"),
        (config(&json!({"eth1": {"priority": 1}}), &json!({})), "unknown field `priority`"),
        (
            config(&json!({"eth1": {}}), &json!({"runner": {"name": "lacp"}})),
            "unknown variant `lacp`, expected `activebackup`",
        ),
        (
            config(&json!({"eth1": {}}), &json!({"hwaddr": "nonsense"})),
            "invalid hardware address \"nonsense\": expected up to 32 hex bytes separated by colons",
        ),
        (
            config(
                &json!({"eth1": {}}),
                &json!({"hwaddr": TEAM_HWADDR, "runner": {"name": "activebackup", "hwaddr_policy": "by_active"}}),
            ),
            "`hwaddr` cannot be combined with the policy by_active",
        ),
    ];
    let directory = Directory::for_sockets();
    let file = directory.join("config");
    for (config, why) in refused {
        fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(example("active_backup"));
        command.arg(&file);
        let outcome = run(command);
        assert!(
            outcome.stderr.starts_with(&format!("active_backup: {}: ", file.display())),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains(why), "{why}: {}", outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1));
    }
    assert!(!run_ip("link show dev team0").status.success(), "nothing is created");
}

#[test]
fn a_daemon_that_nobody_hears_fails_over() {
    enter();
    cables(2);
    let daemon = Daemon::start_without_reader(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    ip("link set far1 down");
    daemon.until_active("eth2");
}

#[test]
fn a_daemon_that_may_open_nothing_more_fails_over_and_sleeps() {
    enter();
    cables(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    let id = Pid::from_raw(daemon.id());
    let may_open = |files| {
        prlimit(id, Resource::Nofile, Rlimit { current: Some(files), maximum: Some(1024) })
            .unwrap();
    };
    // It has more open, and polls less.
    may_open(8);
    // It waits to be accepted.
    let _asking = UnixStream::connect(daemon.directory().join("socket")).unwrap();
    wait_until("it says so", || daemon.log().contains("Too many open files"));
    let spent = daemon.processor_ticks();
    ip("link set far1 down");
    wait_until("it fails over", || daemon.log().contains("eth2 is active"));
    sleep(Duration::from_secs(2));
    // A hundredth of a second is a tick.
    let spent = daemon.processor_ticks() - spent;
    assert!(spent < 100, "{spent} ticks: {}", daemon.log());
    may_open(1024);
    daemon.until_active("eth2");
}
