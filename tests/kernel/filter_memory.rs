//! Event filters that the kernel refuses because a socket's memory for filters is too small.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::time::Duration;

use libteam::TeamHandle;

use crate::link_scope::team_of;
use crate::support::changes::{handle_until_converged, link_change, take_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::features::renaming;
use crate::support::netns::{dummies, enter, index, ip, ip_batch};
use crate::support::snapshot::state;

#[test]
fn team_too_large_for_a_filter_loses_nothing() {
    enter();
    let limit = "/proc/sys/net/core/optmem_max";
    // If each namespace has its own limit, a small one; else the number of ports has to exceed the
    // limit.
    let own_limit = fs::write(limit, "400").is_ok();
    eprintln!("each namespace has its own limit: {own_limit}");
    let ports = if own_limit { 40 } else { 2100 };
    let names: Vec<String> = (0..ports).map(|number| format!("p{number}")).collect();
    ip_batch(&names.iter().map(|name| format!("link add {name} type dummy")).collect::<Vec<_>>());
    let mut team = team_of(&[]);
    ip_batch(&names.iter().map(|name| format!("link set {name} master team0")).collect::<Vec<_>>());
    handle_until_converged(&mut team);
    assert_eq!(team.links().len(), ports + 1);
    ip("link del p0");
    ip("link set p1 nomaster");
    ip_batch(&renaming("p2", "q2"));
    handle_until_converged(&mut team);
    assert_eq!(team.links().len(), ports - 1);
    let fresh = TeamHandle::open("team0").unwrap();
    assert_eq!(state(&fresh), state(&team));
    ip_batch(&names[3..].iter().map(|name| format!("link del {name}")).collect::<Vec<_>>());
    handle_until_converged(&mut team);
    assert_eq!(team.links().len(), 2);
}

/// `net.core.optmem_max`, from which the kernel takes the memory of socket filters. Depending on
/// the kernel, each network namespace has one, or the first namespace's is for all; that one is
/// restored when this is dropped.
struct FilterMemory {
    file: File,
    at_first: String,
    /// If a namespace has its own limit, limit and number of ports are divided by this.
    divisor: usize,
}

impl FilterMemory {
    /// Enters a new network namespace.
    fn enter() -> Self {
        const PATH: &str = "/proc/sys/net/core/optmem_max";
        let open = || File::options().read(true).write(true).open(PATH);
        let of_all = open().unwrap();
        enter();
        let (mut file, divisor) = open().map_or((of_all, 1), |own| (own, 5));
        let mut at_first = String::new();
        file.read_to_string(&mut at_first).unwrap();
        Self { file, at_first, divisor }
    }

    fn set(&self, bytes: usize) {
        self.write(&(bytes / self.divisor).to_string());
    }

    fn write(&self, value: &str) {
        (&self.file).rewind().unwrap();
        (&self.file).write_all(value.as_bytes()).unwrap();
    }
}

impl Drop for FilterMemory {
    fn drop(&mut self) {
        self.write(&self.at_first);
    }
}

/// The limit of older kernels, the same for all namespaces.
const FILTER_MEMORY: usize = 20480;
/// A filter that names this many ports takes more than half of that memory.
const MANY_PORTS: usize = 600;
/// A filter that names this many ports takes more than that memory.
const TOO_MANY_PORTS: usize = 1400;

/// Creates `team0` with this many ports, and returns a handle that has read all events.
fn team_of_many(ports: usize) -> TeamHandle {
    let names: Vec<String> = (0..ports).map(|number| format!("p{number}")).collect();
    ip_batch(&names.iter().map(|name| format!("link add {name} type dummy")).collect::<Vec<_>>());
    let mut team = team_of(&[]);
    ip_batch(&names.iter().map(|name| format!("link set {name} master team0")).collect::<Vec<_>>());
    handle_until_converged(&mut team);
    handle_until_quiet(&mut team);
    team
}

/// Opens another handle of the same team, whose filter is the first of its sockets.
fn reopened(team: &TeamHandle) -> TeamHandle {
    let mut reopened = TeamHandle::open_index(team.ifindex()).unwrap();
    handle_until_quiet(&mut reopened);
    reopened
}

/// Returns whether a message about a link outside of the team wakes a handle, which then reads it.
fn is_woken_by_others(team: &mut TeamHandle) -> bool {
    for mtu in [1300, 1400] {
        ip(&format!("link set other mtu {mtu}"));
    }
    let is_woken = team.wait(Some(Duration::from_millis(50))).unwrap();
    assert!(take_changes(team).is_empty());
    is_woken
}

#[test]
fn filter_that_needs_the_old_ones_memory_is_attached() {
    let memory = FilterMemory::enter();
    memory.set(FILTER_MEMORY);
    dummies(&["other", "more"]);
    let ports = MANY_PORTS / memory.divisor;
    let mut team = reopened(&team_of_many(ports));
    assert!(!is_woken_by_others(&mut team), "the handle has no filter for {ports} ports");
    ip("link set more master team0");
    handle_until_converged(&mut team);
    handle_until_quiet(&mut team);
    assert_eq!(team.links().len(), ports + 2);
    assert!(!is_woken_by_others(&mut team), "the handle has no filter for {} ports", ports + 1);
    ip("link set more nomaster");
    handle_until_converged(&mut team);
    assert_eq!(team.links().len(), ports + 1);
}

#[test]
fn refused_filter_is_attached_once_memory_allows() {
    let memory = FilterMemory::enter();
    memory.set(FILTER_MEMORY);
    dummies(&["other"]);
    let mut team = team_of_many(TOO_MANY_PORTS / memory.divisor);
    let mut opened = reopened(&team);
    for team in [&mut team, &mut opened] {
        assert!(
            is_woken_by_others(team),
            "the handle has a filter, or is not woken by other links"
        );
    }
    memory.set(8 * FILTER_MEMORY);
    for (number, team) in [&mut team, &mut opened].into_iter().enumerate() {
        handle_until_quiet(team);
        let woken = (0..1000).take_while(|_| is_woken_by_others(team)).count();
        assert!(woken < 20, "links outside of the team woke the handle {woken} times");
        let address = format!("02:00:00:00:00:0{number}");
        ip(&format!("link set p0 address {address}"));
        let changes = take_changes(team);
        assert_eq!(
            link_change(&changes, index("p0")).unwrap().latest().hwaddr().unwrap().to_string(),
            address
        );
    }
    handle_until_converged(&mut team);
}
