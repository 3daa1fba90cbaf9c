//! The order of the changes in one batch, and objects that were removed and added again within one.

use libteam::{Change, Changes, IfIndex, LinkScope, Mode, OptionId, TeamHandle};

use crate::support::changes::{all_links, take_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{dummies, enter, index, ip, ip_batch};

const NAMES: [&str; 6] = ["d0", "d1", "d2", "d3", "d4", "d5"];

/// Creates a team with the ports `d0` to `d3` and no pending events, and a second handle of it.
/// `d4` and `d5` are not ports.
fn scene(scope: LinkScope) -> (TeamHandle, TeamHandle) {
    enter();
    dummies(&NAMES);
    let mut team = all_links().link_scope(scope).create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    for port in &NAMES[..4] {
        team.add_port(index(port)).unwrap();
    }
    let mut other = TeamHandle::open("team0").unwrap();
    handle_until_quiet(&mut other);
    handle_until_quiet(&mut team);
    (team, other)
}

fn ports(changes: &Changes) -> Vec<IfIndex> {
    changes.ports().map(|port| port.latest().ifindex()).collect()
}

fn options(changes: &Changes) -> Vec<OptionId> {
    changes.options().map(|option| option.latest().id().clone()).collect()
}

fn indices(names: &[&str]) -> Vec<IfIndex> {
    names.iter().map(|name| index(name)).collect()
}

#[test]
fn ports_are_in_order_of_their_first_message() {
    let (mut team, mut other) = scene(LinkScope::Team);
    let [d0, d1, _, d3, d4, d5] = NAMES.map(index);
    other.remove_port(d3).unwrap();
    other.add_port(d5).unwrap();
    other.remove_port(d0).unwrap();
    other.add_port(d4).unwrap();
    other.remove_port(d1).unwrap();
    // These events are queued already.
    other.add_port(d3).unwrap();
    other.set_port_user_linkup(d4, true).unwrap();
    other.set_port_user_linkup_enabled(d4, true).unwrap();
    assert_eq!(ports(&take_changes(&mut team)), indices(&["d3", "d5", "d0", "d4", "d1"]));
}

#[test]
fn options_are_in_order_of_their_first_message() {
    let (mut team, mut other) = scene(LinkScope::Team);
    let [d0, _, d2, ..] = NAMES.map(index);
    // Some options are set by this handle, some by another one.
    other.set_mcast_rejoin_count(5).unwrap();
    team.set_port_priority(d2, 9).unwrap();
    other.set_notify_peers_count(4).unwrap();
    team.set_active_port(d2).unwrap();
    team.set_port_priority(d0, 8).unwrap();
    other.set_mcast_rejoin_count(6).unwrap();
    let expected = [
        OptionId::global("mcast_rejoin_count"),
        OptionId::port("priority", d2),
        OptionId::global("notify_peers_count"),
        OptionId::global("activeport"),
        OptionId::port("priority", d0),
    ];
    assert_eq!(options(&take_changes(&mut team)), expected);
}

#[test]
fn options_keep_the_order_of_one_message() {
    let (mut team, mut other) = scene(LinkScope::Team);
    for port in &NAMES[..4] {
        other.remove_port(index(port)).unwrap();
    }
    handle_until_quiet(&mut team);
    // The kernel announces the options of the new mode before the option `mode`.
    other.set_mode(Mode::LoadBalance).unwrap();
    let ids = options(&take_changes(&mut team));
    // The driver lists them in the same order.
    let fresh = TeamHandle::open("team0").unwrap();
    let is_of_mode = |id: &&OptionId| id.name.starts_with("lb_") || id.name == "bpf_hash_func";
    let listed: Vec<_> = fresh.options().map(libteam::TeamOption::id).filter(is_of_mode).collect();
    assert!(listed.len() > 256, "number of options: {}", listed.len());
    assert_eq!(ids.iter().filter(is_of_mode).collect::<Vec<_>>(), listed);
    assert_eq!(
        ids.first(),
        Some(&OptionId::global("activeport")),
        "the first option, a removed one"
    );
    assert_eq!(ids.last(), Some(&OptionId::global("mode")));
}

#[test]
fn links_are_in_order_of_their_first_message() {
    for (scope, expected) in [
        (LinkScope::All, vec!["d5", "d2", "d0", "team0", "d4"]),
        (LinkScope::Team, vec!["d2", "d0", "team0"]),
    ] {
        let (mut team, _other) = scene(scope);
        ip_batch(&[
            "link set d5 mtu 1401",
            "link set d2 alias first",
            "link set d2 address 02:00:00:00:00:02",
            "link set d0 address 02:00:00:00:00:03",
            "link set team0 address 02:00:00:00:00:04",
            "link set d4 mtu 1402",
            "link set d5 mtu 1403",
            "link set d0 address 02:00:00:00:00:05",
        ]);
        let changes = take_changes(&mut team);
        let links: Vec<_> = changes.links().map(|link| link.latest().name()).collect();
        assert_eq!(links, expected, "{scope:?}");
    }
}

/// Returns the change of a port.
fn port(changes: &Changes, ifindex: IfIndex) -> Change<libteam::Port> {
    changes
        .ports()
        .find(|port| port.latest().ifindex() == ifindex)
        .expect("a change of the port")
        .clone()
}

#[test]
fn port_released_and_added_again_is_recreated() {
    for scope in [LinkScope::Team, LinkScope::All] {
        let (mut team, mut other) = scene(scope);
        let d1 = index("d1");
        other.set_port_priority(d1, 7).unwrap();
        handle_until_quiet(&mut team);
        other.remove_port(d1).unwrap();
        other.add_port(d1).unwrap();
        let changes = take_changes(&mut team);
        let change = port(&changes, d1);
        assert!(
            change.is_recreated() && !change.is_removed() && !change.is_added(),
            "expected a recreated port: {change:?}"
        );
        assert!(change.before().is_some() && change.after().is_some());
        let of_port = |option: &&Change<libteam::TeamOption>| option.latest().id().port == Some(d1);
        assert!(changes.options().filter(of_port).count() > 3);
        assert!(
            changes.options().filter(of_port).all(Change::is_recreated),
            "expected recreated options only: {changes:#?}"
        );
        assert_eq!(team.port_priority(d1), Some(0), "the priority of the new port");
        // The link itself existed all the time.
        let links: Vec<_> = changes.links().filter(|link| link.is_recreated()).collect();
        assert!(links.is_empty(), "expected no change of the port's link: {links:#?}");
        assert_eq!(changes.ports().filter(|port| port.is_recreated()).count(), 1);
    }
}

#[test]
fn port_link_with_reused_index_is_recreated() {
    for scope in [LinkScope::Team, LinkScope::All] {
        let (mut team, mut other) = scene(scope);
        let d1 = index("d1");
        ip_batch(&[
            "link del d1".to_owned(),
            format!("link add new index {d1} type veth peer name far"),
        ]);
        other.add_port(d1).unwrap();
        let changes = take_changes(&mut team);
        assert!(
            port(&changes, d1).is_recreated(),
            "{scope:?}: expected a recreated port: {changes:#?}"
        );
        let link = changes.links().find(|link| link.latest().ifindex() == d1).unwrap();
        assert!(link.is_recreated(), "{scope:?}: expected a recreated link: {link:#?}");
        assert_eq!((link.before().unwrap().name(), link.latest().name()), ("d1", "new"));
        let others = changes.links().filter(|link| link.latest().ifindex() != d1);
        assert_eq!(others.filter(|link| link.is_recreated()).count(), 0);
    }
}

#[test]
fn unrelated_link_with_reused_index_is_recreated() {
    let (mut team, _other) = scene(LinkScope::All);
    let d5 = index("d5");
    ip_batch(&["link del d5".to_owned(), format!("link add new index {d5} type dummy")]);
    let changes = take_changes(&mut team);
    let link = changes.links().find(|link| link.latest().ifindex() == d5).unwrap();
    assert!(link.is_recreated() && !link.is_removed(), "expected a recreated link: {link:#?}");
}

#[test]
fn changed_object_is_not_recreated() {
    let (mut team, mut other) = scene(LinkScope::All);
    let [d0, _, d2, d3, d4, _] = NAMES.map(index);
    other.set_port_priority(d0, 3).unwrap();
    other.set_port_user_linkup(d0, false).unwrap();
    other.set_port_user_linkup_enabled(d0, true).unwrap();
    ip("link set d1 down");
    ip("link set d1 up");
    ip("link set d5 mtu 1400");
    // A port that is removed in the end, and one that is new, each after several changes.
    for _ in 0..2 {
        other.remove_port(d2).unwrap();
        other.add_port(d2).unwrap();
    }
    other.remove_port(d2).unwrap();
    for _ in 0..2 {
        other.add_port(d4).unwrap();
        other.remove_port(d4).unwrap();
    }
    other.add_port(d4).unwrap();
    let changes = take_changes(&mut team);
    assert!(
        changes.ports().all(|port| !port.is_recreated()),
        "a port counts as recreated: {changes:#?}"
    );
    assert!(
        changes.links().all(|link| !link.is_recreated()),
        "a link counts as recreated: {changes:#?}"
    );
    assert!(
        changes.options().all(|option| !option.is_recreated()),
        "an option counts as recreated: {changes:#?}"
    );
    assert!(port(&changes, d2).is_removed() && port(&changes, d4).is_added());
    let priority = OptionId::port("priority", d0);
    let change = changes.options().find(|option| *option.latest().id() == priority).unwrap();
    assert!(!change.is_added() && !change.is_removed(), "expected a changed link: {change:#?}");
    // In two batches, the same is a removal and an addition.
    other.remove_port(d3).unwrap();
    assert!(port(&take_changes(&mut team), d3).is_removed());
    other.add_port(d3).unwrap();
    let change = port(&take_changes(&mut team), d3);
    assert!(change.is_added() && !change.is_recreated());
}

#[test]
fn option_of_mode_set_again_is_recreated() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    take_changes(&mut team);
    let mut other = TeamHandle::open("team0").unwrap();
    other.set_mode(Mode::Random).unwrap();
    other.set_mode(Mode::ActiveBackup).unwrap();
    let changes = take_changes(&mut team);
    let of = |name: &str| {
        changes.options().find(|option| option.latest().id().name == name).expect("it changed")
    };
    assert!(
        of("activeport").is_recreated() && !of("mode").is_recreated(),
        "expected activeport recreated and mode changed: {changes:#?}"
    );
}
