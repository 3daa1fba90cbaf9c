//! The example `active_backup` as a program: start, end, status, invalid configurations, exhausted
//! descriptors.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::support::daemon::{
    Daemon, TEAM_HWADDR, config, hwaddr, master, own_hwaddr, two_ports, veth_pairs, wait_until,
};
use crate::support::directory::Directory;
use crate::support::netns::{enter, ip, run_ip};
use crate::support::programs::{example, run};

#[test]
fn exit_deletes_created_team_unless_kept() {
    enter();
    veth_pairs(2);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut daemon = Daemon::start(&two_ports());
        daemon.until_active("eth1");
        wait_until("the ports have the team's address", || hwaddr("eth2") == TEAM_HWADDR);
        assert_eq!(daemon.end(signal).code(), Some(0));
        assert!(
            !run_ip("link show dev team0").status.success(),
            "team0 exists after the daemon ended"
        );
        assert!(!daemon.directory().join("socket").exists());
        assert_eq!(["eth1", "eth2"].map(hwaddr), [1, 2].map(own_hwaddr));
    }
    let mut daemon = Daemon::start_with(&two_ports(), &["--keep"], &[]);
    daemon.until_active("eth1");
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert_eq!(["eth1", "eth2"].map(master), ["team0", "team0"]);
    // The next daemon finds the team.
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert_eq!(master("eth1"), "team0", "master of eth1: the second daemon did not create team0");
}

#[test]
fn one_daemon_listens_and_replaces_a_killed_one() {
    enter();
    veth_pairs(2);
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
    let replies = || UnixStream::connect(&socket).is_ok();
    wait_until("another daemon listens", replies);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn status_is_printed_as_table_or_json() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&two_ports());
    daemon.until("eth1 is active and was announced", |status| {
        status["announcements"] == 1 && status["active"] == "eth1"
    });
    let query = |words: &[&str]| {
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
    assert_eq!(query(&["--status"]).stdout, expected);
    let json: Value = serde_json::from_str(&query(&["--status", "--json"]).stdout).unwrap();
    assert_eq!(json, daemon.status());
    assert_eq!(json["ports"]["eth1"]["is_active"], true);
    let misuse = query(&["--json"]);
    assert!(
        misuse.stderr.contains("\n\nUsage: ") && misuse.status.code() == Some(2),
        "result of an unknown argument: {misuse:?}"
    );
    drop(daemon);
}

#[test]
fn invalid_configuration_is_refused() {
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
            "not an error of this configuration: {}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains(why), "no {why:?} in: {}", outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1));
    }
    assert!(!run_ip("link show dev team0").status.success(), "the daemon created team0");
}

#[test]
fn daemon_with_unwritable_log_fails_over() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start_without_reader(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    ip("link set far1 down");
    daemon.until_active("eth2");
}

#[test]
fn daemon_without_free_descriptors_fails_over() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    let id = Pid::from_raw(daemon.id());
    let may_open = |files| {
        prlimit(id, Resource::Nofile, Rlimit { current: Some(files), maximum: Some(1024) })
            .unwrap();
    };
    // The daemon has more descriptors open, but polls fewer, as poll(2) requires.
    may_open(8);
    // A connection that waits to be accepted.
    let _asking = UnixStream::connect(daemon.directory().join("socket")).unwrap();
    wait_until("the log has the error", || daemon.log().contains("Too many open files"));
    let spent = daemon.processor_ticks();
    ip("link set far1 down");
    wait_until("eth2 is active", || daemon.log().contains("eth2 is active"));
    sleep(Duration::from_secs(2));
    // A tick is a hundredth of a second.
    let spent = daemon.processor_ticks() - spent;
    assert!(spent < 100, "{spent} ticks: {}", daemon.log());
    may_open(1024);
    daemon.until_active("eth2");
}
