//! Ports added and removed by the handle and by other programs, renamed, and refused.

use std::error::Error as _;

use libteam::{Change, Changes, Error, IfIndex, Link, Mode, OptionId, Port, TeamHandle};
use nix::errno::Errno;

use crate::support::changes::{
    Replica, all_links, assert_no_changes, handle_until, handle_until_converged, kernel_errno,
    link_change, make_renamable, options_of, port_marks, reason, record_changes, take_changes,
    team_with,
};
use crate::support::netns::{OtherNamespace, dummies, enter, index, ip, ip_batch, ip_json, veth};
use crate::support::snapshot::assert_matches_kernel;

fn names(team: &TeamHandle) -> Vec<&str> {
    team.ports().map(|port| port.name().unwrap_or("?")).collect()
}

fn option_ids(changes: &Changes) -> Vec<OptionId> {
    changes.options().map(|change| change.latest().id().clone()).collect()
}

/// Panics unless the changes report that `d0` became a port, with its link and options.
fn assert_reports_added(team: &TeamHandle, changes: &Changes, d0: IfIndex) {
    assert_eq!(port_marks(changes), ["+d0"]);
    let link = link_change(changes, d0).unwrap();
    assert_eq!(link.before().and_then(Link::master), None);
    assert_eq!(link.after().unwrap().master(), Some(team.ifindex()));
    assert!(link.after().unwrap().is_admin_up());
    assert!(changes.options().all(Change::is_added));
    assert_eq!(option_ids(changes), options_of(team, d0));
    assert_eq!((names(team), team.port_enabled(d0)), (vec!["d0"], Some(true)));
}

/// Panics unless the changes report that `d0`, which had these options, is no longer a port.
fn assert_reports_removed(team: &TeamHandle, changes: &Changes, d0: IfIndex, options: &[OptionId]) {
    assert_eq!(port_marks(changes), ["-d0"]);
    assert!(changes.options().all(Change::is_removed));
    assert_eq!(option_ids(changes), options);
    assert!(!team.is_port(d0) && team.port(d0).is_none());
    assert_eq!(
        (team.ports().len(), options_of(team, d0), team.port_enabled(d0)),
        (0, vec![], None)
    );
}

#[test]
fn port_added_here_is_known_at_once_and_reported_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    take_changes(&mut team);
    let batches = record_changes(&mut team);
    let d0 = index("d0");
    team.add_port(d0).unwrap();
    assert!(team.is_port(d0) && batches.try_recv().is_err());
    assert_eq!((names(&team), team.port_priority(d0)), (vec!["d0"], Some(0)));
    let changes = take_changes(&mut team);
    assert_reports_added(&team, &changes, d0);
    assert_no_changes(&mut team);
    assert_eq!(batches.try_iter().collect::<Vec<_>>(), [changes]);
    ip("link set team0 up");
    handle_until_converged(&mut team);
}

#[test]
fn port_added_by_another_program_is_reported_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    take_changes(&mut team);
    ip("link set d0 master team0");
    let changes = take_changes(&mut team);
    assert_reports_added(&team, &changes, index("d0"));
    assert_no_changes(&mut team);
    ip("link set team0 up");
    handle_until_converged(&mut team);
}

#[test]
fn port_of_a_new_link_is_reported_with_its_name() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    ip_batch(&["link add d0 type dummy", "link set d0 master team0"]);
    let changes = take_changes(&mut team);
    assert_reports_added(&team, &changes, index("d0"));
    assert!(link_change(&changes, index("d0")).unwrap().is_added());
    ip_batch(&["link add d1 type dummy", "link set d1 master team0"]);
    team.set_port_priority(index("d0"), 1).unwrap();
    assert_eq!(names(&team), ["d0", "d1"]);
}

#[test]
fn port_removed_here_is_gone_and_reported_once() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let d0 = index("d0");
    let options = options_of(&team, d0);
    team.remove_port(d0).unwrap();
    assert!(!team.is_port(d0));
    let changes = take_changes(&mut team);
    assert_reports_removed(&team, &changes, d0, &options);
    let link = link_change(&changes, d0).unwrap();
    assert_eq!(link.before().unwrap().master(), Some(team.ifindex()));
    assert_eq!(link.after().unwrap().master(), None);
    assert!(!link.after().unwrap().is_admin_up());
    assert_no_changes(&mut team);
    ip("link set team0 up");
    handle_until_converged(&mut team);
}

