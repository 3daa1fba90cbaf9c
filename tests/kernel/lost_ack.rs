//! Options whose change reaches not every listener: the driver then answers a set with an error,
//! but has set the value.

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

/// A listener to the driver's events that never reads them, and wants senders to fail for it: what
/// the C library is while its program is busy.
struct DeafListener {
    socket: Socket,
}

impl DeafListener {
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

    /// Whether an event did not fit.
    fn missed_something(self) -> bool {
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
fn a_set_is_done_though_a_listener_of_another_process_is_full() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let deaf = DeafListener::new();
    for number in 1..=20_u32 {
        team.set_option(&count(), number).unwrap();
        assert_eq!(value(&team, &count()), OptionValue::U32(number));
        assert_eq!(take_changes(&mut team).options().len(), 1);
    }
    assert_eq!(value(&TeamHandle::open("team0").unwrap(), &count()), OptionValue::U32(20));
    assert!(deaf.missed_something(), "or else the kernel would not have answered ENOBUFS");
}

#[test]
fn all_commands_work_though_a_listener_of_another_process_is_full() {
    enter();
    let deaf = DeafListener::new();
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
    assert!(deaf.missed_something(), "or else the kernel would not have answered ENOBUFS");
}

#[test]
fn an_error_stays_one_though_a_listener_of_another_process_is_full() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let _deaf = DeafListener::new();
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
fn a_set_is_done_though_our_own_events_do_not_fit() {
    enter();
    let mut theirs = team_with(Mode::ActiveBackup, &["d0"]);
    let mut team = TeamHandle::builder().receive_buffer(0).open("team0").unwrap();
    for number in 1..=50_u32 {
        theirs.set_option(&count(), number).unwrap();
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
fn a_mode_is_set_though_its_many_options_fit_no_listeners_buffer() {
    enter();
    let mut team = TeamHandle::builder().receive_buffer(0).create("team0").unwrap();
    // Nobody hears the last event, that of the mode itself: the driver answers ESRCH.
    team.set_mode(Mode::LoadBalance).unwrap();
    assert_eq!(team.mode(), Some(Mode::LoadBalance));
    assert_eq!(team.options().len(), 5 + 3 + 512);
    assert!(take_changes(&mut team).is_resynced());
    handle_until_converged(&mut team);
}

#[test]
fn a_program_that_is_too_long_to_be_told_is_refused_before_it_is_sent() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &[]);
    // `ld #0` 499 times, then `ret #0`: valid, but larger than an event of the driver can be.
    let mut long = [0; 8].repeat(499);
    long.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    let error = team.set_option(&OptionId::global("bpf_hash_func"), long).unwrap_err();
    assert!(matches!(error, Error::OptionValue { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "setting option bpf_hash_func of team0 to 4000 bytes: \
         expected at most 462 instructions, as the driver cannot list a longer program"
    );
    assert_no_changes(&mut team);
    handle_until_converged(&mut team);
}
