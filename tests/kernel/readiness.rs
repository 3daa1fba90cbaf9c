//! The descriptor of a handle, and waiting.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use libteam::{ChangeKind, Error, Mode, OptionId, Result, TeamHandle};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;

use crate::support::changes::{all_links, assert_silent, team_with, told};
use crate::support::netns::{enter, ip};
use crate::support::timeouts::patience;

pub(crate) fn is_readable(team: &TeamHandle) -> bool {
    let descriptor = team.as_fd();
    let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec::default())).unwrap() == 1
}

/// Panics unless poll(2) and `wait` agree on this.
pub(crate) fn assert_readable(team: &mut TeamHandle, readable: bool) {
    assert_eq!(is_readable(team), readable);
    assert_eq!(team.wait(Some(Duration::ZERO)).unwrap(), readable);
    assert_eq!(is_readable(team), readable);
}

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

#[test]
fn a_new_handle_has_nothing_to_tell() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    assert_readable(&mut team, false);
    assert_silent(&mut team);
}

#[test]
fn it_is_readable_after_an_own_command_until_events_are_handled() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    assert_readable(&mut team, false);
    team.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    // The command after it has read the sockets empty.
    team.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    told(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn it_is_readable_after_a_change_by_somebody_else_until_events_are_handled() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut theirs = all_links().open("team0").unwrap();
    theirs.set_option(&count(), 1_u32).unwrap();
    assert_readable(&mut team, true);
    told(&mut team);
    assert_readable(&mut team, false);
    ip("link set lo mtu 1400");
    assert_readable(&mut team, true);
    told(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn it_is_not_readable_after_a_refresh() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.set_option(&count(), 1_u32).unwrap();
    assert_eq!(team.refresh().unwrap().options().len(), 1);
    assert_readable(&mut team, false);
}

#[test]
fn it_is_readable_after_a_handler_gave_a_command() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.add_handler(ChangeKind::LINK, |team, _| Ok(team.set_option(&count(), 5_u32)?));
    ip("link set lo mtu 1400");
    told(&mut team);
    assert_readable(&mut team, true);
    told(&mut team);
    assert_readable(&mut team, false);
}

/// A command that a handle is given.
type Command = fn(&mut TeamHandle) -> Result<()>;

#[test]
fn it_is_readable_after_a_command_that_fails_but_has_read_events() {
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
        assert_eq!(told(&mut team).links().len(), 1);
        assert!(!is_readable(&team), "after {what}");
    }
}

#[test]
fn it_is_readable_after_a_command_that_finds_the_device_gone() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    ip("link del team0");
    assert!(matches!(team.set_mode(Mode::Random), Err(Error::DeviceGone { .. })));
    assert!(is_readable(&team));
    assert_eq!(told(&mut team).options().len(), 5);
    assert_readable(&mut team, false);
    assert!(matches!(team.refresh(), Err(Error::DeviceGone { .. })));
    assert_readable(&mut team, false);
}

#[test]
fn it_is_readable_while_lost_events_are_not_made_good() {
    enter();
    let mut theirs = team_with(Mode::RoundRobin, &[]);
    let mut team = all_links().receive_buffer(0).open("team0").unwrap();
    for number in 1..=50_u32 {
        theirs.set_option(&count(), number).unwrap();
    }
    assert_readable(&mut team, true);
    told(&mut team);
    assert_readable(&mut team, false);
}

#[test]
fn the_descriptor_stays_the_same() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let number = |team: &TeamHandle| team.as_fd().as_raw_fd();
    let before = number(&team);
    assert_eq!(team.as_raw_fd(), before);
    team.set_option(&count(), 1_u32).unwrap();
    team.refresh().unwrap();
    told(&mut team);
    assert_eq!(number(&team), before);
}

#[test]
fn waiting_ends_with_the_timeout_when_nothing_happens() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let (start, timeout) = (Instant::now(), Duration::from_millis(50));
    assert!(!team.wait(Some(timeout)).unwrap());
    assert!(start.elapsed() >= timeout);
}

