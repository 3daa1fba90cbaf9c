//! teamd with each runner: from its start to the deletion of its team.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::compare::{Allowed, Record, assert_same};
use crate::support::library::Library;
use crate::support::namespace::{cables, ip, on_both};
use crate::support::process::describe;
use crate::support::teamd::{Teamd, is_up, ports};

const RUNNERS: [&str; 6] =
    ["activebackup", "roundrobin", "broadcast", "random", "loadbalance", "lacp"];

/// A team with a runner and the ports `v0` and `v1`.
fn config(runner: &str) -> Value {
    let mut runner = json!({ "name": runner });
    match runner["name"].as_str().unwrap() {
        "loadbalance" => runner["tx_hash"] = json!(["eth", "ipv4", "ipv6"]),
        "lacp" => {
            runner["tx_hash"] = json!(["eth", "ipv4", "ipv6"]);
            runner["fast_rate"] = json!(true);
        }
        _ => {}
    }
    json!({
        "device": "team0",
        "hwaddr": "02:00:00:00:00:10",
        "runner": runner,
        "link_watch": { "name": "ethtool" },
        "ports": { "v0": { "prio": 7 }, "v1": {} },
    })
}

/// Whether lacp no longer waits for a partner at a port that is up.
fn is_settled(state: &Value) -> bool {
    let waits =
        |name: &str| is_up(state, name) && state["ports"][name]["runner"]["state"] == "expired";
    !ports(state).into_iter().any(waits)
}

/// Whether the ports are these, and all of them are up.
fn are_up(state: &Value, names: &[&str]) -> bool {
    ports(state) == names && names.iter().all(|name| is_up(state, name)) && is_settled(state)
}

/// Starts teamd on four cables, with both of its ports up.
fn start(library: Library, runner: &str, record: &mut Record) -> Teamd {
    cables(4);
    let mut teamd = Teamd::start(library, &config(runner));
    record
        .add("start", teamd.state_when("both ports are up", |state| are_up(state, &["v0", "v1"])));
    teamd
}

