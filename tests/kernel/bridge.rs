//! A bridge reports a released port with `RTM_DELLINK`, although the link still exists.

use libteam::{Changes, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::raw::Listener;
use crate::support::snapshot::assert_matches_kernel;

const AF_BRIDGE: u8 = 7;

/// Adds `member` to a bridge and releases it. Panics unless the handle keeps the link.
fn join_and_leave(team: &mut TeamHandle, member: &str) {
    let handler = record_changes(team);
    let (listener, ifindex) = (Listener::new(), index(member));
    ip(&format!("link set {member} master br0"));
    handle_until_quiet(team);
    assert_eq!(team.link(ifindex).unwrap().master(), Some(index("br0")));
    assert_matches_kernel(team);
    ip(&format!("link set {member} nomaster"));
    assert!(
        listener.deletions(AF_BRIDGE, ifindex) > 0,
        "no RTM_DELLINK of the bridge for {member}"
    );
    handle_until_quiet(team);
    assert_eq!(team.link(ifindex).unwrap().master(), None);
    assert_matches_kernel(team);
    let reported: Vec<Changes> = handler.try_iter().collect();
    assert!(reported.len() > 1 && !reported.iter().any(Changes::is_resynced));
    let removed = |changes: &Changes| changes.links().any(libteam::Change::is_removed);
    assert!(!reported.iter().any(removed), "{member} is reported as removed: {reported:?}");
}

#[test]
fn link_leaving_a_bridge_is_not_removed() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    ip("link add br0 type bridge");
    dummies(&["eth1"]);
    join_and_leave(&mut team, "eth1");
}

#[test]
fn team_leaving_a_bridge_is_not_gone() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    ip("link add br0 type bridge");
    dummies(&["eth1"]);
    team.add_port(index("eth1")).unwrap();
    join_and_leave(&mut team, "team0");
    assert!(team.team_link().is_some());
    assert!(team.is_port(index("eth1")));
    team.set_port_priority(index("eth1"), 3).unwrap();
}

#[test]
fn port_moved_to_a_bridge_keeps_its_link() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    ip("link add br0 type bridge");
    dummies(&["eth1"]);
    let a = index("eth1");
    team.add_port(a).unwrap();
    handle_until_quiet(&mut team);
    join_and_leave(&mut team, "eth1");
    assert!(!team.is_port(a) && team.link(a).is_some());
}