#[test]
fn waiting_ends_when_another_handle_changes_something() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut theirs = all_links().open("team0").unwrap();
    let (tell, told_to_go) = std::sync::mpsc::channel();
    let setter = std::thread::spawn(move || {
        told_to_go.recv().unwrap();
        theirs.set_option(&count(), 1_u32).unwrap();
    });
    tell.send(()).unwrap();
    assert!(team.wait(Some(patience())).unwrap());
    // Without a limit too, now that it does not have to wait.
    assert!(team.wait(None).unwrap());
    assert_eq!(told(&mut team).options().len(), 1);
    setter.join().unwrap();
    assert_readable(&mut team, false);
}

/// An epoll that tells of each event once, as that of mio and tokio does.
pub(crate) struct Edges(OwnedFd);

impl Edges {
    pub(crate) fn of(team: &TeamHandle) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, team, epoll::EventData::new_u64(0), flags).unwrap();
        Self(epoll)
    }

    /// Whether something came that was not told before.
    pub(crate) fn came(&self) -> bool {
        let mut events = Vec::with_capacity(1);
        epoll::wait(
            &self.0,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        )
        .unwrap()
            > 0
    }
}

#[test]
fn what_comes_is_an_edge_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    assert!(!edges.came());
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
        assert!(!edges.came());
        assert_eq!(told(&mut team).links().len(), 1);
        assert!(!edges.came());
    }
}

#[test]
fn what_comes_before_the_last_was_handled_is_an_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
    }
    assert_eq!(told(&mut team).links().len(), 1);
    assert!(!edges.came());
}

#[test]
fn an_own_command_is_an_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    for _ in 0..2 {
        team.set_option(&count(), 1_u32).unwrap();
        assert!(edges.came());
        told(&mut team);
        assert!(!edges.came());
    }
}

#[test]
fn a_command_that_a_handler_gives_is_an_edge() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let edges = Edges::of(&team);
    team.add_handler(ChangeKind::LINK, |team, _| Ok(team.set_option(&count(), 5_u32)?));
    for mtu in [1400, 1300] {
        ip(&format!("link set lo mtu {mtu}"));
        assert!(edges.came());
        told(&mut team);
        assert!(edges.came());
        assert_eq!(told(&mut team).options().len(), 1);
        assert!(!edges.came());
    }
}

/// Whether poll(2) reports anything of a descriptor now.
fn is_ready(descriptor: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::IN)];
    let count = poll(&mut descriptors, Some(&Timespec::default())).unwrap();
    let [descriptor] = descriptors;
    assert!(!descriptor.revents().intersects(PollFlags::NVAL | PollFlags::ERR));
    count == 1
}

#[test]
fn duplicate_of_the_descriptor_is_readable_likewise() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = TeamHandle::open("team0").unwrap();
    let duplicate = team.try_clone_fd().unwrap();
    assert_ne!(duplicate.as_raw_fd(), team.as_raw_fd());
    let edges = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&edges, &duplicate, epoll::EventData::new_u64(0), flags).unwrap();
    for round in 1..4_u32 {
        assert!(!is_ready(&duplicate) && !is_readable(&team));
        // An event of another handle, then the effect of an own command.
        other.set_option(&count(), round).unwrap();
        assert!(is_ready(&duplicate) && is_ready(&edges) && is_readable(&team));
        let mut buffer = Vec::with_capacity(4);
        epoll::wait(&edges, rustix::buffer::spare_capacity(&mut buffer), None).unwrap();
        assert!(!is_ready(&edges), "an edge is reported once");
        told(&mut team);
        assert!(!is_ready(&duplicate) && !is_readable(&team));
        team.set_option(&count(), 100 + round).unwrap();
        assert!(is_ready(&duplicate) && is_ready(&edges) && is_readable(&team));
        buffer.clear();
        epoll::wait(&edges, rustix::buffer::spare_capacity(&mut buffer), None).unwrap();
        told(&mut team);
    }
    team.set_option(&count(), 7_u32).unwrap();
    drop(team);
    assert!(!is_ready(&duplicate), "the handle is gone");
}