#[test]
fn port_removed_by_another_program_is_reported_once() {
    enter();
    for (how, cleanup) in
        [("link set d0 nomaster", "link del d0"), ("link del d0", "link set lo up")]
    {
        let mut team = team_with(Mode::RoundRobin, &["d0"]);
        let d0 = index("d0");
        let options = options_of(&team, d0);
        ip(how);
        let changes = take_changes(&mut team);
        assert_reports_removed(&team, &changes, d0, &options);
        assert_eq!(link_change(&changes, d0).unwrap().is_removed(), how == "link del d0");
        assert_no_changes(&mut team);
        team.destroy().unwrap();
        ip(cleanup);
    }
}

#[test]
fn port_moved_away_and_back_is_removed_and_added() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let (d0, other) = (index("d0"), OtherNamespace::new());
    let options = options_of(&team, d0);
    other.take("d0");
    let changes = take_changes(&mut team);
    assert_reports_removed(&team, &changes, d0, &options);
    assert!(link_change(&changes, d0).unwrap().is_removed());
    assert_eq!(team.link(d0), None);
    assert_no_changes(&mut team);

    other.give_back("d0");
    ip("link set d0 master team0");
    let changes = take_changes(&mut team);
    assert_reports_added(&team, &changes, index("d0"));
    assert!(link_change(&changes, index("d0")).unwrap().is_added());
}

#[test]
fn port_added_and_removed_unread_is_not_reported() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let mut replica = Replica::of(&team);
    ip_batch(&["link add d1 type dummy", "link set d1 master team0", "link del d1"]);
    let changes = take_changes(&mut team);
    assert_eq!(port_marks(&changes), [""; 0]);
    assert_eq!(option_ids(&changes), []);
    replica.apply(&changes);
    assert_eq!(replica, Replica::of(&team));
}

#[test]
fn port_removed_and_added_unread_is_changed() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0", "d1"]);
    let mut replica = Replica::of(&team);
    team.set_port_priority(index("d0"), 7).unwrap();
    replica.apply(&take_changes(&mut team));
    ip_batch(&["link set d0 nomaster", "link set d0 master team0"]);
    let changes = take_changes(&mut team);
    assert_eq!(port_marks(&changes), ["*d0"]);
    assert_eq!(team.port_priority(index("d0")), Some(0));
    assert_eq!(names(&team), ["d1", "d0"]);
    replica.apply(&changes);
    assert_eq!(replica, Replica::of(&team));
}

#[test]
fn ports_are_listed_in_order_of_addition() {
    enter();
    dummies(&["d0", "d1", "d2"]);
    let mut team = team_with(Mode::RoundRobin, &[]);
    for name in ["d2", "d0", "d1"] {
        team.add_port(index(name)).unwrap();
    }
    assert_eq!(names(&team), ["d2", "d0", "d1"]);
    team.remove_port(index("d2")).unwrap();
    assert_eq!(names(&team), ["d0", "d1"]);
    team.add_port(index("d2")).unwrap();
    assert_eq!(names(&team), ["d0", "d1", "d2"]);
    assert_eq!(names(&all_links().open("team0").unwrap()), ["d0", "d1", "d2"]);
}

#[test]
fn ports_are_in_order_of_addition_after_a_loss() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0", "d1", "d2"]);
    let mut late = all_links().receive_buffer(0).open("team0").unwrap();
    for name in ["d1", "d0"] {
        team.remove_port(index(name)).unwrap();
        team.add_port(index(name)).unwrap();
    }
    assert!(take_changes(&mut late).is_resynced());
    assert_eq!(names(&late), ["d2", "d1", "d0"]);
    let ids =
        |team: &TeamHandle| team.options().map(|option| option.id().clone()).collect::<Vec<_>>();
    assert_eq!(ids(&late), ids(&all_links().open("team0").unwrap()));
    assert_eq!(ids(&team), ids(&late));
}

#[test]
fn renamed_port_is_reported_as_port_and_link() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    make_renamable(&mut team, "d0");
    ip("link set d0 name uplink");
    let changes = take_changes(&mut team);
    let port = changes.ports().next().unwrap();
    assert_eq!(
        (port.before().unwrap().name(), port.after().unwrap().name()),
        (Some("d0"), Some("uplink"))
    );
    let link = changes.links().next().unwrap();
    assert_eq!((link.before().unwrap().name(), link.after().unwrap().name()), ("d0", "uplink"));
    assert_eq!((changes.ports().len(), changes.links().len(), changes.options().len()), (1, 1, 0));
    assert_eq!(names(&team), ["uplink"]);
    assert_no_changes(&mut team);
}

