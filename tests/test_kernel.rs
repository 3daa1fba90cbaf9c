//! The kernel model of the feature `testing`, as a program's tests use it: without a team driver
//! and without root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::os::fd::AsFd as _;

use std::thread;
use std::time::{Duration, Instant};

use libteam::rtnl::{LinkFilter, NewLink, RouteFilter};
use libteam::testing::TestKernel;
use libteam::{
    Error, ErrorKind, IfIndex, LinkScope, LinkSettings, Mode, OptionId, OptionValue, TeamHandle,
    TxMethod,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Creates a team in the mode `activebackup` with two ports.
fn team_with_ports() -> (TestKernel, TeamHandle, [IfIndex; 2]) {
    let kernel = TestKernel::new();
    let ports = [kernel.add_link("eth1"), kernel.add_link("eth2")];
    let mut team = kernel.create_team("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    for port in ports {
        team.add_port(port).unwrap();
    }
    team.handle_events().unwrap();
    (kernel, team, ports)
}

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    match result {
        Err(Error::Kernel { errno, .. }) => Errno::from_raw(errno),
        other => panic!("not an error of the kernel: {other:?}"),
    }
}

fn is_readable(team: &TeamHandle) -> bool {
    let mut fds = [PollFd::new(team.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn lost_link_of_a_port_is_an_event() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    assert!(!is_readable(&team), "readable before any event");
    kernel.set_link_up(eth1, false);
    assert!(is_readable(&team));
    let changes = team.handle_events().unwrap();
    let ports: Vec<_> = changes.ports().filter_map(|port| port.after()).collect();
    assert_eq!((ports.len(), ports[0].ifindex(), ports[0].is_link_up()), (1, eth1, false));
    assert!(!is_readable(&team), "readable after the events were handled");
    assert_eq!(team.link(eth1).unwrap().carrier_changes(), 2);
}

#[test]
fn wait_returns_when_another_thread_changes_a_link() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    assert!(!team.wait(Some(Duration::from_millis(10))).unwrap());
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        kernel.set_link_up(eth1, false);
    });
    let start = Instant::now();
    while team.port(eth1).unwrap().is_link_up() {
        assert!(team.wait(Some(Duration::from_secs(20))).unwrap());
        team.handle_events().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    thread.join().unwrap();
}

#[test]
fn descriptor_has_an_edge_per_batch() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    epoll.add(&team, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 7)).unwrap();
    let mut events = [EpollEvent::empty()];
    let mut ready = || epoll.wait(&mut events, EpollTimeout::ZERO).unwrap();
    ready();
    for up in [false, true, false] {
        assert_eq!(ready(), 0);
        kernel.set_link_up(eth1, up);
        assert_eq!(ready(), 1);
        team.handle_events().unwrap();
    }
}

#[test]
fn lost_notifications_are_recovered() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    kernel.lose_notifications();
    kernel.remove_port(eth1);
    kernel.set_link_up(eth2, false);
    assert!(is_readable(&team), "not readable after an overrun");
    let changes = team.handle_events().unwrap();
    assert!(changes.is_resynced());
    assert!(!team.is_port(eth1));
    assert!(!team.port(eth2).unwrap().is_link_up());

    kernel.set_link_up(eth2, true);
    assert!(!team.handle_events().unwrap().is_resynced(), "the loss is reported again");
    assert!(team.port(eth2).unwrap().is_link_up());
}

#[test]
fn refused_request_does_not_affect_the_next() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    kernel.refuse_next(Errno::EBUSY as i32);
    kernel.refuse_next(Errno::ENOMEM as i32);
    assert_eq!(errno(team.set_active_port(eth1)), Errno::EBUSY);
    assert_eq!(errno(team.remove_port(eth2)), Errno::ENOMEM);
    assert_eq!(team.active_port(), None);
    assert!(team.is_port(eth2));
    team.set_active_port(eth1).unwrap();
    assert_eq!(team.active_port(), Some(eth1));
}

