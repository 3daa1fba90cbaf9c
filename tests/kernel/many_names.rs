//! A link with so many alternative names that its message is longer than a usual reply.

use std::thread;

use libteam::rtnl::RtnlSocket;
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::link::LinkMessage;
use libteam::{IfIndex, LinkSettings, TeamHandle};

use crate::support::netns::{enter, ip};
use crate::support::raw::Raw;
use crate::support::snapshot::assert_matches_kernel;

/// 132 bytes each: more than 32 KiB together.
const NAMES: usize = 270;

fn add_many_names(ifindex: IfIndex) {
    let mut raw = Raw::new();
    for number in 0..NAMES {
        raw.add_alternative_name(ifindex, &format!("{number:0>127}")).unwrap();
    }
}

/// Runs a function on a new thread, whose receive buffer has not grown yet.
fn on_its_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn first_query_of_link_with_many_names_succeeds() {
    enter();
    let team = TeamHandle::create("team0").unwrap().ifindex();
    add_many_names(team);
    let count = |names: usize| assert_eq!(names, NAMES);
    on_its_own_thread(|| {
        let opened = TeamHandle::open("team0").unwrap();
        count(opened.link(team).unwrap().alternative_names().count());
    });
    on_its_own_thread(|| {
        count(
            TeamHandle::open_index(team).unwrap().link(team).unwrap().alternative_names().count(),
        );
    });
    on_its_own_thread(|| {
        assert_eq!(RtnlSocket::new().unwrap().link_by_index(team).unwrap().name(), "team0");
    });
    on_its_own_thread(|| {
        assert_eq!(
            RtnlSocket::new().unwrap().link_by_name(format!("{:0>127}", 7)).unwrap().ifindex(),
            team
        );
    });
    on_its_own_thread(|| {
        RtnlSocket::new().unwrap().set_link(team, &LinkSettings::new().mtu(1400)).unwrap();
    });
    on_its_own_thread(|| {
        let mut question = LinkMessage::default();
        question.header.index = team.get();
        let answer =
            RtnlSocket::new().unwrap().request(RouteNetlinkMessage::GetLink(question), 0).unwrap();
        assert_eq!(answer.len(), 1);
    });
}

#[test]
fn handle_follows_link_with_many_names() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    // The kernel does not announce new names of a link that is down.
    ip("link set team0 up");
    add_many_names(team.ifindex());
    team.handle_events().unwrap();
    assert_matches_kernel(&team);
    team.refresh().unwrap();
    assert_matches_kernel(&team);
}
