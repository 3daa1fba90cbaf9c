//! A program that follows teams with this crate, as `benches/c/follow.c` does with the C library:
//! the arguments, the queries and the answers are the same.
//!
//! The benchmark starts itself as this program. While it follows, it counts reports of something
//! that was not so:
//!
//! - a link or port below [`FIRST_PASSING`] is reported removed: it exists all the time;
//! - a link is reported after its removal was: no index is used twice;
//! - the number in a link's name, such as 7 in `k1x7`, goes back: it only grows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use libteam::{Changes, IfIndex, LinkScope, TeamHandle};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::{ClockId, clock_gettime};

use crate::process::resident_bytes;

/// What the program's first argument is, before the scope and the indices of the teams.
pub(crate) const ARGUMENT: &str = "--follow";

/// The first index of the links that come and go.
pub(crate) const FIRST_PASSING: u32 = 1_000_000;

const QUERY: u64 = u64::MAX;

#[derive(Default)]
struct Counters {
    wake_ups: usize,
    calls: usize,
    wrong: usize,
    errors: usize,
    changed_at: Duration,
}

struct Followed {
    team: TeamHandle,
    numbers: BTreeMap<IfIndex, u32>,
    removed: BTreeSet<IfIndex>,
}

/// Runs the program with the arguments after [`ARGUMENT`]: the scope and the teams.
pub(crate) fn run(words: &[&str]) {
    let Some((scope, teams)) = words.split_first() else { panic!("a scope is missing") };
    let scope = if *scope == "team" { LinkScope::Team } else { LinkScope::All };
    let before = resident_bytes("self");
    let open = |ifindex: &&str| {
        let ifindex = IfIndex::new(ifindex.parse().unwrap()).unwrap();
        let team = TeamHandle::builder().link_scope(scope).open_index(ifindex).unwrap();
        Followed { team, numbers: BTreeMap::new(), removed: BTreeSet::new() }
    };
    let mut teams: Vec<Followed> = teams.iter().map(open).collect();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    for (place, followed) in (0..).zip(&teams) {
        epoll.add(&followed.team, EpollEvent::new(EpollFlags::EPOLLIN, place)).unwrap();
    }
    epoll.add(io::stdin(), EpollEvent::new(EpollFlags::EPOLLIN, QUERY)).unwrap();
    println!("ready {}", resident_bytes("self").saturating_sub(before));
    let mut counters = Counters::default();
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE).unwrap();
        let ready = events.get(..count).unwrap().iter().map(EpollEvent::data);
        let ready: Vec<u64> = ready.filter(|place| *place != QUERY).collect();
        for place in &ready {
            let followed = teams.get_mut(usize::try_from(*place).unwrap()).unwrap();
            followed.handle(&mut counters);
        }
        if ready.is_empty() && !answer(&teams, &counters) {
            return;
        }
    }
}

impl Followed {
    fn handle(&mut self, counters: &mut Counters) {
        counters.wake_ups += 1;
        match self.team.handle_events() {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => {
                counters.calls += 1;
                counters.wrong += self.check(&changes);
                counters.changed_at = monotonic();
            }
            Err(_) => counters.errors += 1,
        }
    }

    /// Counts the reports of something that was not so.
    fn check(&mut self, changes: &Changes) -> usize {
        let mut wrong = 0;
        for change in changes.links() {
            let link = change.latest();
            let (ifindex, lasts) = (link.ifindex(), link.ifindex().get() < FIRST_PASSING);
            if change.is_removed() {
                wrong += usize::from(lasts);
                self.removed.insert(ifindex);
                continue;
            }
            wrong += usize::from(!lasts && self.removed.contains(&ifindex));
            if let Some(number) = number(link.name()) {
                let before = self.numbers.insert(ifindex, number);
                wrong += usize::from(before.is_some_and(|before| number < before));
            }
        }
        let ports = changes.ports().filter(|change| change.is_removed());
        wrong + ports.filter(|change| change.latest().ifindex().get() < FIRST_PASSING).count()
    }

    fn describe(&self) -> Vec<String> {
        let mut links: Vec<_> = self.team.links().collect();
        links.sort_unstable_by_key(|link| link.ifindex());
        let mut ports: Vec<_> = self.team.ports().collect();
        ports.sort_unstable_by_key(|port| port.ifindex());
        let links = links.into_iter().map(|link| {
            describe_link(
                link.ifindex().get(),
                link.name(),
                link.is_admin_up(),
                link.master().map_or(0, IfIndex::get),
            )
        });
        let ports =
            ports.into_iter().map(|port| describe_port(port.ifindex().get(), port.is_link_up()));
        [describe_team(self.team.ifindex())].into_iter().chain(links).chain(ports).collect()
    }
}

/// The line that begins what is known of a team.
pub(crate) fn describe_team(ifindex: IfIndex) -> String {
    format!("team {ifindex}")
}

pub(crate) fn describe_link(ifindex: u32, name: &str, is_up: bool, master: u32) -> String {
    format!("link {ifindex} {name} {} {master}", up(is_up))
}

pub(crate) fn describe_port(ifindex: u32, is_up: bool) -> String {
    format!("port {ifindex} {}", up(is_up))
}

fn up(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

/// The 7 of `k1x7`.
fn number(name: &str) -> Option<u32> {
    name.strip_prefix('k')?.split_once('x')?.1.parse().ok()
}

/// Answers one query; false at the end of standard input.
fn answer(teams: &[Followed], counters: &Counters) -> bool {
    let mut query = [0];
    if io::stdin().read(&mut query).unwrap() == 0 {
        return false;
    }
    let lines: Vec<String> = if query == *b"s" {
        teams.iter().flat_map(Followed::describe).collect()
    } else {
        Vec::new()
    };
    let Counters { wake_ups, calls, wrong, errors, changed_at } = counters;
    let head =
        format!("{wake_ups} {calls} {wrong} {errors} {} {}", changed_at.as_nanos(), lines.len());
    let mut out = io::stdout().lock();
    for line in [head].iter().chain(&lines) {
        writeln!(out, "{line}").unwrap();
    }
    out.flush().unwrap();
    true
}

/// The time of `CLOCK_MONOTONIC`, which all processes share.
pub(crate) fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().into()
}
