//! teamd's link watches, and the balancer of the runner loadbalance.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::compare::{Allowed, Record, assert_same};
use crate::support::library::Library;
use crate::support::namespace::{cables, ip, ip_batch, on_both};
use crate::support::teamd::{Teamd, is_up};
use crate::support::wait::wait_for;

/// Leaves out how often an answer was missed and a port went down, which depends on the time.
fn mask(state: &str) -> String {
    let lines =
        state.lines().filter(|line| !line.contains("missed\"") && !line.contains("down_count"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

/// Makes the end of a cable answer what the link watches ask.
fn answer(end: &str) {
    ip_batch(&format!(
        "addr add 192.0.2.2/32 dev {end}\naddr add 2001:db8::2/128 dev {end} nodad\n"
    ));
}

fn do_not_answer(end: &str) {
    ip(&format!("addr flush dev {end} scope global"));
}

/// A cable's end that does not answer has carrier all the same.
fn watched(library: Library, watch: &Value) -> Record {
    let mut record = Record::default();
    cables(2);
    // Otherwise a cable's end answers for the other's address.
    fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1").unwrap();
    answer("p0");
    answer("p1");
    let config = json!({
        "device": "team0",
        "hwaddr": "02:00:00:00:00:10",
        "runner": { "name": "activebackup" },
        "link_watch": watch,
        "ports": { "v0": { "prio": 7, "sticky": true }, "v1": {} },
    });
    let mut teamd = Teamd::start(library, &config);
    let watch_says =
        |state: &Value, port: &str| state["ports"][port]["link_watches"]["up"] == json!(true);
    let start = |state: &Value| {
        watch_says(state, "v0") && watch_says(state, "v1") && state["runner"]["active_port"] == "v0"
    };
    record.add("start", mask(&teamd.state_when("v0 is active", start)));
    do_not_answer("p0");
    record.add(
        "no answer",
        mask(&teamd.state_when("v1 is active", |state| {
            !watch_says(state, "v0")
                && watch_says(state, "v1")
                && state["runner"]["active_port"] == "v1"
        })),
    );
    answer("p0");
    do_not_answer("p1");
    record.add(
        "answers again",
        mask(&teamd.state_when("v0 is active", |state| {
            watch_says(state, "v0")
                && !watch_says(state, "v1")
                && state["runner"]["active_port"] == "v0"
        })),
    );
    ip("link set p0 down");
    record.add(
        "cut",
        mask(&teamd.state_when("v0 is down", |state| {
            !is_up(state, "v0") && !watch_says(state, "v0") && state["runner"]["active_port"] == ""
        })),
    );
    record
}

fn compare(title: &str, scenario: impl Fn(Library) -> Record + Sync) {
    let records = on_both(scenario);
    for record in &records {
        assert!(!record.text().contains("not reached"), "{title}: {}", record.text());
    }
    assert_same(title, &records, &[]);
}

#[test]
fn arp_ping_fails_over_alike() {
    let watch = json!({ "name": "arp_ping", "interval": 100, "missed_max": 5, "target_host": "192.0.2.2",
        "send_always": true });
    compare("arp_ping", |library| watched(library, &watch));
}

/// The last of the watches of one port is `nsna_ping`.
fn watched_alone(library: Library, watches: &Value) -> Record {
    let mut record = Record::default();
    cables(1);
    answer("p0");
    let config = json!({
        "device": "team0",
        "hwaddr": "02:00:00:00:00:10",
        "runner": { "name": "activebackup" },
        "link_watch": watches,
        "ports": { "v0": {} },
    });
    let last = format!("link_watch_{}", watches.as_array().map_or(0, |watches| watches.len() - 1));
    let answers =
        |state: &Value| state["ports"]["v0"]["link_watches"]["list"][&last]["up"] == json!(true);
    let mut teamd = Teamd::start(library, &config);
    record.add("start", mask(&teamd.state_when("answers", answers)));
    do_not_answer("p0");
    record.add("no answer", mask(&teamd.state_when("no answers", |state| !answers(state))));
    answer("p0");
    record.add("answers again", mask(&teamd.state_when("answers", answers)));
    ip("link set p0 down");
    record.add(
        "cut",
        mask(&teamd.state_when("v0 is down", |state| {
            !is_up(state, "v0") && state["ports"]["v0"]["link_watches"]["up"] == json!(false)
        })),
    );
    record
}

fn nsna_ping() -> Value {
    json!({ "name": "nsna_ping", "interval": 100, "missed_max": 5, "target_host": "2001:db8::2" })
}

#[test]
fn nsna_ping_sees_the_same() {
    compare("nsna_ping", |library| watched_alone(library, &nsna_ping()));
}

#[test]
fn several_watches_see_the_same() {
    let watches = json!([{ "name": "ethtool", "delay_up": 100, "delay_down": 100 }, nsna_ping()]);
    compare("several watches", |library| watched_alone(library, &watches));
}

/// Returns the ports to which hashes are mapped.
fn mapped_ports() -> BTreeSet<String> {
    let output = Library::Debian.command("teamnl").args(["team0", "options"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mappings = text.lines().filter(|line| line.contains("lb_tx_hash_to_port_mapping"));
    mappings
        .filter_map(|line| line.split_whitespace().last())
        .filter(|port| *port != "0")
        .map(str::to_owned)
        .collect()
}

/// Traffic of many kinds is spread over the ports; the balancer goes on when the device of one is
/// deleted.
fn balanced(library: Library) -> Record {
    let mut record = Record::default();
    cables(2);
    let config = json!({
        "device": "team0",
        "hwaddr": "02:00:00:00:00:10",
        "runner": { "name": "loadbalance", "tx_hash": ["ipv4", "udp"],
            "tx_balancer": { "name": "basic", "balancing_interval": 5 } },
        "link_watch": { "name": "ethtool" },
        "ports": { "v0": {}, "v1": {} },
    });
    let mut teamd = Teamd::start(library, &config);
    teamd.state_when("both are up", |state| is_up(state, "v0") && is_up(state, "v1"));
    ip_batch(
        "link set team0 up\naddr add 192.0.2.1/24 dev team0\nneigh add 192.0.2.2 lladdr 02:00:00:00:00:99 dev team0\n",
    );
    let sockets: Vec<UdpSocket> =
        (0..32).map(|_| UdpSocket::bind("192.0.2.1:0").unwrap()).collect();
    let send = || {
        for socket in &sockets {
            for _ in 0..4 {
                socket.send_to(&[0; 1000], "192.0.2.2:9").unwrap();
            }
        }
    };
    wait_for("hashes at both ports", || {
        send();
        (mapped_ports().len() == 2).then_some(())
    });
    record.add("both ports are used", "yes");
    ip("link del p0");
    record.add(
        "device deleted",
        teamd.state_if_ever("v0 left", |state| {
            send();
            state["ports"].as_object().is_some_and(|ports| ports.len() == 1)
        }),
    );
    // The balancer runs every half second.
    for _ in 0..10 {
        send();
        thread::sleep(Duration::from_millis(200));
    }
    record.add("two seconds later", teamd.state_if_ever("an answer", |state| !state.is_null()));
    record
}

#[test]
fn balancer_spreads_traffic_and_survives_a_deleted_device() {
    let records = on_both(balanced);
    assert!(!records[1].text().contains("teamd ended"), "{}", records[1].text());
    let crash = |step| Allowed { step, ours: "\"v1\"", why: "teamd crashes with Debian's library" };
    assert_same("balancer", &records, &["device deleted", "two seconds later"].map(crash));
}
