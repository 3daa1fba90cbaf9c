//! A network namespace for each test, and `ip` inside it.

use std::process::{Command, Output};

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// Moves the calling thread, which is one test's own, into a new network namespace. It lasts as long as the thread and
/// what the thread started.
pub(crate) fn enter() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace wants CAP_SYS_ADMIN");
    ip("link set lo up");
}

/// Runs `ip` with these words and returns what it prints; panics if it fails.
pub(crate) fn ip(words: &str) -> String {
    let output = run_ip(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {stderr}");
    String::from_utf8(output.stdout).expect("ip prints text")
}

/// Runs `ip` with these words, and returns what it printed and whether it failed.
pub(crate) fn run_ip(words: &str) -> Output {
    Command::new("ip").args(words.split_whitespace()).output().expect("iproute2 is installed")
}

/// Runs `ip -j` with these words and returns its list.
pub(crate) fn ip_json(words: &str) -> Vec<Value> {
    let text = ip(&format!("-j {words}"));
    // Of nothing at all ip prints nothing at all.
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).expect("ip -j prints a list") }
}

/// Creates a veth pair that is up at its far end, and returns nothing: `name` is ready to become a port.
pub(crate) fn veth(name: &str, peer: &str) {
    ip(&format!("link add {name} type veth peer name {peer}"));
    ip(&format!("link set {peer} up"));
}
