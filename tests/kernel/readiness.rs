//! The readiness of a handle's descriptor, and `wait`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use libteam::{ChangeKind, Error, Mode, OptionId, Result, TeamHandle};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::support::changes::{all_links, assert_no_changes, take_changes, team_with};
use crate::support::netns::{enter, ip};
use crate::support::timeouts::timeout;

/// Returns whether poll(2) reports the handle's descriptor as readable.
pub(crate) fn is_readable(team: &TeamHandle) -> bool {
    let descriptor = team.as_fd();
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::ZERO).unwrap() == 1
}

/// Panics unless poll(2) and `wait` both report this readiness.
pub(crate) fn assert_readable(team: &mut TeamHandle, readable: bool) {
    assert_eq!(is_readable(team), readable);
    assert_eq!(team.wait(Some(Duration::ZERO)).unwrap(), readable);
    assert_eq!(is_readable(team), readable);
}

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

#[test]
fn new_handle_is_not_readable() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    assert_readable(&mut team, false);
    assert_no_changes(&mut team);
}

#[test]
fn handle_is_readable_after_its_own_command() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    assert_readable(&mut team, false);
    team.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    // The second command has emptied the sockets.
    team.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    take_changes(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn handle_is_readable_after_another_handles_change() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = all_links().open("team0").unwrap();
    other.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    take_changes(&mut team);
    assert_readable(&mut team, false);
    ip("link set lo mtu 1400");
    assert_readable(&mut team, true);
    take_changes(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn handle_is_not_readable_after_a_refresh() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.set_option(&count(), 1_u32).unwrap();
    assert_eq!(team.refresh().unwrap().options().len(), 1);
    assert_readable(&mut team, false);
}

#[test]
fn handle_is_readable_after_a_command_in_a_handler() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ChangeKind::LINK, |team, _| Ok(team.set_option(&count(), 5_u32)?));
    ip("link set lo mtu 1400");
    take_changes(&mut team);
    assert_readable(&mut team, true);
    take_changes(&mut team);
    assert_readable(&mut team, false);
}

/// A command for a handle.
type Command = fn(&mut TeamHandle) -> Result<()>;

#[test]
fn handle_is_readable_after_a_failed_command() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let commands: [(&str, Command); 5] = [
        ("remove_port", |team| team.remove_port(team.ifindex())),
        ("add_port", |team| team.add_port(team.ifindex())),
        ("set_option with another type", |team| team.set_option(&count(), "one")),
        ("set_option of no option", |team| team.set_option(&OptionId::global("none"), 1_u32)),
        ("set_mode", |team| team.set_mode(Mode::Unset)),
    ];
    for ((what, command), mtu) in commands.into_iter().zip(1400..) {
        ip(&format!("link set lo mtu {mtu}"));
        command(&mut team).unwrap_err();
        assert!(is_readable(&team), "after {what}");
        assert_eq!(take_changes(&mut team).links().len(), 1);
        assert!(!is_readable(&team), "after {what}");
    }
}

#[test]
fn handle_is_readable_after_command_finds_deletion() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    ip("link del team0");
    assert!(matches!(team.set_mode(Mode::Random), Err(Error::DeviceGone { .. })));
    assert!(is_readable(&team));
    assert_eq!(take_changes(&mut team).options().len(), 5);
    assert_readable(&mut team, false);
    assert!(matches!(team.refresh(), Err(Error::DeviceGone { .. })));
    assert_readable(&mut team, false);
}

#[test]
fn handle_is_readable_until_resynced() {
    enter();
    let mut other = team_with(Mode::RoundRobin, &[]);
    let mut team = all_links().receive_buffer(0).open("team0").unwrap();
    for number in 1..=50_u32 {
        other.set_option(&count(), number).unwrap();
    }
    assert_readable(&mut team, true);
    take_changes(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn descriptor_number_never_changes() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let number = |team: &TeamHandle| team.as_fd().as_raw_fd();
    let before = number(&team);
    assert_eq!(team.as_raw_fd(), before);
    team.set_option(&count(), 1_u32).unwrap();
    team.refresh().unwrap();
    take_changes(&mut team);
    assert_eq!(number(&team), before);
}

#[test]
fn wait_ends_at_its_timeout() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let (start, timeout) = (Instant::now(), Duration::from_millis(50));
    assert!(!team.wait(Some(timeout)).unwrap());
    assert!(start.elapsed() >= timeout);
}

