//! `LinkEvents` with a receive buffer that is too small, and its descriptor.

use std::io::Write;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use libteam::link_events::LinkEvents;
use libteam::netlink::SocketBuilder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::support::link_replica::{LinkReplica, marks};
use crate::support::netns::{dummies, enter, ip};
use crate::support::raw::drops;

/// Returns a stream whose receive buffer has room for this many link messages of 2304 bytes.
fn with_room_for(messages: usize) -> LinkEvents {
    let events = SocketBuilder::new().receive_buffer(messages * 2304 / 2).link_events().unwrap();
    assert_eq!(events.receive_buffer().unwrap(), messages * 2304);
    events
}

#[test]
fn loss_is_reported_once_after_the_queued_events() {
    enter();
    let mut events = with_room_for(3);
    dummies(&["d1", "d2", "d3", "d4", "d5"]);
    ip("link del d4");
    assert_eq!(marks(&mut events), ["+d1", "+d2", "+d3", "lost"]);
    ip("link del d1");
    ip("link set d5 mtu 1400");
    assert_eq!(marks(&mut events), ["-d1", "*d5"]);
}

#[test]
fn each_loss_is_reported() {
    enter();
    let mut events = with_room_for(1);
    for round in 0..5 {
        dummies(&["d1", "d2"]);
        assert_eq!(marks(&mut events), ["+d1", "lost"], "{round}");
        ip("link del d1");
        ip("link del d2");
        assert_eq!(marks(&mut events), ["-d1", "lost"], "{round}");
    }
}

#[test]
fn events_after_the_first_read_are_not_lost() {
    enter();
    let mut events = with_room_for(3);
    dummies(&["d1", "d2", "d3", "d4"]);
    let first = events.try_next().unwrap().unwrap();
    assert_eq!(first.link().unwrap().name(), "d1");
    // The first read emptied the socket: it has room for these.
    dummies(&["d5", "d6", "d7"]);
    assert_eq!(marks(&mut events), ["+d2", "+d3", "lost", "+d5", "+d6", "+d7"]);
}

/// Returns commands that create, change and delete links. Those of the previous round still exist
/// at the start.
fn churn(round: usize) -> Vec<String> {
    let each = |command: &dyn Fn(usize) -> String| (0..16).map(command).collect::<Vec<_>>();
    let mut commands = Vec::new();
    commands.extend(each(&|link| format!("link add a{round}-{link} type dummy")));
    if let Some(last) = round.checked_sub(1) {
        commands.extend(
            (0..16).filter(|link| link % 2 == 1).map(|link| format!("link del b{last}-{link}")),
        );
    }
    commands.extend(each(&|link| format!("link set a{round}-{link} mtu {}", 1300 + link)));
    commands.extend(each(&|link| format!("link set a{round}-{link} master br0")));
    commands.extend(each(&|link| format!("link set a{round}-{link} name b{round}-{link}")));
    commands.extend(each(&|link| format!("link set b{round}-{link} up")));
    commands.extend((0..16).step_by(3).map(|link| format!("link set b{round}-{link} nomaster")));
    commands.extend((0..16).step_by(2).map(|link| format!("link del b{round}-{link}")));
    commands
}

fn start_ip(commands: &[String]) -> Child {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(commands.join("\n").as_bytes()).unwrap();
    ip
}

/// Applies events while another process changes links, after a `pause` each time, and panics unless
/// the resulting state is that of the kernel after each round. Returns how often events were lost.
fn follow_churn(mut events: LinkEvents, rounds: usize, pause: impl Fn(&mut Child)) -> usize {
    ip("link add br0 type bridge");
    let mut replica = LinkReplica::new();
    for round in 0..rounds {
        let mut ip = start_ip(&churn(round));
        while ip.try_wait().unwrap().is_none() {
            pause(&mut ip);
            replica.read_events(&mut events);
        }
        assert!(ip.wait().unwrap().success());
        replica.read_events(&mut events);
        replica.assert_matches_ip();
    }
    replica.losses
}

/// Waits until the kernel has dropped more events than before, or `ip` has finished.
fn until_a_loss(ip: &mut Child) {
    let before = drops();
    while drops() == before && ip.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn relisting_converges_with_the_smallest_buffer() {
    enter();
    let events = SocketBuilder::new().receive_buffer(0).link_events().unwrap();
    let losses = follow_churn(events, 20, |_| ());
    assert!(losses >= 20, "{losses} losses of events, expected 20");
}

#[test]
fn relisting_converges_despite_queued_events() {
    for room in [4, 10, 40] {
        enter();
        let losses = follow_churn(with_room_for(room), 8, until_a_loss);
        assert!(losses >= 8, "{losses} losses of events with room for {room} messages, expected 8");
    }
}

#[test]
fn large_buffer_loses_nothing() {
    enter();
    let losses = follow_churn(LinkEvents::new().unwrap(), 8, |_| sleep(Duration::from_millis(1)));
    assert_eq!((losses, drops()), (0, (0, 0)));
}

fn is_readable(events: &LinkEvents) -> bool {
    let mut descriptors = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn descriptor_is_readable_while_there_are_events() {
    enter();
    let mut events = with_room_for(2);
    assert!(!is_readable(&events));
    dummies(&["d1", "d2", "d3"]);
    for left in ["+d1", "+d2", "lost"] {
        assert!(is_readable(&events), "not readable with {left} events left");
        assert!(events.try_next().unwrap().is_some());
    }
    assert!(!is_readable(&events));
    assert_eq!(events.try_next().unwrap(), None);
    ip("link del d1");
    assert!(is_readable(&events));
    assert_eq!(marks(&mut events), ["-d1"]);
    assert!(!is_readable(&events));
}

#[test]
fn event_loop_receives_every_event() {
    enter();
    let mut events = with_room_for(4);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    epoll.add(&events, EpollEvent::new(EpollFlags::EPOLLIN, 7)).unwrap();
    ip("link add br0 type bridge");
    marks(&mut events);
    let mut replica = LinkReplica::new();
    let mut ip = start_ip(&churn(0));
    let mut is_ready = false;
    // One event each time: the remaining events have to wake the loop again.
    while ip.try_wait().unwrap().is_none() || is_ready {
        is_ready = epoll.wait(&mut [EpollEvent::empty()], 200_u8).unwrap() > 0;
        if is_ready {
            let event = events.try_next().unwrap().expect("the descriptor is readable");
            replica.apply(&event);
        }
    }
    replica.assert_matches_ip();
    assert_eq!(events.try_next().unwrap(), None);
}
