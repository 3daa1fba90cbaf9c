use super::*;
use crate::netlink::filter;

fn index(ifindex: u32) -> IfIndex {
    IfIndex::new(ifindex).unwrap()
}

fn indices(indices: &[u32]) -> BTreeSet<IfIndex> {
    indices.iter().copied().map(index).collect()
}

/// Returns a session that tracks `team0` and its port `eth1`.
fn scene() -> Scene {
    let event_filter = EventFilter::new(index(TEAM), indices(&[TEAM, 3]));
    let scene = Scene::starting_with(
        [links(&[port(3, "eth1")]), one(team0())],
        LinkScope::Team,
        Some(event_filter),
    );
    assert_eq!(scene.link_events.filters(), [], "filters that were set after the first one");
    scene.assert_played();
    scene
}

fn assert_filter_contains(scene: &Scene, links: &[u32]) {
    let program = filter::link_events(index(TEAM), &indices(links));
    assert_eq!(scene.link_events.filters().last(), Some(&program), "last filter, for {links:?}");
}

#[test]
fn new_port_is_requested_after_the_filter_is_set() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([one(port(4, "renamed"))]);
    let changes = scene.changes();
    assert_eq!(
        changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(),
        ["renamed"]
    );
    assert_filter_contains(&scene, &[TEAM, 3, 4]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "renamed"]);
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn events_are_read_before_a_new_port_is_requested() {
    let mut scene = scene();
    // `Silence` separates the events before the filter is set from those that the old filter
    // passed.
    scene.link_events.then([
        Step::event(&[port(4, "eth2")]),
        Step::Silence,
        Step::event(&[port(4, "old")]),
    ]);
    scene.rtnl.then([one(link(4, "released", &[]))]);
    let changes = scene.changes();
    assert_eq!(changes, Changes::default(), "changes of a link that was added and released");
    assert_filter_contains(&scene, &[TEAM, 3]);
    scene.assert_played();
}

#[test]
fn new_port_deleted_before_filter_is_set_is_no_change() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([no_such_link()]);
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn failed_request_for_a_new_port_is_repeated() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([Step::answer(&[ack(-12)])]);
    scene.session.update().unwrap_err();
    assert!(scene.session.is_pending(), "the failed request is not pending");
    scene.rtnl.then([one(port(4, "eth2"))]);
    assert_eq!(scene.changes().links().len(), 1);
    scene.assert_played();
}

#[test]
fn released_port_is_released_and_deleted_port_removed() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[link(3, "eth1", &[])])]);
    scene.team_events.then([Step::event(&[port_list(&[3], &[2, 6])])]);
    let changes = scene.changes();
    let released = changes.links().next().unwrap();
    assert!(
        released.is_released()
            && !released.is_removed()
            && released.after().is_none()
            && released.latest().master().is_none()
    );
    assert_eq!(scene.link_names(), ["team0"]);
    assert_filter_contains(&scene, &[TEAM]);

    scene.link_events.then([Step::event(&[port(3, "eth1")])]);
    scene.rtnl.then([one(port(3, "eth1"))]);
    assert!(scene.changes().links().next().unwrap().is_added());
    let deletion = link_message(link::RTM_DELLINK, 0, 3, "eth1", &[]);
    scene.link_events.then([Step::event(&[link(3, "eth1", &[])]), Step::event(&[deletion])]);
    assert_eq!(removed_names(&scene.changes()), ["eth1"]);
    scene.assert_played();
}

#[test]
fn resync_requests_ports_and_missing_links() {
    let mut scene = scene();
    scene.link_events.then(overrun());
    // An old kernel sends links of other masters too.
    let rest = [one(team0()), one(link(3, "eth1", &[]))];
    scene.rtnl.then([links(&[lo(), port(4, "eth2"), link(5, "other", &[])])]);
    scene.rtnl.then(rest);
    scene.genl.then([ports(&[4]), options(&["roundrobin"])]);
    // The new port was not in the filter.
    scene.rtnl.then([one(port(4, "eth2"))]);
    let changes = scene.changes();
    assert!(changes.is_resynced());
    assert_eq!(removed_names(&changes), [""; 0], "removed links after the release of a port");
    assert_eq!(scene.link_names(), ["team0", "eth2"]);
    assert_filter_contains(&scene, &[TEAM, 4]);
    scene.assert_played();
}

#[test]
fn too_many_ports_for_a_filter_remove_the_filter() {
    let mut scene = scene();
    let many: Vec<u32> = (4..3000).collect();
    for part in many.chunks(200) {
        scene
            .link_events
            .then([Step::event(&part.iter().map(|each| port(*each, "eth")).collect::<Vec<_>>())]);
    }
    scene.rtnl.then(many.iter().map(|each| one(port(*each, "eth"))));
    assert_eq!(scene.changes().links().len(), many.len());
    assert_eq!(scene.link_events.filters().last(), Some(&None));
    // Without a filter, a new port needs no request. With few ports, a filter is set again.
    scene.link_events.then([Step::event(&[port(3000, "eth")])]);
    assert_eq!(scene.changes().links().len(), 1);
    for part in many.chunks(200) {
        scene.link_events.then([Step::event(
            &part.iter().map(|each| link(*each, "eth", &[])).collect::<Vec<_>>(),
        )]);
    }
    assert_eq!(scene.changes().links().len(), many.len());
    assert_filter_contains(&scene, &[TEAM, 3, 3000]);
    scene.assert_played();
}