#[test]
fn wait_ends_at_another_handles_change() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = all_links().open("team0").unwrap();
    let (sender, go) = std::sync::mpsc::channel();
    let setter = std::thread::spawn(move || {
        go.recv().unwrap();
        other.set_option(&count(), 1_u32).unwrap();
    });
    sender.send(()).unwrap();
    assert!(team.wait(Some(timeout())).unwrap());
    // Without a timeout too: the event is there already.
    assert!(team.wait(None).unwrap());
    assert_eq!(take_changes(&mut team).options().len(), 1);
    setter.join().unwrap();
    assert_readable(&mut team, false);
}

/// An edge-triggered epoll, as mio and tokio have it.
pub(crate) struct Edges(Epoll);

impl Edges {
    pub(crate) fn of(ready: impl AsFd) -> Self {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(ready, EpollEvent::new(flags, 0)).unwrap();
        Self(epoll)
    }

    /// Returns whether there was an edge since the last call.
    pub(crate) fn came(&self) -> bool {
        self.0.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO).unwrap() > 0
    }
}

#[test]
fn event_triggers_one_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    assert!(!edges.came());
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
        assert!(!edges.came());
        assert_eq!(take_changes(&mut team).links().len(), 1);
        assert!(!edges.came());
    }
}

#[test]
fn event_before_the_previous_is_handled_triggers_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
    }
    assert_eq!(take_changes(&mut team).links().len(), 1);
    assert!(!edges.came());
}

#[test]
fn own_command_triggers_an_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    for _ in 0..2 {
        team.set_option(&count(), 1_u32).unwrap();
        assert!(edges.came());
        take_changes(&mut team);
        assert!(!edges.came());
    }
}

#[test]
fn command_in_a_handler_triggers_an_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    team.add_handler(ChangeKind::LINK, |team, _| Ok(team.set_option(&count(), 5_u32)?));
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
        take_changes(&mut team);
        assert!(edges.came());
        assert_eq!(take_changes(&mut team).options().len(), 1);
        assert!(!edges.came());
    }
}

/// Returns whether poll(2) reports any event of a descriptor.
fn is_ready(descriptor: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    let count = poll(&mut descriptors, PollTimeout::ZERO).unwrap();
    let reported = descriptors[0].revents().unwrap();
    assert!(!reported.intersects(PollFlags::POLLNVAL | PollFlags::POLLERR));
    count == 1
}

#[test]
fn duplicated_descriptor_has_the_same_readiness() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = TeamHandle::open("team0").unwrap();
    let duplicate = team.try_clone_fd().unwrap();
    assert_ne!(duplicate.as_raw_fd(), team.as_raw_fd());
    let edges = Edges::of(&duplicate);
    for round in 1..4_u32 {
        assert!(!is_ready(&duplicate) && !is_readable(&team));
        // An event of another handle, then the effect of an own command.
        other.set_option(&count(), round).unwrap();
        assert!(is_ready(&duplicate) && is_readable(&team));
        assert!(edges.came());
        assert!(!edges.came(), "a second edge for one event");
        take_changes(&mut team);
        assert!(!is_ready(&duplicate) && !is_readable(&team));
        team.set_option(&count(), 100 + round).unwrap();
        assert!(is_ready(&duplicate) && edges.came() && is_readable(&team));
        take_changes(&mut team);
    }
    team.set_option(&count(), 7_u32).unwrap();
    drop(team);
    // Even while a program that another test starts has inherited the sockets.
    assert!(!is_ready(&duplicate), "ready although the handle was dropped");
}
