//! The runner lacp over four cables, with teamd on this library at one end, and at the other end
//! teamd on Debian's, or the kernel's bonding driver.

use serde_json::{Value, json};

use crate::support::library::Library;
use crate::support::namespace::{attempt, enter, ip, ip_batch, run};
use crate::support::teamd::Teamd;
use crate::support::wait::wait_for;

const LEGS: u32 = 4;

/// Creates the cables `aN`-`bN`.
fn legs() {
    let pair = |number: u32| format!("link add a{number} type veth peer name b{number}\n");
    ip_batch(&(0..LEGS).map(pair).collect::<String>());
}

fn config(device: &str, prefix: &str, fast: bool, keys: [u32; 4]) -> Value {
    let port =
        |number: u32| (format!("{prefix}{number}"), json!({ "lacp_key": keys[number as usize] }));
    json!({
        "device": device,
        "hwaddr": if prefix == "a" { "02:00:00:00:00:0a" } else { "02:00:00:00:00:0b" },
        "runner": { "name": "lacp", "active": true, "fast_rate": fast, "tx_hash": ["eth", "ipv4", "udp"] },
        "link_watch": { "name": "ethtool" },
        "ports": (0..LEGS).map(port).collect::<serde_json::Map<_, _>>(),
    })
}

/// Returns the ports that are in the selected aggregator and have a partner.
fn aggregated(teamd: &Teamd) -> Vec<String> {
    let Some(state) = teamd.try_state() else { return Vec::new() };
    let ports = state["ports"].as_object().cloned().unwrap_or_default();
    let is_in = |port: &Value| {
        port["runner"]["aggregator"]["selected"] == json!(true)
            && port["runner"]["state"] == "current"
    };
    ports.iter().filter(|(_, port)| is_in(port)).map(|(name, _)| name.clone()).collect()
}

fn await_aggregated(teamd: &Teamd, names: &[&str]) {
    wait_for(&format!("aggregation of {names:?}"), || (aggregated(teamd) == names).then_some(()));
}

/// Moves `link` to a namespace of its own, which lasts as long as the returned name is not deleted.
fn loses_no_packet(from: &str) -> bool {
    attempt(&format!("ping -c 20 -i 0.02 -W 5 -I {from} 192.0.2.2")).status.success()
}

fn two_teams(here: Library, there: Library, fast: bool) {
    enter();
    legs();
    let a = Teamd::start(here, &config("team0", "a", fast, [0; 4]));
    let b = Teamd::start(there, &config("team1", "b", fast, [0; 4]));
    await_aggregated(&a, &["a0", "a1", "a2", "a3"]);
    await_aggregated(&b, &["b0", "b1", "b2", "b3"]);
    ip("link set a1 down");
    await_aggregated(&a, &["a0", "a2", "a3"]);
    await_aggregated(&b, &["b0", "b2", "b3"]);
    ip("link set a1 up");
    await_aggregated(&a, &["a0", "a1", "a2", "a3"]);
    assert!(!a.process.printed().contains("ailed"), "{}", a.process.printed());
}

#[test]
fn two_libraries_aggregate_four_cables() {
    std::thread::scope(|scope| {
        for fast in [true, false] {
            scope.spawn(move || two_teams(Library::Ours, Library::Debian, fast));
        }
    });
}

#[test]
fn ports_of_another_key_are_left_out() {
    enter();
    legs();
    let a = Teamd::start(Library::Ours, &config("team0", "a", true, [1, 1, 1, 2]));
    let _b = Teamd::start(Library::Debian, &config("team1", "b", true, [5; 4]));
    await_aggregated(&a, &["a0", "a1", "a2"]);
}

/// Traffic goes through while a leg is cut, for both libraries against the bonding driver.
#[test]
fn bonding_driver_aggregates_with_either_library() {
    for library in Library::BOTH {
        std::thread::spawn(move || {
            enter();
            legs();
            let bond = attempt("ip link add bond0 type bond mode 802.3ad lacp_rate fast miimon 50");
            assert!(
                bond.status.success(),
                "the kernel lacks the bonding driver: {}",
                String::from_utf8_lossy(&bond.stderr)
            );
            let name = format!("bond-{library:?}-{}", std::process::id());
            run(&format!("ip netns add {name}"));
            run(&format!("ip link del bond0"));
            run(&format!(
                "ip -n {name} link add bond0 type bond mode 802.3ad lacp_rate fast miimon 50"
            ));
            for number in 0..LEGS {
                run(&format!("ip link set b{number} netns {name}"));
                run(&format!("ip -n {name} link set b{number} master bond0"));
            }
            run(&format!("ip -n {name} addr add 192.0.2.2/24 dev bond0"));
            run(&format!("ip -n {name} link set bond0 up"));
            let teamd = Teamd::start(library, &config("team0", "a", true, [0; 4]));
            ip("addr add 192.0.2.1/24 dev team0");
            ip("link set team0 up");
            await_aggregated(&teamd, &["a0", "a1", "a2", "a3"]);
            wait_for("traffic", || loses_no_packet("team0").then_some(()));
            ip("link set a2 down");
            await_aggregated(&teamd, &["a0", "a1", "a3"]);
            wait_for("traffic with a leg cut", || loses_no_packet("team0").then_some(()));
            drop(teamd);
            run(&format!("ip netns del {name}"));
        })
        .join()
        .unwrap();
    }
}
