//! A bridge says that it "deletes" a link that merely left it.

use libteam::{Changes, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::raw::Listener;
use crate::support::snapshot::assert_matches_kernel;

const AF_BRIDGE: u8 = 7;

/// Lets `member` join a bridge and leave it, and panics unless the link lives on in every eye.
fn join_and_leave(team: &mut TeamHandle, member: &str) {
    let handler = record_changes(team);
    let (listener, ifindex) = (Listener::new(), index(member));
    ip(&format!("link set {member} master br0"));
    handle_until_quiet(team);
    assert_eq!(team.link(ifindex).unwrap().master(), Some(index("br0")));
    assert_matches_kernel(team);
    ip(&format!("link set {member} nomaster"));
    assert!(listener.deletions(AF_BRIDGE, ifindex) > 0, "the bridge did not say it");
    handle_until_quiet(team);
    assert_eq!(team.link(ifindex).unwrap().master(), None);
    assert_matches_kernel(team);
    let told: Vec<Changes> = handler.try_iter().collect();
    assert!(told.len() > 1 && !told.iter().any(Changes::is_resynced));
    let removed = |changes: &Changes| changes.links().any(libteam::Change::is_removed);
    assert!(!told.iter().any(removed), "a link is told to be removed that lives on: {told:?}");
}

#[test]
fn a_link_that_leaves_a_bridge_lives_on() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    ip("link add br0 type bridge");
    dummies(&["eth1"]);
    join_and_leave(&mut team, "eth1");
}

#[test]
fn a_team_that_leaves_a_bridge_is_not_gone() {
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
fn a_port_that_moves_to_a_bridge_is_removed_and_lives_on_as_a_link() {
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