fn changes(library: Library, runner: &str) -> Record {
    let mut record = Record::default();
    let mut teamd = start(library, runner, &mut record);
    let with_v2 = |state: &Value| are_up(state, &["v0", "v1", "v2"]);
    let both = |state: &Value| are_up(state, &["v0", "v1"]);

    ip("link set p0 down");
    record.add(
        "cable cut",
        teamd.state_when("v0 is down", |state| {
            !is_up(state, "v0") && is_up(state, "v1") && is_settled(state)
        }),
    );
    ip("link set p0 up");
    record.add("cable whole", teamd.state_when("v0 is up", both));
    record.add("unknown port added", describe(&teamd.control("port add nosuch")));
    record.add("port added", describe(&teamd.control("port add v2")));
    record.add("state with it", teamd.state_when("v2 is up", with_v2));
    record.add("ports", teamd.order("config dump actual"));
    record.add(
        "port configured",
        describe(&teamd.control(r#"port config update v2 {"prio":9,"queue_id":2}"#)),
    );
    record.add("its configuration", describe(&teamd.control("port config dump v2")));
    record.add("options", teamnl_options(&teamd));
    record.add("port removed", describe(&teamd.control("port remove v2")));
    record.add("state without it", teamd.state_when("v2 is no port", both));
    record.add("port removed again", describe(&teamd.control("port remove v2")));
    ip("link set v3 master team0");
    record.add(
        "port added by ip",
        teamd.state_when("v3 is up", |state| are_up(state, &["v0", "v1", "v3"])),
    );
    ip("link set v3 nomaster");
    record.add("port removed by ip", teamd.state_when("v3 is no port", both));
    ip("link set v1 down");
    record.add(
        "port down",
        teamd.state_when("v1 is down", |state| !is_up(state, "v1") && is_settled(state)),
    );
    ip("link set v1 name w1");
    ip("link set w1 up");
    record.add(
        "port renamed",
        teamd.state_when("w1 is up", |state| {
            is_up(state, "w1") && is_up(state, "v0") && is_settled(state)
        }),
    );
    record.add("view", without(&teamd.order("state view -v"), "PID:"));
    ip("link del team0");
    record.add("team deleted", teamd.end_if_ever());
    record
}

/// Returns the lines without those that hold `text`.
fn without(lines: &str, text: &str) -> String {
    lines
        .lines()
        .filter(|line| !line.contains(text))
        .fold(String::new(), |all, line| all + line + "\n")
}

fn teamnl_options(teamd: &Teamd) -> String {
    let output = Library::Debian.command("teamnl").args(["team0", "options"]).output().unwrap();
    assert!(output.status.success(), "{teamd:?}: {}", describe(&output), teamd = teamd.process);
    // Statistics, of which the driver counts what goes over the links.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.contains("_stats"))
        .fold(String::new(), |all, line| all + line + "\n")
}

/// With Debian's library teamd may crash when its team is deleted, and the runner lacp waits for
/// ever.
const TEAM_DELETED: Allowed<'_> =
    Allowed { step: "team deleted", ours: "exit status: 0", why: "Debian's crashes or hangs" };

/// teamd sets `user_linkup` only where the library's value is another, and Debian's may be an old
/// one.
const OPTIONS: Allowed<'_> = Allowed {
    step: "options",
    ours: "user_linkup (port:v1) true",
    why: "Debian's has an old value",
};

fn compare_changes(runner: &str) {
    assert_same(runner, &on_both(|library| changes(library, runner)), &[TEAM_DELETED, OPTIONS]);
}

#[test]
fn activebackup_ports_come_and_go() {
    compare_changes("activebackup");
}

#[test]
fn roundrobin_ports_come_and_go() {
    compare_changes("roundrobin");
}

#[test]
fn broadcast_ports_come_and_go() {
    compare_changes("broadcast");
}

#[test]
fn random_ports_come_and_go() {
    compare_changes("random");
}

#[test]
fn loadbalance_ports_come_and_go() {
    compare_changes("loadbalance");
}

#[test]
fn lacp_ports_come_and_go() {
    compare_changes("lacp");
}

/// A port's device is deleted, and another is made with its name.
fn deletions(library: Library, runner: &str) -> Record {
    let mut record = Record::default();
    let mut teamd = start(library, runner, &mut record);
    ip("link del p0");
    record.add(
        "device deleted",
        teamd.state_if_ever("v0 is no port", |state| are_up(state, &["v1"])),
    );
    ip(
        "link add v0 index 20 address 02:00:00:00:01:20 type veth peer name p0 address 02:00:00:00:02:20",
    );
    ip("link set p0 up");
    record.add("port added", describe(&teamd.control("port add v0")));
    record.add("state with it", teamd.state_when("v0 is up", |state| are_up(state, &["v0", "v1"])));
    record
}

/// A port's device is deleted and made again while teamd is stopped.
fn rebirths(library: Library, runner: &str, index: u32) -> Record {
    let mut record = Record::default();
    let mut teamd = start(library, runner, &mut record);
    teamd.process.signal(Signal::SIGSTOP);
    ip("link del p1");
    ip(&format!(
        "link add v1 index {index} address 02:00:00:00:01:01 type veth peer name p1 address 02:00:00:00:02:01"
    ));
    ip("link set p1 up");
    ip("link set v1 master team0");
    teamd.process.signal(Signal::SIGCONT);
    record.add(
        "made again",
        teamd.state_when("v1 is up", |state| {
            are_up(state, &["v0", "v1"])
                && state["ports"]["v1"]["ifinfo"]["ifindex"] == json!(index)
        }),
    );
    record.add("options", teamnl_options(&teamd));
    record
}

#[test]
fn deleted_device_is_no_port_and_its_successor_can_be() {
    let crash = |step| Allowed { step, ours: "", why: "teamd crashes with Debian's library" };
    for runner in RUNNERS {
        let records = on_both(|library| deletions(library, runner));
        assert!(!records[1].text().contains("teamd ended"), "{runner}: {}", records[1].text());
        let steps = ["device deleted", "port added", "state with it"].map(crash);
        let allowed =
            if records[0].text().contains("teamd ended: signal: 11") { &steps[..] } else { &[] };
        assert_same(runner, &records, allowed);
    }
}

#[test]
fn device_made_again_while_teamd_is_stopped_is_a_port() {
    let lost =
        |step| Allowed { step, ours: "", why: "teamd does not notice with Debian's library" };
    for runner in RUNNERS {
        let records = on_both(|library| rebirths(library, runner, 21));
        let ours = records[1].text();
        assert!(!ours.contains("teamd ended") && !ours.contains("not reached"), "{runner}: {ours}");
        assert_same(runner, &records, &["made again", "options"].map(lost));
    }
}

/// After the event that the port is gone, teamd takes the link of that index out of the team: with either
/// library the new one.
#[test]
fn device_made_again_with_the_same_index_does_not_end_teamd() {
    let records = on_both(|library| rebirths(library, "activebackup", 11));
    assert!(!records[1].text().contains("teamd ended"), "{}", records[1].text());
    let other =
        |step| Allowed { step, ours: "", why: "when Debian's library notices depends on the time" };
    assert_same("same index", &records, &["made again", "options"].map(other));
}
