//! teamd's command line, its control interfaces, and what its configuration can say.

use std::fs;
use std::process::Output;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::compare::{Record, assert_same};
use crate::support::library::{Library, on_path, scratch};
use crate::support::namespace::{attempt, cables, ip, on_both};
use crate::support::process::{Process, describe};
use crate::support::teamd::{Teamd, is_up, ports};
use crate::support::wait::wait_for;

fn activebackup() -> Value {
    json!({
        "device": "team0",
        "hwaddr": "02:00:00:00:00:10",
        "runner": { "name": "activebackup" },
        "link_watch": { "name": "ethtool" },
        "ports": { "v0": { "prio": 7 }, "v1": {} },
    })
}

fn both_up(state: &Value) -> bool {
    is_up(state, "v0") && is_up(state, "v1")
}

fn teamd(library: Library, arguments: &[&str]) -> Output {
    library.command("teamd").args(arguments).output().unwrap()
}

fn team_exists() -> String {
    format!("team0 exists: {}", attempt("ip link show team0").status.success())
}

/// Waits until no process holds the file that names teamd's process.
fn until_gone() {
    wait_for("teamd's end", || (!fs::exists("/run/teamd/team0.pid").unwrap()).then_some(()));
}

/// `-d`, `-k`, `-N`, `-o`, `-r`, `-e`, `-n`.
fn command_line(library: Library) -> Record {
    let mut record = Record::default();
    cables(3);
    let config = activebackup().to_string();
    let control = |words: &str| {
        let mut command = library.command("teamdctl");
        command.arg("team0").args(words.split_whitespace()).output().unwrap()
    };
    let state = || {
        wait_for("both ports up", || {
            let output = control("state dump");
            let mut state: Value = serde_json::from_slice(&output.stdout).ok()?;
            state["setup"]["pid"] = json!(0);
            both_up(&state).then(|| format!("{state:#}"))
        })
    };
    record.add("-h", describe(&teamd(library, &["-h"])));
    record.add("-e", describe(&teamd(library, &["-t", "team0", "-e"])));
    record.add("-d", describe(&teamd(library, &["-d", "-t", "team0", "-c", &config])));
    record.add("-e of a running one", describe(&teamd(library, &["-t", "team0", "-e"])));
    record.add("daemon", state());
    record.add(
        "-d a second time",
        teamd(library, &["-d", "-t", "team0", "-c", &config]).status.to_string(),
    );
    record.add("-k", describe(&teamd(library, &["-k", "-t", "team0"])));
    until_gone();
    record.add("after -k", team_exists());
    record.add("-d -N", describe(&teamd(library, &["-d", "-N", "-t", "team0", "-c", &config])));
    record.add("state with -N", state());
    record.add("-k of -N", describe(&teamd(library, &["-k", "-t", "team0"])));
    until_gone();
    record.add("after -k of -N", team_exists());
    record.add(
        "-d over a team",
        teamd(library, &["-d", "-t", "team0", "-c", &config]).status.to_string(),
    );
    record.add("-d -o", describe(&teamd(library, &["-d", "-o", "-t", "team0", "-c", &config])));
    record.add("state with -o", state());
    record.add("-k of -o", describe(&teamd(library, &["-k", "-t", "team0"])));
    until_gone();
    record.add("after -k of -o", team_exists());
    ip("link add team0 type team");
    record.add("-d -r", describe(&teamd(library, &["-d", "-r", "-t", "team0", "-c", &config])));
    record.add("state with -r", state());
    record.add("-k of -r", describe(&teamd(library, &["-k", "-t", "team0"])));
    until_gone();
    record.add("-n", describe(&teamd(library, &["-d", "-n", "-t", "team0", "-c", &config])));
    record.add("state with -n", describe(&control("config dump actual")));
    record.add("-k of -n", describe(&teamd(library, &["-k", "-t", "team0"])));
    until_gone();
    record
}

#[test]
fn command_line_does_the_same() {
    assert_same("command line", &on_both(command_line), &[]);
}