#[test]
fn refused_creation_leaves_no_team() {
    let kernel = TestKernel::new();
    kernel.refuse_next(Errno::EPERM as i32);
    assert_eq!(kernel.create_team("team0").unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(kernel.open_team("team0").unwrap_err().kind(), ErrorKind::NotFound);
    kernel.create_team("team0").unwrap();
}

#[test]
fn commands_of_a_handle_work() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    team.set_port_priority(eth1, -7).unwrap();
    team.set_port_queue_id(eth1, 3).unwrap();
    team.set_port_enabled(eth1, false).unwrap();
    team.set_notify_peers_count(2).unwrap();
    team.set_mcast_rejoin_interval(Duration::from_millis(20)).unwrap();
    let hwaddr = "02:00:00:00:00:aa".parse().unwrap();
    team.set_hwaddr(eth2, hwaddr).unwrap();
    assert_eq!(team.port_priority(eth1), Some(-7));
    assert_eq!(team.port_queue_id(eth1), Some(3));
    assert_eq!(team.port_enabled(eth1), Some(false));
    assert_eq!(team.notify_peers_count(), Some(2));
    assert_eq!(team.mcast_rejoin_interval(), Some(Duration::from_millis(20)));
    assert_eq!(team.link(eth2).unwrap().hwaddr(), Some(hwaddr));
    assert_eq!(team.lookup_hwaddr(eth2).unwrap(), Some(hwaddr));
    assert_eq!(team.lookup_ifindex("eth2").unwrap(), eth2);
    assert_eq!(team.announce().unwrap().ipv4, 0, "announced IPv4 addresses");

    // Another handle sees the same options.
    let other = kernel.open_team("team0").unwrap();
    let options = |team: &TeamHandle| {
        team.options().map(|option| (option.id().clone(), option.value().clone())).collect()
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = (options(&team), options(&other));
    assert_eq!(ours, theirs);

    team.remove_port(eth1).unwrap();
    team.remove_port(eth2).unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team.set_lb_tx_method(TxMethod::HashToPortMapping).unwrap();
    team.add_port(eth1).unwrap();
    team.refresh().unwrap();
    team.destroy().unwrap();
    assert_eq!(kernel.open_team("team0").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn user_link_state_determines_the_carrier() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    kernel.sockets().rtnl().unwrap().set_link(team.ifindex(), &LinkSettings::new().up()).unwrap();
    kernel.set_link_up(eth2, false);
    team.handle_events().unwrap();
    assert_eq!(team.carrier(), Some(true));
    team.set_port_user_linkup_enabled(eth1, true).unwrap();
    assert_eq!(team.carrier(), Some(false));
    team.set_port_user_linkup(eth1, true).unwrap();
    assert_eq!(team.carrier(), Some(true));
}

#[test]
fn unsupported_requests_are_errors() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    let mut rtnl = kernel.sockets().rtnl().unwrap();
    assert_eq!(errno(kernel.create_team("team1")), Errno::EOPNOTSUPP);
    assert_eq!(errno(rtnl.create_link(&NewLink::bridge("br0"))), Errno::EOPNOTSUPP);
    assert_eq!(errno(rtnl.create_link(&NewLink::veth("v0", "v1"))), Errno::EOPNOTSUPP);
    assert_eq!(errno(rtnl.routes(&RouteFilter::new())), Errno::EOPNOTSUPP);
    let address = rtnl.add_address(eth1, "192.0.2.1".parse().unwrap(), 24);
    assert_eq!(errno(address), Errno::EOPNOTSUPP);
    let ours = OptionId::global("future_option");
    assert_eq!(team.set_option(&ours, 1_u32).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(errno(team.set_mode(Mode::Random)), Errno::EBUSY);
    let link = rtnl.create_link(&NewLink::dummy("d0").up()).unwrap();
    assert_eq!(errno(team.add_port(link)), Errno::EBUSY);
    rtnl.set_link(link, &LinkSettings::new().down()).unwrap();
    assert!(matches!(team.set_active_port(link), Err(Error::NotPort { .. })));
    kernel.delete_link(eth2);
    assert!(matches!(team.add_port(eth2), Err(Error::NoSuchDevice { .. })));
    team.set_active_port(eth1).unwrap();
}

#[test]
fn recreated_team_has_another_index() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    let ifindex = team.ifindex();
    kernel.delete_link(ifindex);
    team.handle_events().unwrap();
    assert!(team.team_link().is_none());
    assert!(matches!(team.set_active_port(eth1), Err(Error::DeviceGone { .. })));
    let again = kernel.create_team("team0").unwrap();
    assert_ne!(again.ifindex(), ifindex);
    assert_eq!((again.mode(), again.ports().len()), (Some(Mode::Unset), 0));
    assert!(team.handle_events().is_ok() && team.team_link().is_none());
}

#[test]
fn other_sockets_see_the_same_links() {
    let kernel = TestKernel::new();
    let mut events = kernel.sockets().link_events().unwrap();
    let mut rtnl = kernel.sockets().rtnl().unwrap();
    let d0 = rtnl.create_link(&NewLink::dummy("d0")).unwrap();
    let event = events.try_next().unwrap().unwrap();
    assert_eq!(event.link().unwrap().ifindex(), d0);
    rtnl.set_link(d0, &LinkSettings::new().name("d1").mtu(1400).up()).unwrap();
    let links = rtnl.links(&LinkFilter::new().kind("dummy")).unwrap();
    let links: Vec<_> = links
        .iter()
        .map(|link| (link.name().into_owned(), link.mtu(), link.is_admin_up()))
        .collect();
    assert_eq!(links, [("d1".to_owned(), 1400, true)]);
    let mut team = kernel.team_builder().link_scope(LinkScope::All).create("team0").unwrap();
    rtnl.delete_link(d0).unwrap();
    team.handle_events().unwrap();
    assert!(team.link(d0).is_none());
}

#[test]
fn option_set_by_another_process_is_reported() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    kernel.set_option(&OptionId::port("priority", eth1), 9_i32);
    let changes = team.handle_events().unwrap();
    let options: Vec<_> = changes.options().filter_map(|option| option.after()).collect();
    assert_eq!(options.len(), 1);
    assert_eq!(options[0].value(), &OptionValue::I32(9));
}

