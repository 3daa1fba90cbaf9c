//! A team that another program deletes while a handle is open.

use libteam::{Change, Error, IfIndex, Link, Mode, OptionId, Result, TeamHandle};

use crate::support::changes::{
    Replica, all_links, assert_no_changes, handle_until_converged, link_change, port_marks,
    record_changes, take_changes, team_with,
};
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::{assert_links_match_ip, assert_matches_kernel};

fn option_ids(team: &TeamHandle) -> Vec<OptionId> {
    team.options().map(|option| option.id().clone()).collect()
}

fn assert_gone(error: &Error, name: &str, ifindex: IfIndex) {
    let Error::DeviceGone { device, ifindex: deleted } = error else {
        panic!("not DeviceGone: {error:?}")
    };
    assert_eq!((&**device, *deleted), (name, ifindex));
    assert_eq!(
        error.to_string(),
        format!("using {name} (index {ifindex}): the team device was deleted (ENODEV)")
    );
}

#[test]
fn deleted_team_is_reported_once_with_all_its_objects() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let calls = record_changes(&mut team);
    let (link, mut options) = (team.team_link().unwrap().clone(), option_ids(&team));
    ip("link del team0");

    let changes = take_changes(&mut team);
    let removed: Vec<&Link> =
        changes.links().filter(|each| each.is_removed()).map(Change::latest).collect();
    assert_eq!(removed, [&link]);
    assert_eq!(port_marks(&changes), ["-d0", "-d1"]);
    let mut removed: Vec<OptionId> =
        changes.options().map(|each| each.latest().id().clone()).collect();
    assert!(changes.options().all(Change::is_removed));
    removed.sort();
    options.sort();
    assert_eq!(removed, options);

    assert_eq!((team.ports().len(), team.options().len(), team.team_link()), (0, 0, None));
    assert_eq!((team.mode(), team.active_port()), (None, None));
    assert_eq!(team.name(), "team0");
    assert_links_match_ip(&team);
    assert_no_changes(&mut team);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [changes]);
}

#[test]
fn commands_on_deleted_team_fail_but_events_work() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    let (team0, d0) = (team.ifindex(), index("d0"));
    ip("link del team0");
    take_changes(&mut team);
    let commands: [fn(&mut TeamHandle, IfIndex) -> Result<()>; 8] = [
        TeamHandle::add_port,
        TeamHandle::remove_port,
        TeamHandle::set_active_port,
        |team, _| team.set_mode(Mode::RoundRobin),
        |team, port| team.set_port_enabled(port, true),
        |team, port| team.set_port_priority(port, 1),
        |team, _| team.set_option(&OptionId::global("no_such_option"), 1_u32),
        |team, _| team.refresh().map(drop),
    ];
    for command in commands {
        assert_gone(&command(&mut team, d0).unwrap_err(), "team0", team0);
    }
    assert_no_changes(&mut team);

    ip("link set d0 mtu 1400");
    let changes = take_changes(&mut team);
    assert_eq!(link_change(&changes, d0).unwrap().after().unwrap().mtu(), 1400);
    assert_eq!(team.lookup_ifindex("d0").unwrap(), d0);
    assert_gone(&team.destroy().unwrap_err(), "team0", team0);
}

#[test]
fn failed_command_leaves_deletion_to_handle_events() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    let calls = record_changes(&mut team);
    let mut replica = Replica::of(&team);
    ip("link del team0");
    assert_gone(&team.set_mode(Mode::RoundRobin).unwrap_err(), "team0", team.ifindex());
    let changes = take_changes(&mut team);
    assert!(link_change(&changes, team.ifindex()).unwrap().is_removed());
    replica.apply(&changes);
    assert_eq!(replica, Replica::of(&team));
    assert_no_changes(&mut team);
    assert_eq!(calls.try_iter().count(), 1);
}

#[test]
fn refresh_reports_deletion_once() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    let mut replica = Replica::of(&team);
    ip("link del team0");
    let changes = team.refresh().unwrap();
    assert!(link_change(&changes, team.ifindex()).unwrap().is_removed());
    assert_eq!(port_marks(&changes), ["-d0"]);
    replica.apply(&changes);
    assert_eq!(replica, Replica::of(&team));
    assert_no_changes(&mut team);
    assert_gone(&team.refresh().unwrap_err(), "team0", team.ifindex());
}

#[test]
fn destroy_of_deleted_team_is_device_gone() {
    enter();
    let team = team_with(Mode::RoundRobin, &[]);
    let team0 = team.ifindex();
    ip("link del team0");
    assert_gone(&team.destroy().unwrap_err(), "team0", team0);
}

