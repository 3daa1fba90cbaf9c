//! The second part: one process that follows many small teams, against one process for each.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use libteam::IfIndex;
use nix::sys::resource::{Resource, setrlimit};

use crate::Size;
use crate::c_library::CLibrary;
use crate::follower::{Follower, with_the_c_library, with_this_crate};
use crate::netns::{enter, index, ip_batch};
use crate::raw::Raw;

const PORTS: usize = 2;
const EVENTS: u32 = 200;
const DESCRIPTORS: u64 = 16_384;

struct Use {
    opened_in: Duration,
    memory: usize,
    descriptors: usize,
    event: Duration,
    wake_ups: usize,
}

/// Prints a table; false if one process with this crate costs more than hundreds.
pub(crate) fn measure(size: Size) -> bool {
    let program = CLibrary::build("follow", &["libteam.so.5"]);
    thread::scope(|scope| scope.spawn(|| in_own_namespace(size.small_teams, &program)).join())
        .expect("it ran to its end")
}

fn in_own_namespace(teams: usize, program: &CLibrary) -> bool {
    enter();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).unwrap();
    let teams = make_teams(teams);
    println!(
        "{} teams of {PORTS} ports:\n\n\
         | follower | processes | open after | memory | descriptors | CPU for an event of a port | wake-ups for it |\n\
         | --- | --- | --- | --- | --- | --- | --- |",
        teams.len()
    );
    let ours = || with_this_crate("team");
    let c = || with_the_c_library(program.program(), None);
    let [one, many] = compare("this crate, Team", &teams, ours);
    compare("the C library", &teams, c);
    println!();
    one.memory < many.memory
        && one.descriptors < many.descriptors
        && one.wake_ups == usize::try_from(EVENTS).unwrap()
}

fn compare(name: &str, teams: &[IfIndex], command: impl Fn() -> Command) -> [Use; 2] {
    let all: [Vec<&[IfIndex]>; 2] = [vec![teams], teams.chunks(1).collect()];
    all.map(|shares| {
        let found = follow(&shares, &command);
        println!(
            "| {name} | {} | {:.2} s | {:.1} MiB | {} | {:.0} µs | {:.1} |",
            shares.len(),
            found.opened_in.as_secs_f64(),
            mebibytes(found.memory),
            found.descriptors,
            found.event.as_secs_f64() * 1e6,
            per_event(found.wake_ups),
        );
        found
    })
}

/// Follows the teams with one process for each share of them.
fn follow(shares: &[&[IfIndex]], command: impl Fn() -> Command) -> Use {
    let start = Instant::now();
    let mut followers: Vec<Follower> =
        shares.iter().map(|share| Follower::start(command(), share)).collect();
    for follower in &mut followers {
        follower.wait_until_open();
    }
    let opened_in = start.elapsed();
    let wake_ups = |followers: &mut [Follower]| {
        followers.iter_mut().map(|follower| follower.counters().wake_ups).sum::<usize>()
    };
    let (woken_before, time_before) = (wake_ups(&mut followers), processor_time(&followers));
    rename_ports();
    // Each process answers once it has handled its events.
    let time_after = wait_until_idle(&followers);
    let woken = wake_ups(&mut followers) - woken_before;
    Use {
        opened_in,
        memory: followers.iter().map(Follower::proportional_bytes).sum(),
        descriptors: followers.iter().map(Follower::descriptors).sum(),
        event: time_after.saturating_sub(time_before) / EVENTS,
        wake_ups: woken,
    }
}

/// Renames a port of the first team to and fro, with time to handle each event by itself.
fn rename_ports() {
    let mut raw = Raw::new();
    let port = index("p0x0");
    for number in 0..EVENTS {
        raw.rename(port, if number % 2 == 0 { "renamed" } else { "p0x0" }).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the processes use no more time; returns how much they have used.
fn wait_until_idle(followers: &[Follower]) -> Duration {
    let mut before = processor_time(followers);
    loop {
        thread::sleep(Duration::from_millis(200));
        let after = processor_time(followers);
        if after == before {
            return after;
        }
        before = after;
    }
}

fn processor_time(followers: &[Follower]) -> Duration {
    followers.iter().map(Follower::processor_time).sum()
}

fn make_teams(count: usize) -> Vec<IfIndex> {
    let mut commands = Vec::new();
    for team in 0..count {
        commands.push(format!("link add t{team} type team"));
        for port in 0..PORTS {
            commands.push(format!("link add p{team}x{port} type dummy"));
            commands.push(format!("link set p{team}x{port} master t{team}"));
        }
    }
    ip_batch(&commands);
    (0..count).map(|team| index(&format!("t{team}"))).collect()
}

#[allow(clippy::cast_precision_loss, reason = "small")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[allow(clippy::cast_precision_loss, reason = "small")]
fn per_event(wake_ups: usize) -> f64 {
    wake_ups as f64 / f64::from(EVENTS)
}
