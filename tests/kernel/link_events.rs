//! Changes of links: each is reported once, with the states before and after.

use libteam::{
    Change, Changes, HwAddr, IfIndex, Link, LinkChange, LinkFlags, Mode, OperState, TeamHandle,
};

use crate::support::changes::{
    Replica, all_links, assert_no_changes, handle_until, link_change, make_renamable, only_link,
    record_changes, take_changes, team_with,
};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{OtherNamespace, dummies, enter, index, ip, ip_batch, run_ip, veth};
use crate::support::snapshot::{assert_links_match_ip, assert_matches_kernel};

/// Creates a team, and the dummy device `d0`, which is up and not a port.
fn team_and_link() -> (TeamHandle, IfIndex) {
    ip_batch(&["link add d0 type dummy", "link set d0 up"]);
    (team_with(Mode::RoundRobin, &[]), index("d0"))
}

/// Runs `ip`, and returns the states of `d0` before and after the only change.
fn change_by_ip(team: &mut TeamHandle, d0: IfIndex, words: &str) -> (Link, Link) {
    let mut replica = Replica::of(team);
    ip(words);
    let changes = take_changes(team);
    let change = only_link(&changes);
    assert!(!change.is_added() && !change.is_removed());
    replica.apply(&changes);
    assert_eq!(replica, Replica::of(team));
    assert_no_changes(team);
    assert_matches_kernel(team);
    assert_eq!(team.link(d0), change.after());
    (change.before().unwrap().clone(), change.after().unwrap().clone())
}

/// Panics if two states of a link differ in other parts than these.
fn assert_else_equal(before: &Link, after: &Link, parts: &[&str]) {
    let differs = [
        ("name", before.name() != after.name()),
        ("hwaddr", before.hwaddr() != after.hwaddr()),
        ("original_hwaddr", before.original_hwaddr() != after.original_hwaddr()),
        ("master", before.master() != after.master()),
        ("flags", before.flags() != after.flags()),
        ("carrier", before.has_carrier() != after.has_carrier()),
        ("carrier_changes", before.carrier_changes() != after.carrier_changes()),
        ("oper_state", before.oper_state() != after.oper_state()),
        ("mtu", before.mtu() != after.mtu()),
        ("kind", before.kind() != after.kind()),
        ("alternative_names", !before.alternative_names().eq(after.alternative_names())),
    ];
    let differing: Vec<&str> =
        differs.into_iter().filter_map(|(part, differs)| differs.then_some(part)).collect();
    assert_eq!(differing, parts);
}

#[test]
fn changed_flag_is_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    let table = [
        ("promisc on", LinkFlags::PROMISCUOUS, true),
        ("allmulticast on", LinkFlags::ALL_MULTICAST, true),
        ("promisc off", LinkFlags::PROMISCUOUS, false),
        ("multicast on", LinkFlags::MULTICAST, true),
        ("arp on", LinkFlags::NO_ARP, false),
    ];
    for (words, flag, on) in table {
        let (before, after) = change_by_ip(&mut team, d0, &format!("link set d0 {words}"));
        assert_eq!(before.flags() ^ after.flags(), flag, "{words}");
        assert_eq!(after.flags().contains(flag), on, "{words}");
        assert_else_equal(&before, &after, &["flags"]);
    }
}

#[test]
fn link_down_and_up_is_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    let (before, after) = change_by_ip(&mut team, d0, "link set d0 down");
    assert!(before.is_admin_up() && !after.is_admin_up());
    let (before, after) = change_by_ip(&mut team, d0, "link set d0 up");
    assert!(!before.is_admin_up() && after.is_admin_up());
    assert_eq!(after.oper_state(), OperState::Unknown);
}

#[test]
fn changed_mtu_is_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    let (before, after) = change_by_ip(&mut team, d0, "link set d0 mtu 1280");
    assert_eq!((before.mtu(), after.mtu()), (1500, 1280));
    assert_else_equal(&before, &after, &["mtu"]);
}

#[test]
fn changed_hwaddr_is_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    let old = team.link(d0).unwrap().hwaddr();
    let (before, after) = change_by_ip(&mut team, d0, "link set d0 address 02:00:00:00:00:2a");
    let new: HwAddr = "02:00:00:00:00:2a".parse().unwrap();
    assert_eq!((before.hwaddr(), after.hwaddr()), (old, Some(new)));
    assert_else_equal(&before, &after, &["hwaddr", "original_hwaddr"]);
}

#[test]
fn changed_name_is_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    make_renamable(&mut team, "d0");
    let (before, after) = change_by_ip(&mut team, d0, "link set d0 name uplink");
    assert_eq!((before.name(), after.name()), ("d0", "uplink"));
    assert_else_equal(&before, &after, &["name"]);
}