#[test]
fn deleted_team_keeps_its_last_name() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    ip("link set team0 name uplink");
    let changes = take_changes(&mut team);
    let change = link_change(&changes, team.ifindex()).unwrap();
    assert_eq!(
        (change.before().unwrap().name(), change.after().unwrap().name()),
        ("team0", "uplink")
    );
    assert_eq!(team.name(), "uplink");
    ip("link del uplink");
    take_changes(&mut team);
    assert_eq!(team.name(), "uplink");
    assert_gone(&team.refresh().unwrap_err(), "uplink", team.ifindex());
}

#[test]
fn team_renamed_and_deleted_unseen_has_last_name() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    ip("link set team0 name uplink");
    ip("link del uplink");
    let changes = take_changes(&mut team);
    assert_eq!(changes.links().len(), 1);
    assert!(
        changes
            .links()
            .all(|change| change.is_removed() && change.before().unwrap().name() == "team0")
    );
    assert_gone(&team.refresh().unwrap_err(), "uplink", team.ifindex());
}

#[test]
fn new_team_with_same_name_is_not_followed() {
    enter();
    let mut old = team_with(Mode::RoundRobin, &[]);
    ip("link del team0");
    ip("link add team0 type team");
    let changes = take_changes(&mut old);
    let new = all_links().open("team0").unwrap();
    assert!(link_change(&changes, old.ifindex()).unwrap().is_removed());
    assert!(link_change(&changes, new.ifindex()).unwrap().is_added());
    assert_gone(&old.set_mode(Mode::Random).unwrap_err(), "team0", old.ifindex());
    assert_eq!(new.mode(), Some(Mode::Unset));
    assert_matches_kernel(&new);
    assert_no_changes(&mut old);
}

#[test]
fn new_team_with_same_name_and_index_is_not_followed() {
    enter();
    let mut old = team_with(Mode::RoundRobin, &["d0"]);
    let ifindex = old.ifindex();
    let mut replica = Replica::of(&old);
    ip("link del team0");
    ip(&format!("link add index {ifindex} name team0 type team"));
    replica.apply(&take_changes(&mut old));
    assert_eq!(replica, Replica::of(&old));
    assert_gone(&old.set_mode(Mode::Random).unwrap_err(), "team0", ifindex);
    assert_eq!((old.team_link(), old.options().len(), old.ports().len()), (None, 0, 0));

    let mut new = all_links().open("team0").unwrap();
    assert_eq!(new.ifindex(), ifindex);
    new.set_mode(Mode::Random).unwrap();
    new.add_port(index("d0")).unwrap();
    let changes = take_changes(&mut old);
    assert_eq!((changes.options().len(), changes.ports().len()), (0, 0));
    assert_eq!(old.options().len(), 0);
    // The kernel does not announce the carrier of a device that is down.
    ip("link set team0 up");
    handle_until_converged(&mut new);
}

#[test]
fn non_team_with_same_index_is_not_followed() {
    enter();
    let mut old = team_with(Mode::RoundRobin, &[]);
    let ifindex = old.ifindex();
    let mut replica = Replica::of(&old);
    ip("link del team0");
    ip(&format!("link add index {ifindex} name team0 type dummy"));
    replica.apply(&take_changes(&mut old));
    assert_eq!(replica, Replica::of(&old));
    assert_eq!(old.link(ifindex).unwrap().kind(), Some("dummy"));
    assert_eq!((old.team_link(), old.options().len()), (None, 0));
    assert_gone(&old.refresh().unwrap_err(), "team0", ifindex);
}

#[test]
fn refresh_ignores_non_team_with_same_index() {
    enter();
    let mut old = team_with(Mode::RoundRobin, &[]);
    let ifindex = old.ifindex();
    let mut replica = Replica::of(&old);
    ip("link del team0");
    ip(&format!("link add index {ifindex} name team0 type dummy"));
    replica.apply(&old.refresh().unwrap());
    assert_eq!(replica, Replica::of(&old));
    assert_eq!((old.team_link(), old.options().len()), (None, 0));
    assert_gone(&old.refresh().unwrap_err(), "team0", ifindex);
}

#[test]
fn deletion_of_another_team_is_not_reported() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &[]);
    dummies(&["d0"]);
    ip("link add team1 type team");
    ip("link set d0 master team1");
    take_changes(&mut team);
    ip("link del team1");
    let changes = take_changes(&mut team);
    assert_eq!((changes.ports().len(), changes.options().len()), (0, 0));
    assert_matches_kernel(&team);
}
