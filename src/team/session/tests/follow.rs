use super::*;
use crate::netlink::filter;

fn index(ifindex: u32) -> IfIndex {
    IfIndex::new(ifindex).unwrap()
}

fn indices(indices: &[u32]) -> BTreeSet<IfIndex> {
    indices.iter().copied().map(index).collect()
}

/// Follows `team0` and its port `eth1`.
fn scene() -> Scene {
    let follow = EventFilter::new(index(TEAM), indices(&[TEAM, 3]));
    let scene = Scene::starting_with(
        [links(&[port(3, "eth1")]), one(team0())],
        LinkScope::Team,
        Some(follow),
    );
    assert_eq!(scene.link_events.filters(), [], "the filter fits already");
    scene.assert_played();
    scene
}

fn assert_filter_names(scene: &Scene, wanted: &[u32]) {
    let program = filter::link_events(index(TEAM), &indices(wanted));
    assert_eq!(scene.link_events.filters().last(), Some(&program), "not {wanted:?}");
}

#[test]
fn a_link_that_became_a_port_is_looked_at_once_more_when_the_filter_names_it() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([one(port(4, "renamed"))]);
    let changes = scene.changes();
    assert_eq!(
        changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(),
        ["renamed"]
    );
    assert_filter_names(&scene, &[TEAM, 3, 4]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "renamed"]);
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn what_the_old_filter_let_through_is_read_before_a_new_port_is_looked_at() {
    let mut scene = scene();
    // Silence ends what was there when the filter was set; after it comes what that let through.
    scene.link_events.then([
        Step::event(&[port(4, "eth2")]),
        Step::Silence,
        Step::event(&[port(4, "old")]),
    ]);
    scene.rtnl.then([one(link(4, "released", &[]))]);
    let changes = scene.changes();
    assert_eq!(changes, Changes::default(), "it came and left: {changes:?}");
    assert_filter_names(&scene, &[TEAM, 3]);
    scene.assert_played();
}

#[test]
fn a_new_port_that_was_deleted_before_the_filter_named_it_is_no_change() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([no_such_link()]);
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn a_question_that_fails_is_asked_again() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([Step::answer(&[ack(-12)])]);
    scene.session.update().unwrap_err();
    assert!(scene.session.is_pending(), "nobody would come back to it");
    scene.rtnl.then([one(port(4, "eth2"))]);
    assert_eq!(scene.changes().links().len(), 1);
    scene.assert_played();
}

#[test]
fn a_port_that_is_released_leaves_and_one_that_is_deleted_is_removed() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[link(3, "eth1", &[])])]);
    scene.team_events.then([Step::event(&[port_list(&[3], &[2, 6])])]);
    let changes = scene.changes();
    let left = changes.links().next().unwrap();
    assert!(
        left.is_released()
            && !left.is_removed()
            && left.after().is_none()
            && left.latest().master().is_none()
    );
    assert_eq!(scene.link_names(), ["team0"]);
    assert_filter_names(&scene, &[TEAM]);

    scene.link_events.then([Step::event(&[port(3, "eth1")])]);
    scene.rtnl.then([one(port(3, "eth1"))]);
    assert!(scene.changes().links().next().unwrap().is_added());
    let deletion = link_message(link::RTM_DELLINK, 0, 3, "eth1", &[]);
    scene.link_events.then([Step::event(&[link(3, "eth1", &[])]), Step::event(&[deletion])]);
    assert_eq!(removed_names(&scene.changes()), ["eth1"]);
    scene.assert_played();
}

#[test]
fn a_resync_asks_for_the_ports_and_for_what_is_missing_among_them() {
    let mut scene = scene();
    scene.link_events.then(overrun());
    // As an old kernel would, it sends links of no concern too.
    let rest = [one(team0()), one(link(3, "eth1", &[]))];
    scene.rtnl.then([links(&[lo(), port(4, "eth2"), link(5, "other", &[])])]);
    scene.rtnl.then(rest);
    scene.genl.then([ports(&[4]), options(&["roundrobin"])]);
    // The new port came into the filter late.
    scene.rtnl.then([one(port(4, "eth2"))]);
    let changes = scene.changes();
    assert!(changes.is_resynced());
    assert_eq!(removed_names(&changes), [""; 0], "a port that was released exists");
    assert_eq!(scene.link_names(), ["team0", "eth2"]);
    assert_filter_names(&scene, &[TEAM, 4]);
    scene.assert_played();
}

#[test]
fn more_ports_than_a_filter_can_name_let_everything_pass() {
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
    // No gap while all passes, and a filter again when there are few.
    scene.link_events.then([Step::event(&[port(3000, "eth")])]);
    assert_eq!(scene.changes().links().len(), 1);
    for part in many.chunks(200) {
        scene.link_events.then([Step::event(
            &part.iter().map(|each| link(*each, "eth", &[])).collect::<Vec<_>>(),
        )]);
    }
    assert_eq!(scene.changes().links().len(), many.len());
    assert_filter_names(&scene, &[TEAM, 3, 3000]);
    scene.assert_played();
}