#[test]
fn changed_alternative_names_are_reported() {
    enter();
    let (mut team, d0) = team_and_link();
    let names = |link: &Link| link.alternative_names().map(str::to_owned).collect::<Vec<_>>();
    let long = "an-alternative-name-of-more-than-fifteen-bytes";
    let (before, after) = change_by_ip(&mut team, d0, "link property add dev d0 altname spare");
    assert_eq!((names(&before), names(&after)), (vec![], vec!["spare".to_owned()]));
    assert_else_equal(&before, &after, &["alternative_names"]);
    let (_, after) =
        change_by_ip(&mut team, d0, &format!("link property add dev d0 altname {long}"));
    assert_eq!(names(&after), ["spare", long]);
    let (_, after) = change_by_ip(&mut team, d0, "link property del dev d0 altname spare");
    assert_eq!(names(&after), [long]);
}

#[test]
fn new_and_deleted_link_are_reported() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    let d0 = index("d0");
    let changes = take_changes(&mut team);
    let change = only_link(&changes);
    assert!(change.is_added() && !change.is_removed());
    assert_eq!((change.before(), change.after()), (None, team.link(d0)));
    assert_eq!((change.latest().name(), change.latest().kind()), ("d0", Some("dummy")));
    assert_no_changes(&mut team);
    assert_matches_kernel(&team);

    let last = team.link(d0).unwrap().clone();
    ip("link del d0");
    let change = only_link(&take_changes(&mut team));
    assert!(change.is_removed() && !change.is_added());
    assert_eq!((change.before(), change.after(), change.latest()), (Some(&last), None, &last));
    assert_eq!(team.link(d0), None);
    assert_no_changes(&mut team);
    assert_matches_kernel(&team);
}

#[test]
fn changes_of_the_teams_own_link_are_reported() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let team0 = team.ifindex();
    let (before, after) = change_by_ip(&mut team, team0, "link set team0 mtu 1400");
    assert_eq!((before.mtu(), after.mtu(), team.team_link().unwrap().mtu()), (1500, 1400, 1400));
    let (before, after) = change_by_ip(&mut team, team0, "link set team0 up");
    assert_eq!((before.is_admin_up(), after.is_admin_up()), (false, true));
    make_renamable(&mut team, "team0");
    let (before, after) = change_by_ip(&mut team, team0, "link set team0 name uplink");
    assert_eq!((before.name(), after.name(), team.name()), ("team0", "uplink", "uplink"));
}

#[test]
fn link_moved_to_another_namespace_is_removed() {
    enter();
    let (mut team, d0) = team_and_link();
    let other = OtherNamespace::new();
    other.take("d0");
    assert!(link_change(&take_changes(&mut team), d0).unwrap().is_removed());
    assert_eq!(team.link(d0), None);
    assert_matches_kernel(&team);
    other.give_back("d0");
    let changes = take_changes(&mut team);
    assert!(only_link(&changes).is_added());
    assert_matches_kernel(&team);
}

#[test]
fn reverted_changes_are_not_reported() {
    enter();
    let (mut team, _) = team_and_link();
    ip_batch(&[
        "link set d0 mtu 1280",
        "link set d0 mtu 1500",
        "link add d1 type dummy",
        "link del d1",
    ]);
    assert_no_changes(&mut team);
}

#[test]
fn changes_of_one_link_merge_into_one() {
    enter();
    let (mut team, d0) = team_and_link();
    make_renamable(&mut team, "d0");
    ip_batch(&[
        "link set d0 mtu 1280",
        "link set d0 name d9",
        "link set d9 mtu 1290",
        "link set d9 promisc on",
    ]);
    let change = only_link(&take_changes(&mut team));
    let (before, after) = (change.before().unwrap(), change.after().unwrap());
    assert_eq!((before.name(), before.mtu()), ("d0", 1500));
    assert_eq!((after.name(), after.mtu()), ("d9", 1290));
    assert_eq!(team.link(d0), Some(after));
}

/// Returns the changes of one link, in order.
fn changes_of(batches: &[Changes], link: IfIndex) -> Vec<&Change<Link>> {
    batches.iter().filter_map(|changes| link_change(changes, link)).collect()
}