#[test]
fn port_link_state_follows_the_peer() {
    enter();
    veth("v0", "peer0");
    let mut team = team_with(Mode::RoundRobin, &[]);
    let v0 = index("v0");
    team.add_port(v0).unwrap();
    // The kernel does not announce the carrier of a team that is down.
    ip("link set team0 up");
    let is_up = move |team: &TeamHandle| team.port(v0).unwrap().is_link_up();
    handle_until(&mut team, "the port comes up", is_up);
    handle_until_converged(&mut team);
    for (command, up) in [("link set peer0 down", false), ("link set peer0 up", true)] {
        ip(command);
        let batches = handle_until(&mut team, command, |team| is_up(team) == up);
        let reported: Vec<_> = batches.iter().flat_map(Changes::ports).collect();
        assert_eq!(reported.len(), 1, "{reported:#?}");
        assert_eq!(reported[0].before().map(Port::is_link_up), Some(!up));
        assert_eq!(reported[0].after().map(Port::is_link_up), Some(up));
        handle_until_converged(&mut team);
        assert_matches_kernel(&team);
    }
    // A veth device has a speed while its link is up.
    assert_eq!(team.port(v0).unwrap().speed_mbps(), Some(10_000));
}

#[test]
fn refused_port_has_the_drivers_message() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    ip_batch(&["link set d0 up", "link add link team0 name team0.5 type vlan id 5"]);
    take_changes(&mut team);
    let table = [
        ("d0", Errno::EBUSY, "Device is up. Set it down before adding it as a team port"),
        ("lo", Errno::EINVAL, "Loopback device can't be added as a team port"),
        ("team0", Errno::EINVAL, "Cannot enslave team device to itself"),
        ("team0.5", Errno::EBUSY, "Device is already an upper device of the team interface"),
    ];
    for (name, errno, words) in table {
        let error = team.add_port(index(name)).unwrap_err();
        assert_eq!(kernel_errno(&error), errno, "{name}");
        assert_eq!(
            error.to_string(),
            format!("adding port {name} to team0: {}: {words}", reason(errno))
        );
        assert!(matches!(&error, Error::Kernel { message: Some(message), .. } if message == words));
        assert!(error.source().is_none());
    }
    assert_eq!(take_changes(&mut team).ports().len(), 0);
    assert_eq!(team.ports().len(), 0);
}

#[test]
fn missing_link_cannot_be_added_or_removed() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let absent = IfIndex::new(4711).unwrap();
    let error = team.add_port(absent).unwrap_err();
    assert!(matches!(error, Error::NoSuchDevice { .. }), "expected NoSuchDevice: {error:?}");
    assert_eq!(error.to_string(), "adding port 4711 to team0: no such device (ENODEV)");
    let error = team.remove_port(absent).unwrap_err();
    assert_eq!(
        error.to_string(),
        "removing port 4711 from team0: link 4711 is not a port of team0 (ENOENT)"
    );
    assert!(matches!(error, Error::NotPort { ifindex, .. } if ifindex == absent));
}

#[test]
fn adding_a_port_twice_changes_nothing() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    team.add_port(index("d0")).unwrap();
    assert_no_changes(&mut team);
}

#[test]
fn port_of_another_master_is_not_removed() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    dummies(&["d1"]);
    ip_batch(&["link add br0 type bridge", "link add team1 type team", "link set d1 master br0"]);
    for (name, master, command) in [
        ("d1", "br0", "link show d1"),
        // The handle has no event of this yet.
        ("d0", "team1", "link set d0 master team1"),
        ("d0", "br0", "link set d0 master br0"),
    ] {
        ip(command);
        let error = team.remove_port(index(name)).unwrap_err();
        assert!(
            matches!(&error, Error::NotPort { team, .. } if team == "team0"),
            "expected NotPort: {error:?}"
        );
        assert_eq!(ip_json(&format!("link show {name}"))[0]["master"], master);
    }
}

#[test]
fn port_taken_by_another_team_is_removed() {
    enter();
    let mut old = team_with(Mode::RoundRobin, &["d0"]);
    let mut new = all_links().create("team1").unwrap();
    let d0 = index("d0");
    let options = options_of(&old, d0);
    new.add_port(d0).unwrap();
    let changes = take_changes(&mut new);
    assert_reports_added_to_second(&new, &changes, d0, old.ifindex());
    let changes = take_changes(&mut old);
    assert_reports_removed(&old, &changes, d0, &options);
    assert_eq!(link_change(&changes, d0).unwrap().after().unwrap().master(), Some(new.ifindex()));
}

fn assert_reports_added_to_second(
    team: &TeamHandle,
    changes: &Changes,
    d0: IfIndex,
    first: IfIndex,
) {
    assert_eq!(port_marks(changes), ["+d0"]);
    let link = link_change(changes, d0).unwrap();
    assert_eq!(link.before().unwrap().master(), Some(first));
    assert_eq!(link.after().unwrap().master(), Some(team.ifindex()));
}
