//! Lost events while devices are deleted and others get their names or indexes.

use std::sync::mpsc::Receiver;

use libteam::{Changes, Error, IfIndex, Mode, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::{Difference, assert_recovered};
use crate::support::netns::{OtherNamespace, dummies, enter, index, ip, ip_batch};
use crate::support::raw::drops;
use crate::support::snapshot::{State, assert_links_match_ip, state};

/// Creates a team with the ports `eth1` and `eth2`, and a handle with the smallest buffer and no
/// pending events.
fn team() -> (TeamHandle, Receiver<Changes>, State) {
    enter();
    ip("link add team0 index 10 type team");
    let mut team = all_links().receive_buffer(1).open("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    ip_batch(&["link add eth1 index 20 type dummy", "link add eth2 index 21 type dummy"]);
    dummies(&["noise", "eth3"]);
    for port in [20, 21] {
        team.add_port(IfIndex::new(port).unwrap()).unwrap();
    }
    // A delayed change of the link state may follow.
    crate::support::diff::handle_until_quiet(&mut team);
    let handler = record_changes(&mut team);
    let before = state(&team);
    (team, handler, before)
}

/// Fills the event sockets, so that later events are lost.
fn overrun() {
    ip_batch(&[1400, 1401, 1402, 1403].map(|mtu| format!("link set noise mtu {mtu}")));
    ip("link set noise mtu 1500");
    // Messages of the driver, about a port that is unchanged afterwards.
    ip_batch(&["link set eth3 master team0", "link set eth3 nomaster"]);
    let (links, driver) = drops();
    assert!(links > 0 && driver > 0, "{links} and {driver} messages were dropped");
}

/// Panics unless a handle whose team was deleted unseen reports all of its objects as removed,
/// once.
fn assert_reported_gone(
    team: &mut TeamHandle,
    handler: &Receiver<Changes>,
    before: &State,
) -> Changes {
    let changes = team.handle_events().unwrap();
    assert!(changes.is_resynced());
    let reported = Difference::reported(&changes);
    assert!(
        reported.ports.values().all(|(before, after)| before.is_some() && after.is_none()),
        "expected removed ports only: {reported:?}"
    );
    assert!(
        reported.options.values().all(|(before, after)| before.is_some() && after.is_none()),
        "expected removed options only: {reported:?}"
    );
    assert_eq!(
        (reported.ports.len(), reported.options.len()),
        (before.ports.len(), before.options.len())
    );
    assert_eq!(handler.try_iter().collect::<Vec<_>>(), vec![changes.clone()]);
    assert_links_match_ip(team);
    assert_eq!(team.handle_events().unwrap(), Changes::default(), "changes of a second call");
    assert!(team.team_link().is_none());
    assert_eq!((team.ports().len(), team.options().len()), (0, 0));
    assert_eq!(team.name(), "team0");
    let c = index("eth3");
    assert!(matches!(team.add_port(c), Err(Error::DeviceGone { .. })));
    assert!(matches!(team.refresh(), Err(Error::DeviceGone { .. })));
    assert!(matches!(team.set_mode(Mode::Random), Err(Error::DeviceGone { .. })));
    changes
}

#[test]
fn link_with_reused_index_is_reported_as_changed() {
    let (mut team, handler, before) = team();
    let deleted = index("eth3");
    overrun();
    ip_batch(&[
        "link del eth3".into(),
        format!(
            "link add eth4 index {deleted} address 02:00:00:00:00:0d mtu 1300 type veth peer name eth5"
        ),
    ]);
    let changes = assert_recovered(&mut team, &handler, &before);
    let link = changes.links().find(|link| link.latest().ifindex() == deleted).unwrap();
    assert!(!link.is_removed() && !link.is_added());
    assert_eq!((link.before().unwrap().name(), link.latest().name()), ("eth3", "eth4"));
}

#[test]
fn port_with_reused_index_is_reported_as_changed() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&["link del eth1", "link add eth4 index 20 type dummy", "link set eth4 master team0"]);
    let changes = assert_recovered(&mut team, &handler, &before);
    let names: Vec<_> =
        changes.ports().map(|port| (port.before().unwrap().name(), port.latest().name())).collect();
    assert_eq!(names, [(Some("eth1"), Some("eth4"))], "names of the port with the reused index");
}

#[test]
fn port_moved_away_during_a_loss_is_removed() {
    let (mut team, handler, before) = team();
    let elsewhere = OtherNamespace::new();
    overrun();
    elsewhere.take("eth2");
    let changes = assert_recovered(&mut team, &handler, &before);
    assert_eq!(changes.ports().filter(|port| port.is_removed()).count(), 1);
    assert_eq!(changes.links().filter(|link| link.is_removed()).count(), 1);
    assert!(changes.options().all(libteam::Change::is_removed));
}

#[test]
fn team_deleted_during_a_loss_is_reported_once() {
    let (mut team, handler, before) = team();
    overrun();
    ip("link del team0");
    let changes = assert_reported_gone(&mut team, &handler, &before);
    let removed: Vec<_> =
        changes.links().filter(|link| link.is_removed()).map(|link| link.latest().name()).collect();
    assert_eq!(removed, ["team0"], "removed links");
}

#[test]
fn team_recreated_with_new_index_is_not_followed() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&[
        "link del team0",
        "link add team0 index 11 type team",
        "link set eth1 down",
        "link set eth1 master team0",
    ]);
    let changes = assert_reported_gone(&mut team, &handler, &before);
    let reported: Vec<_> = changes
        .links()
        .map(|link| (link.latest().ifindex().get(), link.is_added(), link.is_removed()))
        .filter(|(ifindex, ..)| [10, 11].contains(ifindex))
        .collect();
    assert!(
        reported.contains(&(10, false, true))
            && reported.contains(&(11, true, false))
            && reported.len() == 2,
        "expected link 10 removed and link 11 added: {reported:?}"
    );
    assert_eq!(all_links().open("team0").unwrap().ports().len(), 1);
}

#[test]
fn team_whose_index_a_non_team_reuses_is_gone() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&["link del team0", "link add successor index 10 type dummy"]);
    let changes = assert_reported_gone(&mut team, &handler, &before);
    assert!(!changes.links().any(libteam::Change::is_removed), "a link has the index: {changes:?}");
    assert_eq!(team.link(team.ifindex()).unwrap().name(), "successor");
}

#[test]
fn team_recreated_unseen_with_same_index_is_followed() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&[
        "link del team0",
        "link add team0 index 10 type team",
        "link set eth2 down",
        "link set eth2 master team0",
    ]);
    let changes = assert_recovered(&mut team, &handler, &before);
    assert_eq!(team.mode(), Some(Mode::Unset));
    assert_eq!(changes.ports().len(), 1, "{changes:?}");
}