#[test]
fn many_calls_and_handles_exhaust_nothing() {
    let (kernel, mut team, [eth1, _]) = team_with_ports();
    for number in 0..2_000 {
        kernel.set_link_up(eth1, number % 2 == 0);
        team.set_port_priority(eth1, number).unwrap();
        team.refresh().unwrap();
    }
    for _ in 0..100 {
        assert_eq!(kernel.open_team("team0").unwrap().port_priority(eth1), Some(1_999));
    }
}

#[test]
#[should_panic(expected = "adding the link lo: EEXIST")]
fn misuse_by_a_test_panics_with_a_message() {
    let _ = TestKernel::new().add_link("lo");
}

#[test]
fn released_port_gets_its_address_and_mtu_back() {
    let kernel = TestKernel::new();
    let (eth1, lo) = (kernel.add_link("eth1"), IfIndex::new(1).unwrap());
    let mut rtnl = kernel.sockets().rtnl().unwrap();
    rtnl.set_link(eth1, &LinkSettings::new().mtu(9_000)).unwrap();
    let own = rtnl.link_by_index(eth1).unwrap().hwaddr();
    let mut team = kernel.create_team("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    team.add_port(eth1).unwrap();
    let state = |team: &TeamHandle| {
        let link = team.link(eth1).unwrap();
        (link.mtu(), link.hwaddr() == team.team_link().unwrap().hwaddr())
    };
    assert_eq!(state(&team), (1_500, true));
    team.set_hwaddr(team.ifindex(), "02:00:00:00:00:77".parse().unwrap()).unwrap();
    rtnl.set_link(team.ifindex(), &LinkSettings::new().mtu(1_400)).unwrap();
    team.handle_events().unwrap();
    assert_eq!(state(&team), (1_400, true));
    assert_eq!(errno(rtnl.set_link(eth1, &LinkSettings::new().mtu(1_300))), Errno::EPERM);
    team.remove_port(eth1).unwrap();
    let link = rtnl.link_by_index(eth1).unwrap();
    assert_eq!((link.mtu(), link.hwaddr(), link.is_admin_up()), (9_000, own, false));
    assert_eq!(errno(team.add_port(lo)), Errno::EINVAL);
}

#[test]
fn changed_speed_alone_is_no_event() {
    let (kernel, mut team, [eth1, eth2]) = team_with_ports();
    kernel.set_speed(eth1, 1_000);
    assert!(!is_readable(&team));
    assert_eq!(team.port(eth1).unwrap().speed_mbps(), Some(10_000));
    team.refresh().unwrap();
    assert_eq!(team.port(eth1).unwrap().speed_mbps(), Some(1_000));
    kernel.set_link_up(eth2, false);
    kernel.set_speed(eth2, 100);
    kernel.set_link_up(eth2, true);
    team.handle_events().unwrap();
    assert_eq!(team.port(eth2).unwrap().speed_mbps(), Some(100));
}