#[test]
fn carrier_follows_the_peer() {
    enter();
    veth("v0", "peer0");
    ip("link set v0 up");
    let mut team = team_with(Mode::RoundRobin, &[]);
    let (v0, peer0) = (index("v0"), index("peer0"));
    let state = |team: &TeamHandle, link| {
        let link = team.link(link).unwrap();
        (link.has_carrier(), link.oper_state())
    };
    let up = (true, OperState::Up);
    handle_until(&mut team, "both ends come up", |team| {
        state(team, v0) == up && state(team, peer0) == up
    });
    let mut replica = Replica::of(&team);
    let flaps = team.link(v0).unwrap().carrier_changes();

    for (command, after) in [
        ("link set peer0 down", (false, OperState::LowerLayerDown)),
        ("link set peer0 up", (true, OperState::Up)),
    ] {
        let before = state(&team, v0);
        ip(command);
        let batches = handle_until(&mut team, command, |team| state(team, v0) == after);
        for batch in &batches {
            replica.apply(batch);
        }
        assert_eq!(replica, Replica::of(&team));
        assert!(
            batches
                .iter()
                .flat_map(Changes::links)
                .all(|change| [v0, peer0].contains(&change.latest().ifindex()))
        );
        let changes = changes_of(&batches, v0);
        let first = changes.first().unwrap().before().unwrap();
        assert_eq!((first.has_carrier(), first.oper_state()), before);
        assert_eq!(
            batches
                .iter()
                .map(|changes| changes.ports().len() + changes.options().len())
                .sum::<usize>(),
            0
        );
    }
    assert_eq!(team.link(v0).unwrap().carrier_changes(), flaps + 2);
}

#[test]
fn master_change_is_reported_without_a_removal() {
    enter();
    let (mut team, d0) = team_and_link();
    ip("link add br0 type bridge");
    let br0 = index("br0");
    take_changes(&mut team);
    let mut replica = Replica::of(&team);
    for (command, before, after) in
        [("link set d0 master br0", None, Some(br0)), ("link set d0 nomaster", Some(br0), None)]
    {
        ip(command);
        let changes = take_changes(&mut team);
        let change = link_change(&changes, d0).unwrap();
        assert_eq!(change.before().unwrap().master(), before, "{command}");
        assert_eq!(change.after().unwrap().master(), after, "{command}");
        assert!(changes.links().all(|change| [d0, br0].contains(&change.latest().ifindex())));
        assert_eq!((changes.ports().len(), changes.options().len()), (0, 0));
        replica.apply(&changes);
        assert_eq!(replica, Replica::of(&team));
        assert_no_changes(&mut team);
        assert_matches_kernel(&team);
    }
}

#[test]
fn team_released_by_its_bridge_is_not_removed() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    ip("link add br0 type bridge");
    take_changes(&mut team);
    for command in ["link set team0 master br0", "link set team0 nomaster"] {
        ip(command);
        let changes = take_changes(&mut team);
        assert!(changes.links().all(|change| !change.is_removed()));
        assert_eq!((changes.ports().len(), changes.options().len()), (0, 0));
        assert!(team.team_link().is_some());
    }
    assert_eq!(team.team_link().unwrap().master(), None);
    team.set_active_port(index("d0")).unwrap();
    assert_links_match_ip(&team);
}

#[test]
fn carrier_of_a_team_that_is_down_is_reported() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    assert_eq!(team.carrier(), Some(false));
    dummies(&["d0"]);
    team.add_port(index("d0")).unwrap();
    assert_eq!(team.carrier(), Some(true));
    assert_matches_kernel(&team);
    let changes = take_changes(&mut team);
    let told_of_team =
        changes.links().find(|link| link.latest().ifindex() == team.ifindex()).unwrap();
    assert!(told_of_team.changed_fields().contains(LinkChange::CARRIER));
    ip("link set d0 nomaster");
    take_changes(&mut team);
    assert_eq!(team.carrier(), Some(false));
    assert_matches_kernel(&team);
}

#[test]
fn link_whose_creation_fails_is_never_reported() {
    enter();
    dummies(&["d0"]);
    veth("v0", "v1");
    ip("link add bond0 type bond");
    ip("link set d0 master bond0");
    let mut team = all_links().create("team0").unwrap();
    take_changes(&mut team);
    let batches = record_changes(&mut team);
    // A port of a bond cannot be a port of an HSR device: the device is announced before, and
    // deleted without a message.
    assert!(!run_ip("link add hsr0 type hsr slave1 v0 slave2 d0").status.success());
    // This device is announced before its creation has finished, but successfully.
    ip("link add bond1 type bond mode active-backup");
    handle_until_quiet(&mut team);
    assert_links_match_ip(&team);
    let reported: Vec<Changes> = batches.try_iter().collect();
    assert!(
        reported.iter().flat_map(Changes::links).all(|change| change.latest().name() != "hsr0"),
        "hsr0 is reported: {reported:#?}"
    );
}
