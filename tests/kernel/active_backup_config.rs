//! The configuration of the example `active_backup`.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::TeamHandle;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, config, two_ports, veth_pairs, wait_until};
use crate::support::directory::Directory;
use crate::support::netns::{enter, index, ip, ip_json};
use crate::support::programs::example;
use crate::support::timeouts::timeout;

/// Runs the daemon with this text as its configuration, and returns its error message. Panics
/// unless the daemon ends with status 1.
#[track_caller]
fn config_error(text: &str) -> String {
    let directory = Directory::for_sockets();
    let file = directory.join("config");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(example("active_backup"));
    command
        .arg("--socket")
        .arg(directory.join("socket"))
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let end = Instant::now() + timeout();
    while child.try_wait().unwrap().is_none() {
        if directory.join("socket").exists() || Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the daemon accepts {text}");
        }
        sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let written = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}: {written}");
    assert!(
        written.starts_with(&format!("active_backup: {}: ", file.display())),
        "expected an error of the daemon: {text}: {written}"
    );
    written
}

#[track_caller]
fn assert_refused(text: &str, why: &str) {
    let written = config_error(text);
    assert!(written.contains(why), "{text}: {why:?} is not in {written:?}");
}

#[test]
fn link_watcher_list_is_refused_by_name() {
    enter();
    let list = json!([{"name": "ethtool"}]);
    let everywhere = config(&json!({"eth1": {}}), &json!({"link_watch": list}));
    let for_one = config(&json!({"eth1": {"link_watch": list}}), &json!({}));
    for config in [everywhere, for_one] {
        assert_refused(
            &config.to_string(),
            "`link_watch`: lists of link watchers are not supported",
        );
    }
}

#[test]
fn array_in_place_of_an_object_is_refused() {
    enter();
    let port = json!({"eth1": {}});
    let cases: [(Value, &str); 6] = [
        (
            json!(["team0", null, ["activebackup"], [1, 0], ["ethtool"], {"eth1": []}]),
            "the configuration: ",
        ),
        (config(&port, &json!({"runner": ["activebackup", "same_all"]})), "`runner`: "),
        (config(&port, &json!({"notify_peers": [1, 0]})), "`notify_peers`: "),
        (config(&port, &json!({"link_watch": ["ethtool", 0, 0]})), "`link_watch`: "),
        (config(&json!({"eth1": [100, true]}), &json!({})), "a port: "),
        (
            config(&json!([["eth1", {}]]), &json!({})),
            "invalid type: sequence, expected an object, `ports`",
        ),
    ];
    for (config, why) in cases {
        assert_refused(&config.to_string(), why);
    }
    let watch = json!({"eth1": {"link_watch": ["ethtool"]}});
    assert_refused(&config(&watch, &json!({})).to_string(), "`link_watch`: ");
    // A value that has to be a string.
    let runner = json!({"runner": {"name": {"activebackup": null}}});
    assert_refused(&config(&port, &runner).to_string(), "invalid type: map, expected a string");
}

#[test]
fn duplicate_key_is_refused_by_name() {
    enter();
    let with = |text: &str| format!(r#"{{"runner": {{"name": "activebackup"}}, {text}}}"#);
    let cases = [
        (with(r#""device": "team0", "device": "team1", "ports": {"eth1": {}}"#), "device"),
        (with(r#""device": "team0", "ports": {"eth1": {}}, "ports": {"eth2": {}}"#), "ports"),
        (with(r#""device": "team0", "ports": {"eth1": {"prio": 1}, "eth2": {}, "eth1": {"prio": 2}}"#), "eth1"),
        (with(r#""device": "team0", "ports": {"eth1": {}, "eth\u0031": {}}"#), "eth1"),
        (with(r#""device": "team0", "ports": {"eth1": {"prio": 1, "prio": 2}}"#), "prio"),
        (
            with(r#""device": "team0", "link_watch": {"name": "ethtool", "name": "ethtool"}, "ports": {"eth1": {}}"#),
            "name",
        ),
        (with(r#""device": "team0", "notify_peers": {"count": 1, "count": 2}, "ports": {"eth1": {}}"#), "count"),
        (
            r#"{"device": "team0", "runner": {"name": "activebackup", "name": "activebackup"}, "ports": {"e": {}}}"#
                .to_owned(),
            "name",
        ),
    ];
    for (text, key) in cases {
        assert_refused(&text, &format!("duplicate field `{key}`"));
    }
}

#[test]
fn invalid_link_name_is_refused() {
    enter();
    let names = [
        "",
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        "eth%d",
        "a\0b",
        "voil\u{e0}",
        "sixteen-bytes-xx",
    ];
    for name in names {
        let why = format!("invalid link name {name:?}: ");
        assert_refused(
            &config(&json!({"eth1": {}, name: {}}), &json!({})).to_string(),
            &format!("`ports`: {why}"),
        );
        let device = config(&json!({"eth1": {}}), &json!({"device": name}));
        assert_refused(&device.to_string(), &format!("`device`: {why}"));
    }
    assert!(ip_json("link show type team").is_empty(), "the daemon created a team");
    let longest = json!({"device": "fifteen-bytes-x", "runner": {"name": "activebackup"}, "ports": {"\u{e4}": {}}});
    let mut daemon = Daemon::start(&longest);
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn configured_queue_id_is_set() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start(&config(&json!({"eth1": {"queue_id": 3}, "eth2": {}}), &json!({})));
    daemon.until_port("eth2", "up");
    let queues = || {
        let team = TeamHandle::open("team0").unwrap();
        ["eth1", "eth2"].map(|port| team.port_queue_id(index(port)))
    };
    assert_eq!(queues(), [Some(3), Some(0)]);
    // The queue is set again when the link becomes a port again.
    ip("link set eth1 nomaster");
    wait_until("the queue is set again", || {
        TeamHandle::open("team0").unwrap().is_port(index("eth1")) && queues()[0] == Some(3)
    });
    assert_refused(&config(&json!({"eth1": {"queue_id": 65536}}), &json!({})).to_string(), "65536");
}

#[test]
fn created_or_adopted_team_is_set_up() {
    enter();
    veth_pairs(1);
    let is_up = || {
        let links = ip_json("link show type team");
        links.first().is_some_and(|link| link["flags"].as_array().unwrap().contains(&json!("UP")))
    };
    ip("link add team0 type team");
    for is_there in [true, false] {
        let daemon = Daemon::start(&two_ports());
        daemon.until_active("eth1");
        assert!(is_up(), "team0 is down; it existed before: {is_there}");
        drop(daemon);
        ip("link del team0");
    }
    let daemon = Daemon::start(&two_ports());
    ip("link del team0");
    wait_until("the team is created again", || TeamHandle::open("team0").is_ok());
    wait_until("the team is set up again", is_up);
    // The administrator may set the team down.
    ip("link set team0 down");
    ip("link set far1 down");
    daemon.until_port("eth1", "down");
    assert!(!is_up(), "team0 was set up again: {}", daemon.log());
}
