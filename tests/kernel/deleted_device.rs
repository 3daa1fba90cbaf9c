//! A team that another program deletes while a handle is open.

use libteam::{
    Change, Error, HwAddr, IfIndex, Link, LinkSettings, Mode, OptionId, Result, TeamHandle,
};

use crate::support::changes::{
    Replica, all_links, assert_no_changes, handle_until_converged, link_change, port_marks,
    record_changes, take_changes, team_with,
};
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::{assert_links_match_ip, assert_matches_kernel};

fn option_ids(team: &TeamHandle) -> Vec<OptionId> {
    team.options().map(|option| option.id().clone()).collect()
}

/// A command, which fails once the team is gone.
type Command = Box<dyn Fn(&mut TeamHandle) -> Result<()>>;

/// The operation is that of the command, for example `refreshing team0`.
fn assert_gone(error: &Error, name: &str, ifindex: IfIndex, operation: &str) {
    let Error::DeviceGone { op, device, ifindex: gone } = error else {
        panic!("not DeviceGone: {error:?}")
    };
    assert_eq!((&**op, &**device, *gone), (operation, name, ifindex));
    assert_eq!(error.to_string(), format!("{operation}: the team device was deleted (ENODEV)"));
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
    let hwaddr: HwAddr = "02:00:00:00:00:2a".parse().unwrap();
    let count = || OptionId::global("notify_peers_count");
    let commands: Vec<(String, Command)> = vec![
        (format!("adding port {d0} to team0"), Box::new(move |team| team.add_port(d0))),
        (format!("removing port {d0} from team0"), Box::new(move |team| team.remove_port(d0))),
        (
            format!("setting option activeport of team0 to {d0}"),
            Box::new(move |team| team.set_active_port(d0)),
        ),
        (
            r#"setting option mode of team0 to "roundrobin""#.to_owned(),
            Box::new(|team| team.set_mode(Mode::RoundRobin)),
        ),
        (
            format!("setting option enabled of port {d0} of team0 to true"),
            Box::new(move |team| team.set_port_enabled(d0, true)),
        ),
        (
            format!("setting option priority of port {d0} of team0 to 1"),
            Box::new(move |team| team.set_port_priority(d0, 1)),
        ),
        (
            "setting option notify_peers_count of team0 to 1".to_owned(),
            Box::new(move |team| team.set_option(&count(), 1_u32)),
        ),
        (
            r#"setting option notify_peers_count of team0 to "one""#.to_owned(),
            Box::new(move |team| team.set_option_str(&count(), "one")),
        ),
        (
            "setting 2 options of team0".to_owned(),
            Box::new(move |team| {
                team.set_options([(count(), 1_u32.into()), (count(), 2_u32.into())])
            }),
        ),
        (
            format!("setting option lb_tx_hash_to_port_mapping[7] of team0 to {d0}"),
            Box::new(move |team| team.set_lb_tx_hash_to_port_mapping([(7, d0)])),
        ),
        ("setting the carrier of team0 up".to_owned(), Box::new(|team| team.set_carrier(true))),
        (
            format!("setting the hardware address of link {team0} to {hwaddr}"),
            Box::new(move |team| team.set_hwaddr(team0, hwaddr)),
        ),
        (
            "changing link team0".to_owned(),
            Box::new(|team| team.set_link(&LinkSettings::new().up())),
        ),
        (
            "announcing the addresses of team0".to_owned(),
            Box::new(|team| team.announce().map(drop)),
        ),
        ("refreshing team0".to_owned(), Box::new(|team| team.refresh().map(drop))),
    ];
    for (operation, command) in commands {
        assert_gone(&command(&mut team).unwrap_err(), "team0", team0, &operation);
    }
    assert_no_changes(&mut team);

    ip("link set d0 mtu 1400");
    let changes = take_changes(&mut team);
    assert_eq!(link_change(&changes, d0).unwrap().after().unwrap().mtu(), 1400);
    assert_eq!(team.lookup_ifindex("d0").unwrap(), d0);
    assert_gone(&team.destroy().unwrap_err(), "team0", team0, "deleting team device team0");
}

#[test]
fn failed_command_leaves_deletion_to_handle_events() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    let calls = record_changes(&mut team);
    let mut replica = Replica::of(&team);
    ip("link del team0");
    assert_gone(
        &team.set_mode(Mode::RoundRobin).unwrap_err(),
        "team0",
        team.ifindex(),
        r#"setting option mode of team0 to "roundrobin""#,
    );
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
    assert_gone(&team.refresh().unwrap_err(), "team0", team.ifindex(), "refreshing team0");
}

#[test]
fn destroy_of_deleted_team_is_device_gone() {
    enter();
    let team = team_with(Mode::RoundRobin, &[]);
    let team0 = team.ifindex();
    ip("link del team0");
    assert_gone(&team.destroy().unwrap_err(), "team0", team0, "deleting team device team0");
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
    assert_gone(&team.refresh().unwrap_err(), "uplink", team.ifindex(), "refreshing uplink");
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
    assert_gone(&team.refresh().unwrap_err(), "uplink", team.ifindex(), "refreshing uplink");
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
    assert_gone(
        &old.set_mode(Mode::Random).unwrap_err(),
        "team0",
        old.ifindex(),
        r#"setting option mode of team0 to "random""#,
    );
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
    assert_gone(
        &old.set_mode(Mode::Random).unwrap_err(),
        "team0",
        ifindex,
        r#"setting option mode of team0 to "random""#,
    );
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
    assert_gone(&old.refresh().unwrap_err(), "team0", ifindex, "refreshing team0");
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
    assert_gone(&old.refresh().unwrap_err(), "team0", ifindex, "refreshing team0");
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
