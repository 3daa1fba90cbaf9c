//! Hundreds of teams with a handle each, in one namespace: followed by one process with this crate,
//! and by one with the C library.

use std::process::Command;
use std::thread;
use std::time::Duration;

use libteam::IfIndex;
use nix::sys::resource::{Resource, setrlimit};

use crate::c_library::CLibrary;
use crate::follower::{Follower, with_the_c_library, with_this_crate};
use crate::netns::{enter, index, ip_batch};
use crate::raw::Raw;
use crate::sample::timed;
use crate::scene::settle;
use crate::table::Table;

const TEAMS: usize = 500;
const PORTS: usize = 4;
const DESCRIPTORS: u64 = 16_384;
/// The descriptors of a process that follows no team: the standard streams and the epoll instance.
const OWN_DESCRIPTORS: usize = 4;

/// What following all teams takes.
struct Use {
    opened_in: Duration,
    /// By how many bytes the process grew for each handle.
    memory: usize,
    descriptors: usize,
    /// The most handles that one event woke.
    woken: usize,
}

pub(crate) fn measure(c_library: &CLibrary, table: &mut Table) {
    // The namespace goes with its thread.
    thread::scope(|scope| scope.spawn(|| in_own_namespace(c_library, table)).join())
        .expect("it ran to its end");
}

fn in_own_namespace(c_library: &CLibrary, table: &mut Table) {
    enter();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).unwrap();
    let teams = make_teams();
    settle();
    let ours = follow(with_this_crate("team"), &teams);
    let c = follow(with_the_c_library(c_library.program(), None), &teams);
    let what =
        |what: &str| format!("{TEAMS} handles on {TEAMS} teams of {PORTS} ports, Team: {what}");
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    table.fact_beside(
        &what("opened in"),
        &seconds(ours.opened_in),
        &seconds(c.opened_in),
        ours.opened_in <= c.opened_in,
    );
    let kib = |bytes: usize| format!("{} KiB", bytes.div_ceil(1024));
    table.fact_beside(
        &what("memory of each"),
        &kib(ours.memory),
        &kib(c.memory),
        ours.memory <= c.memory,
    );
    table.fact_beside(
        &what("descriptors of each"),
        &ours.descriptors.to_string(),
        &c.descriptors.to_string(),
        ours.descriptors <= c.descriptors,
    );
    let of_all = |count: usize| format!("{count} of {TEAMS}");
    table.fact_beside(
        &what("woken by an event of one team"),
        &of_all(ours.woken),
        &of_all(c.woken),
        ours.woken == 1,
    );
}

fn follow(command: Command, teams: &[IfIndex]) -> Use {
    let (opened_in, (mut follower, grown)) = timed(|| {
        let mut follower = Follower::start(command, teams);
        let grown = follower.wait_until_open();
        (follower, grown)
    });
    let mut raw = Raw::new();
    let mut before = follower.counters().wake_ups;
    let mut woken = 0;
    for team in [0, TEAMS / 2, TEAMS - 1] {
        let name = format!("p{team}x0");
        for [from, to] in [[name.as_str(), "renamed"], ["renamed", name.as_str()]] {
            raw.rename(index(from), to).unwrap();
            let after = follower.counters().wake_ups;
            woken = woken.max(after - before);
            before = after;
        }
    }
    Use {
        opened_in,
        memory: grown / TEAMS,
        descriptors: (follower.descriptors() - OWN_DESCRIPTORS) / TEAMS,
        woken,
    }
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
