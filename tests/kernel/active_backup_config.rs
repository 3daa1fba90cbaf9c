//! The configuration of the example `active_backup`.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::daemon::{Daemon, config};
use crate::directory::Directory;
use crate::effort::patience;
use crate::netns::{enter, ip_json};
use crate::tool::example;

/// Runs the daemon with this text as its configuration; returns what it writes. Panics unless it ends with status 1.
#[track_caller]
fn refusal(text: &str) -> String {
    let directory = Directory::for_sockets();
    let file = directory.join("config");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(example("active_backup"));
    command.arg("--socket").arg(directory.join("socket")).arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let end = Instant::now() + patience();
    while child.try_wait().unwrap().is_none() {
        if directory.join("socket").exists() || Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it is accepted: {text}");
        }
        sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let written = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}: {written}");
    assert!(written.starts_with(&format!("active_backup: {}: ", file.display())), "{text}: {written}");
    written
}

#[track_caller]
fn assert_refused(text: &str, why: &str) {
    let written = refusal(text);
    assert!(written.contains(why), "{text}: {why:?} is not in {written:?}");
}

#[test]
fn list_of_link_watchers_is_refused_by_name() {
    enter();
    let list = json!([{"name": "ethtool"}]);
    let everywhere = config(&json!({"eth1": {}}), &json!({"link_watch": list}));
    let for_one = config(&json!({"eth1": {"link_watch": list}}), &json!({}));
    for config in [everywhere, for_one] {
        assert_refused(&config.to_string(), "`link_watch`: lists of link watchers are not supported");
    }
}

#[test]
fn array_in_place_of_an_object_is_refused() {
    enter();
    let port = json!({"eth1": {}});
    let cases: [(Value, &str); 6] = [
        (json!(["team0", null, ["activebackup"], [1, 0], ["ethtool"], {"eth1": []}]), "the configuration: "),
        (config(&port, &json!({"runner": ["activebackup", "same_all"]})), "`runner`: "),
        (config(&port, &json!({"notify_peers": [1, 0]})), "`notify_peers`: "),
        (config(&port, &json!({"link_watch": ["ethtool", 0, 0]})), "`link_watch`: "),
        (config(&json!({"eth1": [100, true]}), &json!({})), "the settings of a port: "),
        (config(&json!([["eth1", {}]]), &json!({})), "invalid type: sequence, expected an object"),
    ];
    for (config, why) in cases {
        assert_refused(&config.to_string(), why);
    }
    let watch = json!({"eth1": {"link_watch": ["ethtool"]}});
    assert_refused(&config(&watch, &json!({})).to_string(), "`link_watch`: ");
    // What stands for a word.
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
fn name_that_no_link_can_have_is_refused() {
    enter();
    let names = ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "eth%d", "a\0b", "voil\u{e0}", "sixteen-bytes-xx"];
    for name in names {
        let why = format!("{name:?} cannot be the name of a link: ");
        assert_refused(&config(&json!({"eth1": {}, name: {}}), &json!({})).to_string(), &format!("`ports`: {why}"));
        let device = config(&json!({"eth1": {}}), &json!({"device": name}));
        assert_refused(&device.to_string(), &format!("`device`: {why}"));
    }
    assert!(ip_json("link show type team").is_empty(), "nothing is created");
    let longest = json!({"device": "fifteen-bytes-x", "runner": {"name": "activebackup"}, "ports": {"\u{e4}": {}}});
    let mut daemon = Daemon::start(&longest);
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}
