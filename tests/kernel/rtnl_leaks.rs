//! Thousands of requests leak neither descriptors nor memory.

use std::env;
use std::fs;
use std::process::Command;

use libteam::rtnl::{AddressFilter, LinkFilter, RtnlSocket};
use libteam::{Error, IfIndex};

use crate::support::netns::{enter, own_namespace};

const REQUESTS: u32 = 10_000;
/// A leak of one byte per request would exceed it.
const FEW_KIBIBYTES: u64 = 8;

/// Returns the number of descriptors of this process, and its memory in KiB without the pages of
/// the program file, which may be loaded at any time.
fn held() -> (usize, u64) {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    (descriptors, memory.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Makes requests of every type: with a reply, rejected, and dumps.
fn requests(rtnl: &mut RtnlSocket, count: u32) {
    for number in 0..count {
        match number % 5 {
            0 => assert_eq!(rtnl.link_by_name("lo").unwrap().ifindex().get(), 1),
            1 => assert_eq!(rtnl.link_by_index(IfIndex::new(1).unwrap()).unwrap().name(), "lo"),
            2 => assert!(matches!(rtnl.link_by_name("nosuch"), Err(Error::NoSuchDevice { .. }))),
            3 => assert_eq!(rtnl.links(&LinkFilter::new()).unwrap().items().len(), 1),
            _ => assert!(!rtnl.addresses(&AddressFilter::new()).unwrap().items().is_empty()),
        }
    }
}

/// Memory and descriptors of other tests would count too, so this one runs in a process of its own.
#[test]
#[ignore = "started by the test below in a process of its own"]
fn run_requests_in_own_process() {
    enter();
    let mut rtnl = RtnlSocket::new().unwrap();
    requests(&mut rtnl, REQUESTS / 10);
    let before = held();
    requests(&mut rtnl, REQUESTS);
    let after = held();
    eprintln!("descriptors and KiB before: {before:?}, after: {after:?}");
    assert_eq!(after.0, before.0, "descriptors");
    assert!(
        after.1 <= before.1 + FEW_KIBIBYTES,
        "KiB of memory: {} before, {} after",
        before.1,
        after.1
    );
    // Sockets that are opened, passed to a thread of another namespace, and closed.
    let namespace = own_namespace();
    let before = held().0;
    for _ in 0..200 {
        drop(RtnlSocket::in_namespace(&namespace).unwrap());
        drop(RtnlSocket::new().unwrap());
    }
    assert_eq!(held().0, before, "descriptors");
}

#[test]
fn ten_thousand_rtnl_requests_leak_nothing() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "rtnl_leaks::run_requests_in_own_process",
        "--test-threads=1",
        "--nocapture",
    ]);
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    eprint!("{stderr}");
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "the process failed:\n{stdout}\n{stderr}"
    );
}
