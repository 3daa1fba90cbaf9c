//! Options whose change does not reach every listener: the driver sets the value, but replies with
//! an error.

use std::io::ErrorKind;

use libteam::{Error, Mode, OptionId, OptionValue, TeamHandle};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

use crate::support::changes::{
    assert_no_changes, handle_until_converged, kernel_errno, take_changes, team_with,
};
use crate::support::genl_family::Driver;
use crate::support::netns::{enter, index};
use crate::support::snapshot::state;

/// A listener to the driver's events that never reads, and makes senders fail for that, like a busy
/// program that uses the C library.
struct FullListener {
    socket: Socket,
}

impl FullListener {
    fn new() -> Self {
        let mut socket = Socket::new(NETLINK_GENERIC).unwrap();
        socket.bind_auto().unwrap();
        let group = Driver::query(&socket).group;
        setsockopt(&socket, sockopt::RcvBuf, &0).unwrap();
        socket.set_broadcast_error(true).unwrap();
        socket.add_membership(group).unwrap();
        socket.set_non_blocking(true).unwrap();
        Self { socket }
    }

    /// Returns whether an event did not fit.
    fn has_lost_events(self) -> bool {
        loop {
            match self.socket.recv_from_full() {
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                result => drop(result.unwrap()),
            }
        }
    }
}

fn value(team: &TeamHandle, id: &OptionId) -> OptionValue {
    team.option(id).unwrap().value().clone()
}

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

#[test]
fn set_succeeds_with_another_listener_full() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let listener = FullListener::new();
    for number in 1..=20_u32 {
        team.set_option(&count(), number).unwrap();
        assert_eq!(value(&team, &count()), OptionValue::U32(number));
        assert_eq!(take_changes(&mut team).options().len(), 1);
    }
    assert_eq!(value(&TeamHandle::open("team0").unwrap(), &count()), OptionValue::U32(20));
    assert!(listener.has_lost_events(), "the listener lost no event: no ENOBUFS for the set");
}

#[test]
fn all_commands_succeed_with_another_listener_full() {
    enter();
    let listener = FullListener::new();
    let mut team = team_with(Mode::LoadBalance, &["d0", "d1"]);
    let (d0, d1) = (index("d0"), index("d1"));
    team.set_port_enabled(d0, false).unwrap();
    team.set_port_priority(d1, 5).unwrap();
    team.remove_port(d0).unwrap();
    team.remove_port(d1).unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    team.add_port(d0).unwrap();
    team.set_active_port(d0).unwrap();
    take_changes(&mut team);
    assert_eq!((team.active_port(), team.ports().len()), (Some(d0), 1));
    assert_eq!(state(&team).options, state(&TeamHandle::open("team0").unwrap()).options);
    assert!(listener.has_lost_events(), "the listener lost no event: no ENOBUFS for the set");
}

#[test]
fn error_is_kept_with_another_listener_full() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let _deaf = FullListener::new();
    for number in 1..=20_u32 {
        team.set_option(&count(), number).unwrap();
    }
    assert_eq!(kernel_errno(&team.set_mode(Mode::Random).unwrap_err()), Errno::EBUSY);
    assert_eq!(
        kernel_errno(
            &team.set_option(&OptionId::port("queue_id", index("d0")), 99_u32).unwrap_err()
        ),
        Errno::EINVAL
    );
}

#[test]
fn set_succeeds_with_own_event_socket_full() {
    enter();
    let mut other = team_with(Mode::ActiveBackup, &["d0"]);
    let mut team = TeamHandle::builder().receive_buffer(0).open("team0").unwrap();
    for number in 1..=50_u32 {
        other.set_option(&count(), number).unwrap();
    }
    team.set_option(&count(), 51_u32).unwrap();
    assert_eq!(value(&team, &count()), OptionValue::U32(51));
    let changes = take_changes(&mut team);
    assert!(changes.is_resynced());
    let change = changes.options().next().unwrap();
    assert_eq!(
        (changes.options().len(), change.before().unwrap().value()),
        (1, &OptionValue::U32(0))
    );
    assert_eq!(change.after().unwrap().value(), &OptionValue::U32(51));
}

#[test]
fn mode_set_succeeds_with_all_listeners_full() {
    enter();
    let mut team = TeamHandle::builder().receive_buffer(0).create("team0").unwrap();
    // No listener receives the last event, that of the mode itself: the driver replies with ESRCH.
    team.set_mode(Mode::LoadBalance).unwrap();
    assert_eq!(team.mode(), Some(Mode::LoadBalance));
    assert_eq!(team.options().len(), 5 + 3 + 512);
    assert!(take_changes(&mut team).is_resynced());
    handle_until_converged(&mut team);
}

#[test]
fn program_too_long_for_an_event_is_not_sent() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &[]);
    // `ld #0` 499 times, then `ret #0`: valid, but larger than an event of the driver can be.
    let mut long = [0; 8].repeat(499);
    long.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    let error = team.set_option(&OptionId::global("bpf_hash_func"), long).unwrap_err();
    assert!(matches!(error, Error::OptionValue { .. }), "expected OptionValue: {error:?}");
    assert_eq!(
        error.to_string(),
        "setting option bpf_hash_func of team0 to 4000 bytes: \
         expected at most 462 instructions, as the driver cannot list a longer program"
    );
    assert_no_changes(&mut team);
    handle_until_converged(&mut team);
}