/// What a policy makes of the addresses, of the team and of ports that come and go.
fn addresses(library: Library, policy: &str) -> Record {
    let mut record = Record::default();
    cables(3);
    let mut config = activebackup();
    config["runner"]["hwaddr_policy"] = json!(policy);
    let mut teamd = Teamd::start(library, &config);
    let mut observe = |teamd: &mut Teamd, step: &str, active: &str| {
        let state =
            teamd.state_when(active, |state| state["runner"]["active_port"] == json!(active));
        record.add(step, state);
        record.add(format!("addresses: {step}"), settled_addresses());
    };
    teamd.state_when("both are up", both_up);
    observe(&mut teamd, "start", "v0");
    ip("link set p0 down");
    observe(&mut teamd, "failover", "v1");
    ip("link set p0 up");
    teamd.state_when("both are up", both_up);
    observe(&mut teamd, "back", "v0");
    teamd.order("port add v2");
    ip("link set v1 nomaster");
    teamd.state_when("ports changed", |state| ports(state) == ["v0", "v2"]);
    observe(&mut teamd, "ports changed", "v0");
    ip("link set p0 down");
    observe(&mut teamd, "failover to the new port", "v2");
    record
}

/// Returns the addresses of the links, as soon as they stay the same.
fn settled_addresses() -> String {
    let mut last = String::new();
    wait_for("addresses that stay", || {
        thread::sleep(Duration::from_millis(300));
        let links = ip("-br link");
        let now: String = links
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words[0] == "team0" || words[0].starts_with('v'))
            .map(|words| format!("{} {}\n", words[0].split('@').next().unwrap(), words[2]))
            .collect();
        let same = now == last;
        last = now;
        same.then(|| last.clone())
    })
}

#[test]
fn hwaddr_policies_give_the_same_addresses() {
    for policy in ["same_all", "by_active", "only_active"] {
        assert_same(policy, &on_both(|library| addresses(library, policy)), &[]);
    }
}

/// Control over D-Bus, by a bus of the test's own.
fn over_dbus(library: Library) -> Record {
    let mut record = Record::default();
    cables(3);
    let directory = scratch("dbus");
    let socket = "/run/teamd/bus";
    let config = directory.join(format!("{library:?}.conf"));
    fs::write(
        &config,
        format!(
            "<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow own=\"*\"/><allow user=\"*\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/><allow send_type=\"method_call\"/></policy></busconfig>"
        ),
    )
    .unwrap();
    let mut bus = std::process::Command::new(on_path("dbus-daemon", "dbus-daemon"));
    bus.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
    let bus = Process::start(bus, &directory.join(format!("{library:?}.log")));
    wait_for("the bus", || fs::exists(socket).unwrap().then_some(()));
    let address = format!("unix:path={socket}");
    let environment = [("DBUS_SYSTEM_BUS_ADDRESS", &*address)];
    let mut teamd = Teamd::start_with(library, &activebackup(), &["-D"], &environment);
    record.add("start", teamd.state_when("both are up", both_up));
    let control = |words: &str| {
        let mut command = library.command("teamdctl");
        command.envs(environment).args(["-D", "team0"]).args(words.split_whitespace());
        describe(&command.output().unwrap())
    };
    let mask = |text: String| {
        text.lines()
            .filter(|line| !line.contains("\"pid\""))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    record.add("state", mask(control("state dump")));
    record.add("config", control("config dump"));
    record.add("port add", control("port add v2"));
    record.add("state with it", teamd.state_when("v2", |state| is_up(state, "v2")));
    record.add("port config", control(r#"port config update v2 {"prio":3}"#));
    record.add("item get", control("state item get runner.active_port"));
    record.add("item set", control("state item set setup.debug_level 1"));
    record.add("unknown item", control("state item get nosuch"));
    record.add("port remove", control("port remove v2"));
    record.add("state without it", teamd.state_when("v2 left", |state| ports(state).len() == 2));
    // All but those that ask for what is not there.
    assert_eq!(
        record.text().matches("exit status: 1").count(),
        1,
        "{}\n{}",
        record.text(),
        bus.printed()
    );
    record
}

#[test]
fn dbus_control_does_the_same() {
    assert_same("D-Bus", &on_both(over_dbus), &[]);
}
