//! Debian's teamnl: every command, in every mode, `monitor` included.

use std::path::Path;
use std::process::Command;

use crate::support::compare::{Allowed, Record, assert_same};
use crate::support::library::{Library, scratch};
use crate::support::namespace::{cables, ip, ip_batch, on_both};
use crate::support::process::{Process, describe};
use crate::support::wait::wait_for;

const MODES: [&str; 5] = ["roundrobin", "random", "broadcast", "activebackup", "loadbalance"];

/// Command lines that read or set something, and such as are refused.
const COMMANDS: [&str; 62] = [
    "-h",
    "",
    "team0",
    "team0 nosuch",
    "team0 ports",
    "team0 options",
    "nosuch ports",
    "lo ports",
    "v0 ports",
    "sixteen-bytes-xx ports",
    "team0 getoption mode",
    "team0 getoption nosuch",
    "team0 getoption",
    "team0 setoption",
    "team0 setoption mode",
    "team0 getoption activeport",
    "team0 setoption activeport 11",
    "team0 setoption activeport 99",
    "team0 getoption activeport",
    "team0 setoption notify_peers_count 5",
    "team0 getoption notify_peers_count",
    "team0 setoption notify_peers_count 4294967295",
    "team0 setoption notify_peers_count 4294967296",
    "team0 setoption notify_peers_count five",
    "team0 setoption notify_peers_count 5x",
    "team0 setoption notify_peers_interval 100",
    "team0 setoption mcast_rejoin_count 2",
    "team0 setoption mcast_rejoin_interval 20",
    "-p v0 team0 getoption enabled",
    "-p v0 team0 setoption enabled false",
    "-p v0 team0 getoption enabled",
    "-p v0 team0 setoption enabled true",
    "-p v0 team0 setoption enabled yes",
    "-p v0 team0 setoption user_linkup true",
    "-p v0 team0 setoption user_linkup_enabled true",
    "-p v0 team0 getoption user_linkup",
    "-p v0 team0 setoption priority 10",
    "-p v0 team0 -- setoption priority -2147483648",
    "-p v0 team0 -- setoption priority -2147483649",
    "-p v0 team0 getoption priority",
    "-p v0 team0 setoption queue_id 3",
    "-p v0 team0 setoption queue_id 99",
    "-p v0 team0 getoption queue_id",
    "-p nosuch team0 getoption enabled",
    "-p lo team0 getoption enabled",
    "-p v0 team0 getoption mode",
    "team0 getoption enabled",
    "-a 3 team0 getoption lb_tx_hash_to_port_mapping",
    "-a 3 team0 setoption lb_tx_hash_to_port_mapping 11",
    "-a 3 team0 getoption lb_tx_hash_to_port_mapping",
    "-a 256 team0 getoption lb_tx_hash_to_port_mapping",
    "-a three team0 ports",
    "team0 getoption lb_tx_method",
    "team0 setoption lb_tx_method hash_to_port_mapping",
    "team0 setoption lb_tx_method nosuch",
    "team0 setoption bpf_hash_func \\06\\00\\00\\00\\ff\\00\\00\\00",
    "team0 getoption bpf_hash_func",
    "team0 setoption bpf_hash_func \\06\\0",
    "team0 setoption lb_stats_refresh_interval 7",
    "team0 setoption mode roundrobin",
    "team0 ports",
    "team0 options",
];

/// Runs teamnl and returns what it did, without statistics, of which the driver counts what goes
/// over the links. Of the library's own log, whose text is each library's, stays that it wrote.
fn teamnl(library: Library, words: &str) -> String {
    let output = library.command("teamnl").args(words.split_whitespace()).output().unwrap();
    let mut text = String::new();
    for line in describe(&output).lines().filter(|line| !line.contains("_stats")) {
        let line = if line.starts_with("libteam: ") { "libteam: …" } else { line };
        if !text.ends_with("libteam: …\n") || line != "libteam: …" {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// A team in a mode: `v0` has carrier, `v1` has none, `d0` is up, `d1` is down.
fn scene(mode: &str) {
    cables(2);
    ip_batch(
        "link set p1 down\nlink add d0 index 20 type dummy\nlink add d1 index 21 type dummy\n\
         link add team0 index 30 address 02:00:00:00:00:10 type team\n",
    );
    assert!(
        teamnl(Library::Debian, &format!("team0 setoption mode {mode}"))
            .starts_with("exit status: 0")
    );
    for port in ["v0", "v1", "d0", "d1"] {
        ip(&format!("link set {port} master team0"));
    }
    ip_batch("link set d1 down\nlink set team0 up\n");
    wait_for("v0's carrier", || {
        teamnl(Library::Debian, "team0 ports").contains("v0: up").then_some(())
    });
}

fn matrix(library: Library, mode: &str) -> Record {
    let mut record = Record::default();
    scene(mode);
    for (number, words) in COMMANDS.into_iter().enumerate() {
        record.add(format!("{number}: teamnl {words}"), teamnl(library, words));
    }
    record
}

#[test]
fn every_command_does_the_same_in_every_mode() {
    for mode in MODES {
        let [debian, ours] = on_both(|library| matrix(library, mode));
        assert!(debian.text().matches("exit status: 0").count() > 20, "{}", debian.text());
        assert_same(mode, &[debian, ours], &[]);
    }
}

/// What `monitor` prints of changes that are made one after the other.
fn monitored(library: Library, style: &str) -> Record {
    let mut record = Record::default();
    scene("activebackup");
    // Line by line, as to a terminal.
    let teamnl_command = library.command("teamnl");
    let mut command = Command::new("stdbuf");
    command.env("LD_LIBRARY_PATH", library.search_path());
    command
        .arg("-oL")
        .arg(teamnl_command.get_program())
        .args(["team0", "monitor"])
        .args(style.split_whitespace());
    let output = scratch("output").join(format!("monitor.{style}.{library:?}"));
    let monitor = Process::start(command, Path::new(&output));
    let mut count = 0;
    wait_for("the monitor's first line", || {
        count += 1;
        let set = teamnl(
            Library::Debian,
            &format!("team0 setoption mcast_rejoin_interval {}", 1000 + count),
        );
        assert!(set.starts_with("exit status: 0"), "{set}");
        monitor.printed().contains("mcast_rejoin_interval 1").then_some(())
    });
    let steps = [
        ("team0 setoption notify_peers_count 3", "notify_peers_count 3 changed"),
        ("-p v0 team0 setoption priority 7", "priority (port:v0) 7 changed"),
        ("-p v0 team0 setoption queue_id 2", "queue_id (port:v0) 2 changed"),
        ("team0 setoption activeport 10", "activeport 10 changed"),
        ("ip link set p0 down", "v0: down"),
        ("ip link set p0 up", "v0: up"),
        ("ip link set v0 address 02:00:00:00:09:09", "02:00:00:00:09:09"),
        ("ip link set v1 nomaster", "-11: v1: down"),
    ];
    for (words, until) in steps {
        let before = monitor.printed().len();
        match words.strip_prefix("ip ") {
            Some(words) => drop(ip(words)),
            None => assert!(teamnl(Library::Debian, words).starts_with("exit status: 0")),
        }
        let line = wait_for(words, || {
            let printed = monitor.printed();
            printed[before..].lines().find(|line| line.contains(until)).map(str::to_owned)
        });
        record.add(words, line);
    }
    record
}

#[test]
fn monitor_prints_the_same() {
    for style in ["", "all"] {
        let allowed: [Allowed<'_>; 0] = [];
        assert_same(style, &on_both(|library| monitored(library, style)), &allowed);
    }
}