#[test]
fn filter_that_fits_without_the_old_one_is_set() {
    let mut scene = scene();
    scene.link_events.refuse_filters(1);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    // The state of the new port, of which the old filter dropped events.
    scene.rtnl.then([one(port(4, "renamed"))]);
    assert_eq!(scene.changes().links().len(), 1);
    let program = filter::link_events(index(TEAM), &indices(&[TEAM, 3, 4]));
    assert_eq!(scene.link_events.filters(), [program.clone(), None, program]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "renamed"]);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    assert_eq!(scene.changes().links().len(), 1);
    assert_eq!(scene.link_events.filters().len(), 3, "attempts to set a filter that is set");
    assert_eq!(scene.session.statistics().filter_fallbacks, 0);
    scene.assert_played();
}

#[test]
fn rejected_filter_is_set_again_after_more_events() {
    let mut scene = scene();
    scene.link_events.refuse_filters(usize::MAX);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([one(port(4, "eth2"))]);
    assert_eq!(scene.changes().links().len(), 1);
    let program = filter::link_events(index(TEAM), &indices(&[TEAM, 3, 4]));
    assert_eq!(scene.link_events.filters(), [program.clone(), None, program.clone()]);
    scene.changes();
    assert_eq!(scene.link_events.filters().len(), 3, "attempts to set the filter without events");
    assert_eq!(scene.session.statistics().filter_fallbacks, 1);
    let mut after = vec![];
    for number in 1..4000 {
        let before = scene.link_events.filters().len();
        scene.link_events.then([Step::event(&[link(5, "other", &[])])]);
        assert_eq!(scene.changes(), Changes::default());
        after.extend((scene.link_events.filters().len() > before).then_some(number));
    }
    assert_eq!(after, [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 3071]);
    // A new port needs a request only when a filter is set.
    scene.link_events.then([Step::event(&[port(6, "eth3")])]);
    assert_eq!(scene.changes().links().len(), 1);
    scene.link_events.refuse_filters(0);
    scene.link_events.then([Step::event(&[port(7, "eth4")])]);
    scene.rtnl.then([one(port(7, "renamed"))]);
    assert_eq!(scene.changes().links().len(), 1);
    assert_filter_contains(&scene, &[TEAM, 3, 4, 6, 7]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "eth2", "eth3", "renamed"]);
    scene.assert_played();
}

#[test]
fn resync_sets_a_rejected_filter_again() {
    let mut scene = scene();
    scene.link_events.refuse_filters(2);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([one(port(4, "eth2"))]);
    scene.changes();
    assert_eq!(scene.link_events.filters().len(), 3);
    scene.rtnl.then([links(&[port(3, "eth1"), port(4, "eth2")]), one(team0())]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    scene.session.refresh(false).unwrap();
    assert_eq!(scene.changes(), Changes::default());
    assert_filter_contains(&scene, &[TEAM, 3, 4]);
    assert_eq!(scene.link_events.filters().len(), 4);
    scene.assert_played();
}

#[test]
fn port_missing_in_a_dump_is_requested() {
    let event_filter = || Some(EventFilter::new(index(TEAM), indices(&[TEAM, 3])));
    let dumps = [
        vec![interrupted_links(&[]), interrupted_links(&[]), interrupted_links(&[])],
        vec![links(&[])],
    ];
    for dump in dumps {
        let is_marked = dump.len() > 1;
        let answers = dump.into_iter().chain([one(team0()), one(port(3, "eth1"))]);
        let mut scene = Scene::starting_with(answers, LinkScope::Team, event_filter());
        assert_eq!(scene.link_names(), ["team0", "eth1"]);
        assert_eq!(scene.session.cache().ports().iter().next().unwrap().name(), Some("eth1"));
        assert_eq!(scene.changes().is_inconsistent(), is_marked);
        scene.assert_played();
    }
}

#[test]
fn port_of_new_team_with_same_index_is_released() {
    let mut scene = scene();
    let deletion = link_message(link::RTM_DELLINK, 0, TEAM, "team0", &[]);
    scene.link_events.then([Step::event(&[deletion]), Step::event(&[port(3, "eth1")])]);
    let changes = scene.changes();
    assert_eq!(removed_names(&changes), ["team0"]);
    let released: Vec<&str> = changes
        .links()
        .filter(|change| change.is_released())
        .map(|change| change.latest().name())
        .collect();
    assert_eq!(released, ["eth1"]);
    assert_eq!(scene.link_names(), [""; 0]);
    scene.assert_played();
}

#[test]
fn other_device_with_index_of_the_team_is_not_tracked() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[link(TEAM, "other", &[])])]);
    assert_eq!(removed_names(&scene.changes()), ["team0"]);
    assert!(scene.session.ensure_exists().is_err());
    assert_eq!(scene.link_names(), ["eth1"], "tracked links before the release of eth1");
    scene.assert_played();
}

#[test]
fn new_port_is_requested_if_budget_ends_at_last_event() {
    let mut scene = scene();
    let budget = MulticastSocket::new(scene.link_events.clone()).budget();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.link_events.then((1..budget).map(|_| Step::event(&[lo()])));
    assert_eq!(scene.changes().links().len(), 1);
    assert!(scene.session.is_pending(), "the request for the new port is not pending");
    scene.rtnl.then([one(link(4, "released", &[]))]);
    assert!(scene.changes().links().next().unwrap().is_released());
    assert!(!scene.session.is_pending());
    assert_filter_contains(&scene, &[TEAM, 3]);
    scene.assert_played();
}
