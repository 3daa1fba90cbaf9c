//! Events are lost while devices are deleted and others take their places, their names or their
//! indexes.

use std::sync::mpsc::Receiver;

use libteam::{Changes, Error, IfIndex, Mode, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::{Difference, assert_recovered};
use crate::support::netns::{OtherNamespace, dummies, enter, index, ip, ip_batch};
use crate::support::raw::drops;
use crate::support::snapshot::{State, assert_links_match_ip, state};

/// A team with the ports `eth1` and `eth2`, whose handle has the smallest buffer and has told
/// everything.
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
    // A change of the link state may follow by itself.
    crate::support::diff::handle_until_quiet(&mut team);
    let handler = record_changes(&mut team);
    let before = state(&team);
    (team, handler, before)
}

/// Fills the event sockets, so that what follows is lost.
fn overrun() {
    ip_batch(&[1400, 1401, 1402, 1403].map(|mtu| format!("link set noise mtu {mtu}")));
    ip("link set noise mtu 1500");
    // Messages of the driver, by way of a port that stays what it is.
    ip_batch(&["link set eth3 master team0", "link set eth3 nomaster"]);
    let (links, driver) = drops();
    assert!(links > 0 && driver > 0, "{links} and {driver} messages were dropped");
}

/// What a handle tells of a team that was deleted while it did not read: all of it once, and then
/// nothing.
fn assert_told_gone(team: &mut TeamHandle, handler: &Receiver<Changes>, before: &State) -> Changes {
    let changes = team.handle_events().unwrap();
    assert!(changes.is_resynced());
    let told = Difference::reported(&changes);
    assert!(
        told.ports.values().all(|(before, after)| before.is_some() && after.is_none()),
        "{told:?}"
    );
    assert!(
        told.options.values().all(|(before, after)| before.is_some() && after.is_none()),
        "{told:?}"
    );
    assert_eq!((told.ports.len(), told.options.len()), (before.ports.len(), before.options.len()));
    assert_eq!(handler.try_iter().collect::<Vec<_>>(), vec![changes.clone()]);
    assert_links_match_ip(team);
    assert_eq!(team.handle_events().unwrap(), Changes::default(), "it is told again");
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
fn a_link_that_took_the_index_of_a_deleted_one_is_a_change_not_a_removal() {
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
fn a_port_that_took_the_index_of_a_deleted_port_is_told_by_what_differs() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&["link del eth1", "link add eth4 index 20 type dummy", "link set eth4 master team0"]);
    let changes = assert_recovered(&mut team, &handler, &before);
    let names: Vec<_> =
        changes.ports().map(|port| (port.before().unwrap().name(), port.latest().name())).collect();
    assert_eq!(names, [(Some("eth1"), Some("eth4"))], "the same index under another name");
}

#[test]
fn a_port_that_moved_to_another_namespace_during_a_loss_is_removed() {
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
fn a_team_deleted_during_a_loss_is_told_once_and_then_gone() {
    let (mut team, handler, before) = team();
    overrun();
    ip("link del team0");
    let changes = assert_told_gone(&mut team, &handler, &before);
    let removed: Vec<_> =
        changes.links().filter(|link| link.is_removed()).map(|link| link.latest().name()).collect();
    assert_eq!(removed, ["team0"], "its ports live on");
}

#[test]
fn a_team_made_anew_under_the_same_name_is_another_one() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&[
        "link del team0",
        "link add team0 index 11 type team",
        "link set eth1 down",
        "link set eth1 master team0",
    ]);
    let changes = assert_told_gone(&mut team, &handler, &before);
    let told: Vec<_> = changes
        .links()
        .map(|link| (link.latest().ifindex().get(), link.is_added(), link.is_removed()))
        .filter(|(ifindex, ..)| [10, 11].contains(ifindex))
        .collect();
    assert!(
        told.contains(&(10, false, true)) && told.contains(&(11, true, false)) && told.len() == 2,
        "{told:?}"
    );
    assert_eq!(all_links().open("team0").unwrap().ports().len(), 1);
}

#[test]
fn a_team_whose_index_a_link_of_another_kind_took_is_gone() {
    let (mut team, handler, before) = team();
    overrun();
    ip_batch(&["link del team0", "link add usurper index 10 type dummy"]);
    let changes = assert_told_gone(&mut team, &handler, &before);
    assert!(!changes.links().any(libteam::Change::is_removed), "the link with its index exists");
    assert_eq!(team.link(team.ifindex()).unwrap().name(), "usurper");
}

#[test]
fn a_team_made_anew_with_name_and_index_of_the_old_one_is_told_by_what_differs() {
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
