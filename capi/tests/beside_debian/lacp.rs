//! The runner lacp over four cables, with teamd on this library at one end, and at the other end
//! teamd on Debian's, or the kernel's bonding driver.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::library::Library;
use crate::support::namespace::{attempt, enter, ip, ip_batch, on_both};
use crate::support::teamd::Teamd;
use crate::support::wait::{timeout, wait_for, wait_within};

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
    let found = wait_within(timeout(), || (aggregated(teamd) == names).then_some(()));
    assert!(
        found.is_some(),
        "{names:?} do not aggregate: {:#}",
        teamd.try_state().unwrap_or_default()
    );
}

fn two_teams(here: Library, there: Library, fast: bool) {
    enter();
    legs();
    let a = Teamd::start(here, &config("team0", "a", fast, [0; 4]));
    let b = Teamd::start(there, &config("team1", "b", fast, [0; 4]));
    ip_batch("link set team0 up\nlink set team1 up\n");
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
    ip_batch("link set team0 up\nlink set team1 up\n");
    await_aggregated(&a, &["a0", "a1", "a2"]);
}

/// Makes a bond of the cables' far ends in a namespace of its own, where a socket answers each
/// datagram until this is dropped.
struct Bond {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bond {
    fn new() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, id) = channel();
        let (moved, until_moved) = channel();
        let thread = thread::spawn(move || {
            enter();
            let own = fs::read_link("/proc/thread-self").unwrap();
            sender.send(own.file_name().unwrap().to_string_lossy().into_owned()).unwrap();
            until_moved.recv().unwrap();
            let made = attempt("ip link add bond0 type bond mode 802.3ad lacp_rate fast miimon 50");
            assert!(made.status.success(), "no bond: {}", String::from_utf8_lossy(&made.stderr));
            for number in 0..LEGS {
                ip(&format!("link set b{number} master bond0"));
            }
            ip_batch("addr add 192.0.2.2/24 dev bond0\nlink set bond0 up\n");
            let socket = UdpSocket::bind("192.0.2.2:7").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut buffer = [0; 64];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    socket.send_to(&buffer[..length], from).unwrap();
                }
            }
        });
        let id = id.recv().unwrap();
        for number in 0..LEGS {
            ip(&format!("link set b{number} netns {id}"));
        }
        moved.send(()).unwrap();
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Bond {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // If it panicked, it said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Returns whether each of many datagrams, of many kinds, is answered.
fn loses_no_packet() -> bool {
    (0..32_u8).all(|number| {
        let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        socket.send_to(&[number], "192.0.2.2:7").unwrap();
        let mut buffer = [0; 64];
        socket.recv_from(&mut buffer).is_ok()
    })
}

#[test]
fn bonding_driver_aggregates_with_either_library() {
    on_both(|library| {
        legs();
        let _bond = Bond::new();
        let teamd = Teamd::start(library, &config("team0", "a", true, [0; 4]));
        ip_batch("link set team0 up\naddr add 192.0.2.1/24 dev team0\n");
        await_aggregated(&teamd, &["a0", "a1", "a2", "a3"]);
        wait_for("traffic", || loses_no_packet().then_some(()));
        ip("link set a2 down");
        await_aggregated(&teamd, &["a0", "a1", "a3"]);
        wait_for("traffic with a leg cut", || loses_no_packet().then_some(()));
    });
}
