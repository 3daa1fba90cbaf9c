//! Hundreds of teams with a handle each, in one namespace.

use std::fs;
use std::os::fd::AsFd as _;
use std::thread;

use libteam::{IfIndex, LinkScope, TeamHandle};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};

use crate::netns::{enter, index, ip_batch};
use crate::raw::Raw;
use crate::sample::timed;
use crate::scene::{builder, settle};
use crate::table::Table;

const TEAMS: usize = 500;
const PORTS: usize = 4;
const DESCRIPTORS: u64 = 16_384;

pub(crate) fn measure(table: &mut Table) {
    // The namespace exists until its thread ends.
    thread::scope(|scope| scope.spawn(|| in_own_namespace(table)).join())
        .expect("the thread returns");
}

fn in_own_namespace(table: &mut Table) {
    enter();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).unwrap();
    let teams = make_teams();
    settle();
    let before = resident_bytes();
    let open = |team: &IfIndex| builder(LinkScope::Team).open_index(*team).unwrap();
    let (time, mut handles) = timed(|| teams.iter().map(open).collect::<Vec<TeamHandle>>());
    let memory = resident_bytes().saturating_sub(before);
    let found =
        format!("{:.2} s, {} KiB of memory each", time.as_secs_f64(), memory / TEAMS / 1024);
    table.fact(
        &format!("{TEAMS} handles on {TEAMS} teams of {PORTS} ports, Team: opened in"),
        &found,
        true,
    );

    let mut raw = Raw::new();
    let mut woken = Vec::new();
    for number in [0, TEAMS / 2, TEAMS - 1] {
        raw.rename(index(&format!("p{number}x0")), "renamed").unwrap();
        handles.get_mut(number).unwrap().set_notify_peers_count(1).unwrap();
        woken.push(readable(&handles));
        for handle in &mut handles {
            handle.handle_events().unwrap();
        }
        raw.rename(index("renamed"), &format!("p{number}x0")).unwrap();
        woken.push(readable(&handles));
        for handle in &mut handles {
            handle.handle_events().unwrap();
        }
    }
    let alone = woken.iter().all(|handles| handles.len() == 1);
    let found = format!("{} of {TEAMS} handles", woken.iter().map(Vec::len).max().unwrap());
    table.fact("an event of one team wakes", &found, alone);
}

fn make_teams() -> Vec<IfIndex> {
    let mut commands = Vec::new();
    for team in 0..TEAMS {
        commands.push(format!("link add t{team} type team"));
        for port in 0..PORTS {
            commands.push(format!("link add p{team}x{port} type dummy"));
            commands.push(format!("link set p{team}x{port} master t{team}"));
        }
    }
    ip_batch(&commands);
    (0..TEAMS).map(|team| index(&format!("t{team}"))).collect()
}

/// Returns the positions of the handles that are readable.
fn readable(handles: &[TeamHandle]) -> Vec<usize> {
    let mut descriptors: Vec<_> =
        handles.iter().map(|handle| PollFd::new(handle.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut descriptors, PollTimeout::ZERO).unwrap();
    let ready =
        descriptors.iter().enumerate().filter(|(_, descriptor)| descriptor.any() != Some(false));
    ready.map(|(place, _)| place).collect()
}

/// Returns the resident memory of this process.
pub(crate) fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