#[test]
fn filter_that_fits_without_the_old_one_is_set_again() {
    let mut scene = scene();
    scene.link_events.refuse_filters(1);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    // What the old filter dropped of the new port.
    scene.rtnl.then([one(port(4, "renamed"))]);
    assert_eq!(scene.changes().links().len(), 1);
    let program = filter::link_events(index(TEAM), &indices(&[TEAM, 3, 4]));
    assert_eq!(scene.link_events.filters(), [program.clone(), None, program]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "renamed"]);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    assert_eq!(scene.changes().links().len(), 1);
    assert_eq!(scene.link_events.filters().len(), 3, "it is in place");
    assert_eq!(scene.session.statistics().filter_fallbacks, 0);
    scene.assert_played();
}

#[test]
fn refused_filter_is_set_again_after_ever_more_events() {
    let mut scene = scene();
    scene.link_events.refuse_filters(usize::MAX);
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.rtnl.then([one(port(4, "eth2"))]);
    assert_eq!(scene.changes().links().len(), 1);
    let program = filter::link_events(index(TEAM), &indices(&[TEAM, 3, 4]));
    assert_eq!(scene.link_events.filters(), [program.clone(), None, program.clone()]);
    scene.changes();
    assert_eq!(scene.link_events.filters().len(), 3, "there was no event");
    assert_eq!(scene.session.statistics().filter_fallbacks, 1);
    let mut after = vec![];
    for number in 1..4000 {
        let before = scene.link_events.filters().len();
        scene.link_events.then([Step::event(&[link(5, "other", &[])])]);
        assert_eq!(scene.changes(), Changes::default());
        after.extend((scene.link_events.filters().len() > before).then_some(number));
    }
    assert_eq!(after, [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 3071]);
    // A new port needs no second look while everything passes, and one when a filter is in place.
    scene.link_events.then([Step::event(&[port(6, "eth3")])]);
    assert_eq!(scene.changes().links().len(), 1);
    scene.link_events.refuse_filters(0);
    scene.link_events.then([Step::event(&[port(7, "eth4")])]);
    scene.rtnl.then([one(port(7, "renamed"))]);
    assert_eq!(scene.changes().links().len(), 1);
    assert_filter_names(&scene, &[TEAM, 3, 4, 6, 7]);
    assert_eq!(scene.link_names(), ["team0", "eth1", "eth2", "eth3", "renamed"]);
    scene.assert_played();
}

#[test]
fn resync_sets_a_refused_filter_again() {
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
    assert_filter_names(&scene, &[TEAM, 3, 4]);
    assert_eq!(scene.link_events.filters().len(), 4);
    scene.assert_played();
}

#[test]
fn a_port_that_a_dump_skipped_is_asked_for() {
    let follow = || Some(EventFilter::new(index(TEAM), indices(&[TEAM, 3])));
    let dumps = [
        vec![interrupted_links(&[]), interrupted_links(&[]), interrupted_links(&[])],
        vec![links(&[])],
    ];
    for dump in dumps {
        let is_marked = dump.len() > 1;
        let answers = dump.into_iter().chain([one(team0()), one(port(3, "eth1"))]);
        let mut scene = Scene::starting_with(answers, LinkScope::Team, follow());
        assert_eq!(scene.link_names(), ["team0", "eth1"]);
        assert_eq!(scene.session.cache().ports().iter().next().unwrap().name(), Some("eth1"));
        assert_eq!(scene.changes().is_inconsistent(), is_marked);
        scene.assert_played();
    }
}

#[test]
fn a_port_that_another_team_of_the_same_index_took_has_left_though_it_looks_the_same() {
    let mut scene = scene();
    let deletion = link_message(link::RTM_DELLINK, 0, TEAM, "team0", &[]);
    scene.link_events.then([Step::event(&[deletion]), Step::event(&[port(3, "eth1")])]);
    let changes = scene.changes();
    assert_eq!(removed_names(&changes), ["team0"]);
    let left: Vec<&str> = changes
        .links()
        .filter(|change| change.is_released())
        .map(|change| change.latest().name())
        .collect();
    assert_eq!(left, ["eth1"]);
    assert_eq!(scene.link_names(), [""; 0]);
    scene.assert_played();
}

#[test]
fn another_device_with_the_index_of_the_team_is_none_of_its_links() {
    let mut scene = scene();
    scene.link_events.then([Step::event(&[link(TEAM, "other", &[])])]);
    assert_eq!(removed_names(&scene.changes()), ["team0"]);
    assert!(scene.session.ensure_exists().is_err());
    assert_eq!(scene.link_names(), ["eth1"], "its release is still to come");
    scene.assert_played();
}

#[test]
fn a_new_port_is_looked_at_though_the_events_end_just_where_reading_stops() {
    let mut scene = scene();
    let budget = MulticastSocket::new(scene.link_events.clone()).budget();
    scene.link_events.then([Step::event(&[port(4, "eth2")])]);
    scene.link_events.then((1..budget).map(|_| Step::event(&[lo()])));
    assert_eq!(scene.changes().links().len(), 1);
    assert!(scene.session.is_pending(), "nobody would come back to it");
    scene.rtnl.then([one(link(4, "released", &[]))]);
    assert!(scene.changes().links().next().unwrap().is_released());
    assert!(!scene.session.is_pending());
    assert_filter_names(&scene, &[TEAM, 3]);
    scene.assert_played();
}
