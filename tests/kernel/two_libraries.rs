//! A client of the C library and a handle on the same team: each sees the other's changes, and an
//! unread socket of one does not make the other fail.

use std::time::{Duration, Instant};

use libteam::{Change, Changes, Mode, OptionId, OptionValue, TeamHandle};
use nix::sys::signal::Signal;

use crate::support::monitor::Monitor;
use crate::support::netns::{enter, ip};
use crate::support::programs::Tool;
use crate::support::timeouts::timeout;

fn team() -> TeamHandle {
    enter();
    ip("link add d0 type dummy");
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    let d0 = team.lookup_ifindex("d0").unwrap();
    team.add_port(d0).unwrap();
    team.handle_events().unwrap();
    team
}

/// Returns whether the handle reports that another program set an option to this value.
fn reports(team: &mut TeamHandle, name: &str, value: &str) -> bool {
    let deadline = Instant::now() + timeout();
    while Instant::now() < deadline {
        let changes: Changes = team.handle_events().unwrap();
        let reported = changes.options().find(|change| change.latest().id().name == name);
        if let Some(change) = reported {
            return !change.is_local() && change.latest().value().to_string() == value;
        }
        team.wait(Some(Duration::from_millis(100))).unwrap();
    }
    false
}

#[test]
fn each_library_sees_the_others_changes() {
    let mut team = team();
    let d0 = team.lookup_ifindex("d0").unwrap();
    let mut monitor = Monitor::start(Tool::C, "", &mut team);
    for round in 1..=10_i32 {
        team.handle_events().unwrap();
        let set = Tool::C.run(&format!("team0 setoption mcast_rejoin_count {round}"));
        assert!(set.status.success(), "teamnl failed: {}", set.stderr);
        assert!(reports(&mut team, "mcast_rejoin_count", &round.to_string()), "round {round}");
        let set = Tool::C.run(&format!("-p d0 team0 setoption priority {round}"));
        assert!(set.status.success(), "teamnl failed: {}", set.stderr);
        assert!(reports(&mut team, "priority", &round.to_string()), "round {round}");
        team.set_port_priority(d0, -round).unwrap();
        monitor.read_until(&format!("*priority (port:d0) -{round} changed"));
        assert_eq!(Tool::C.run("-p d0 team0 getoption priority").stdout, format!("-{round}\n"));
        team.set_port_enabled(d0, round % 2 == 0).unwrap();
        monitor.read_until(&format!("*enabled (port:d0) {} changed", round % 2 == 0));
    }
    team.remove_port(d0).unwrap();
    monitor.read_until("d0: down 0Mbit HD");
    team.set_mode(Mode::RoundRobin).unwrap();
    monitor.read_until("*mode roundrobin changed");
    team.add_port(d0).unwrap();
    monitor.read_until("*enabled (port:d0) true changed");
    assert!(Tool::C.run("team0 setoption notify_peers_count 3").status.success());
    assert!(reports(&mut team, "notify_peers_count", "3"));
    team.destroy().unwrap();
    monitor.read_until("team0: ");
}

#[test]
fn our_settings_succeed_with_a_full_c_client() {
    const ROUNDS: u32 = 600;
    let mut team = team();
    let count = OptionId::global("mcast_rejoin_count");
    let monitor = Monitor::start(Tool::C, "", &mut team);
    monitor.signal(Signal::SIGSTOP);
    for round in 1..=ROUNDS {
        team.set_option(&count, round).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(team.option(&count).unwrap().value(), &OptionValue::U32(round));
    }
    team.handle_events().unwrap();
    // The monitor's buffer is full: the C library then reports a setting as failed, although it was
    // made.
    let set = Tool::C.run("team0 setoption mcast_rejoin_count 7");
    assert_eq!(set.status.code(), Some(1), "the monitor's buffer is not full");
    assert!(reports(&mut team, "mcast_rejoin_count", "7"));
    // The library does not, in another process either.
    let set = Tool::Ours.run("team0 setoption mcast_rejoin_count 8");
    assert_eq!(set.status.code(), Some(0), "{}", set.stderr);
    assert_eq!(Tool::C.run("team0 getoption mcast_rejoin_count").stdout, "8\n");
    let d0 = team.lookup_ifindex("d0").unwrap();
    team.remove_port(d0).unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team.add_port(d0).unwrap();
    assert!(team.is_port(d0));
    monitor.signal(Signal::SIGCONT);
    // The C library cannot recover from a loss.
    assert_eq!(monitor.wait().code(), Some(1));
    team.set_option(&count, 9_u32).unwrap();
}

#[test]
fn c_settings_succeed_with_a_full_handle() {
    const ROUNDS: u32 = 30;
    let mut team = team();
    let mut unread = TeamHandle::builder().receive_buffer(0).open("team0").unwrap();
    let mut monitor = Monitor::start(Tool::C, "", &mut team);
    for round in 1..=ROUNDS {
        let set = Tool::C.run(&format!("team0 setoption mcast_rejoin_count {round}"));
        assert_eq!(set.status.code(), Some(0), "round {round}: {}", set.stderr);
        monitor.read_until(&format!("*mcast_rejoin_count {round} changed"));
        team.set_notify_peers_count(round).unwrap();
        monitor.read_until(&format!("*notify_peers_count {round} changed"));
    }
    let changes = unread.handle_events().unwrap();
    assert!(changes.is_resynced(), "the handle's buffer did not overrun");
    let reported: Vec<_> = changes.options().map(Change::to_string).collect();
    for name in ["mcast_rejoin_count", "notify_peers_count"] {
        assert!(
            reported.contains(&format!("*{name} {ROUNDS}")),
            "the last value of {name} is not in {reported:?}"
        );
    }
}
