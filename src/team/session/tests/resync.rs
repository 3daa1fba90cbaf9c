//! What was lost is asked for again.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::*;
use crate::testing::log_record::recorded;

#[test]
fn either_socket_that_overran_makes_everything_be_asked_again() {
    for team_overran in [false, true] {
        let mut scene = Scene::new();
        let script = if team_overran { &scene.team_events } else { &scene.link_events };
        script.then([
            Step::Fails(Errno::ENOBUFS),
            Step::event(&[link(66, "stale", &[])]),
            Step::Silence,
        ]);
        scene.rtnl.then([links(&[team0(), port(4, "eth2"), link(1, "lo2", &[])]), no_such_link()]);
        scene.genl.then([ports(&[4]), options(&["random"])]);
        let changes = scene.changes();
        assert!(changes.is_resynced() && !changes.is_inconsistent());
        assert_eq!(scene.link_names(), ["lo2", "team0", "eth2"]);
        assert_eq!(scene.port_indices(), [4]);
        assert_eq!(removed_names(&changes), ["eth1"]);
        assert_eq!(
            (changes.links().len(), changes.ports().len(), changes.options().len()),
            (3, 2, 1)
        );
        assert_eq!(scene.changes(), Changes::default());
        scene.assert_played();
    }
}

#[test]
fn an_option_keeps_the_name_of_its_port_when_everything_is_asked_again() {
    let mut scene = Scene::new();
    let id = [attribute(1, b"enabled\0"), attribute(6, &3_u32.to_ne_bytes())].concat();
    let item = [id, attribute(3, &[6]), attribute(4, &[])].concat();
    let list =
        genl_message(2, &[attribute(1, &TEAM.to_ne_bytes()), attribute(2, &attribute(1, &item))]);
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.genl.then([ports(&[3]), Step::answer(&[list, bare_done()])]);
    scene.changes();
    let texts: Vec<_> = scene.session.cache().options().iter().map(ToString::to_string).collect();
    assert_eq!(texts, [" enabled (port:eth1) true"]);
    scene.assert_played();
}

#[test]
fn what_comes_while_resyncing_is_in_the_same_batch() {
    let mut scene = Scene::new();
    scene.link_events.then(overrun());
    // The dump is newer than the first of these events.
    let gone = link_message(link::RTM_DELLINK, 0, 3, "eth1", &[]);
    scene.link_events.then([Step::event(&[gone]), Step::event(&[port(3, "eth1")])]);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    let changes = scene.changes();
    assert_eq!(changes.links().len(), 0, "a link that exists was never told to be gone");
    scene.assert_played();
}

#[test]
fn the_order_of_what_went_and_came_back_while_it_was_listed_is_asked_for_again() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    // The list is newer than these: 3 went and came back before 4 came.
    scene.team_events.then([
        Step::event(&[port_list(&[3], &[2, 6]), bare_done()]),
        Step::event(&[port_list(&[3], &[2]), bare_done()]),
        Step::event(&[port_list(&[4], &[2]), bare_done()]),
    ]);
    for _ in 0..2 {
        scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
        scene.genl.then([ports(&[3, 4]), options(&["roundrobin"])]);
    }
    let changes = scene.changes();
    assert!(changes.is_resynced() && !changes.ports().any(Change::is_removed));
    assert_eq!(scene.port_indices(), [3, 4]);
    assert!(!scene.session.is_pending());
    scene.assert_played();
}

#[test]
fn events_that_are_lost_again_and_again_do_not_hold_the_caller() {
    let mut scene = Scene::new();
    for round in 0..9 {
        scene.link_events.then(overrun());
        scene.rtnl.then([links(&[lo(), team0(), port(3, &format!("round{round}"))])]);
        scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    }
    assert_eq!(scene.changes().links().next().unwrap().latest().name(), "round3");
    assert!(scene.link_events.left() > 0);
    assert!(scene.session.is_pending(), "the rest is left to the next call");
    assert_eq!(scene.changes().links().next().unwrap().latest().name(), "round7");
}

#[test]
fn an_interrupted_dump_is_repeated_and_then_believed() {
    let mut scene = Scene::new();
    scene.link_events.then(overrun());
    scene.rtnl.then([
        interrupted_links(&[port(3, "eth1")]),
        links(&[lo(), team0()]),
        no_such_link(),
    ]);
    scene.genl.then([ports(&[]), options(&["roundrobin"])]);
    let changes = scene.changes();
    assert_eq!(removed_names(&changes), ["eth1"]);
    assert!(!changes.is_inconsistent());
    scene.assert_played();
}

#[test]
fn what_a_dump_lacks_is_asked_for_before_it_is_gone() {
    // Some kernels skip a link without a mark.
    for is_marked in [true, false] {
        let mut scene = Scene::new();
        scene.link_events.then([Step::event(&[link(4, "eth2", &[])]), Step::Silence]);
        scene.changes();
        scene.link_events.then(overrun());
        let interrupted = (0..3).map(|_| interrupted_links(&[team0()]));
        scene.rtnl.then(if is_marked {
            interrupted.collect()
        } else {
            vec![links(&[lo(), team0()])]
        });
        // In the order of their index: eth1 is there by another name, eth2 is gone.
        scene.rtnl.then([one(port(3, "eth9")), no_such_link()]);
        scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
        let changes = scene.changes();
        assert_eq!((changes.is_inconsistent(), changes.is_resynced()), (is_marked, true));
        assert_eq!(removed_names(&changes), ["eth2"]);
        assert_eq!(scene.link_names(), ["lo", "team0", "eth9"]);
        scene.assert_played();
    }
}

#[test]
fn a_receive_buffer_that_may_not_grow_keeps_nothing_from_being_asked_again() {
    let mut scene = Scene::new();
    scene.session.link_events =
        MulticastSocket::new(scene.link_events.clone()).with_max_recv_buffer(1 << 20);
    scene.link_events.refuse_buffers();
    scene.link_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "renamed")])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    assert!(scene.changes().is_resynced());
    assert_eq!(scene.link_names(), ["lo", "team0", "renamed"]);
    scene.assert_played();
}

#[test]
fn a_resync_that_fails_is_an_error_and_tried_again() {
    let mut scene = Scene::new();
    scene.link_events.then(overrun());
    scene.rtnl.then([Step::answer(&[done(-12)])]);
    let error = scene.session.update().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(12), "{error}");
    assert!(scene.session.is_pending(), "the loss is not forgotten");
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    let changes = scene.changes();
    assert!(changes.is_resynced());
    assert_eq!(changes.links().len(), 1);
    assert!(!scene.session.is_pending());
    scene.assert_played();
}

#[test]
fn a_team_that_goes_while_it_is_listed_is_news_and_no_error() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")]), Step::answer(&[ack(-19)])]);
    scene.genl.then([Step::answer(&[ack(-22)])]);
    let changes = scene.changes();
    assert_eq!(removed_names(&changes), ["team0"]);
    assert_eq!(changes.ports().filter(|change| change.is_removed()).count(), 1);
    assert_eq!(changes.options().filter(|change| change.is_removed()).count(), 1);
    assert!(
        matches!(scene.session.ensure_exists(), Err(Error::DeviceGone { device, .. }) if device == "team0")
    );
    scene.assert_played();
}

#[test]
fn a_team_that_is_deleted_and_made_anew_while_it_is_listed_is_news_and_no_error() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.link_events.then([Step::Silence]);
    let gone = link_message(link::RTM_DELLINK, 0, TEAM, "team0", &[]);
    scene.link_events.then([Step::event(&[gone]), Step::event(&[team0()])]);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")]), Step::answer(&[team0(), ack(0)])]);
    scene.genl.then([Step::answer(&[ack(-22)]), ports(&[]), options(&["random"])]);
    let changes = scene.changes();
    assert!(
        changes.is_resynced()
            && changes.ports().all(Change::is_removed)
            && changes.options().all(Change::is_removed)
    );
    assert_eq!((changes.ports().len(), changes.options().len()), (1, 1));
    scene.session.ensure_exists().unwrap_err();
    scene.assert_played();
}

#[test]
fn a_driver_that_says_again_and_again_that_there_is_no_team_though_there_is_one_is_an_error() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.rtnl.then((0..MAX_EINVAL_RETRIES).map(|_| Step::answer(&[team0(), ack(0)])));
    scene.genl.then((0..MAX_EINVAL_RETRIES).map(|_| Step::answer(&[ack(-22)])));
    assert_eq!(scene.session.update().unwrap_err().raw_os_error(), Some(22));
    assert!(scene.session.is_pending(), "the loss is not forgotten");
    scene.assert_played();
}

#[test]
fn failed_resync_makes_an_edge_each_time() {
    let Scene { session, rtnl, genl, link_events, team_events } = Scene::new();
    let readiness = ReadyFd::new(&[link_events.as_fd(), team_events.as_fd()]).unwrap();
    let mut handle = TeamHandle::new(session, readiness, None).unwrap();
    let edges = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    edges.add(&handle, EpollEvent::new(flags, 0)).unwrap();
    let is_edge = || edges.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO).unwrap() > 0;
    assert!(!is_edge());
    link_events.then(overrun());
    for _ in 0..3 {
        rtnl.then([Step::answer(&[done(-12)])]);
        handle.handle_events().unwrap_err();
        assert!(is_edge() && !is_edge());
    }
    rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    genl.then([ports(&[3]), options(&["roundrobin"])]);
    assert!(handle.handle_events().unwrap().is_resynced());
    assert!(!is_edge());
}

/// Loses events while the driver refuses its lists, and returns what is reported then.
fn lose_without_net_admin(scene: &mut Scene) -> Changes {
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])]), one(team0())]);
    scene.genl.then([refused()]);
    scene.changes()
}

#[test]
fn lists_that_the_driver_refuses_leave_links_reported() {
    let mut scene = Scene::new();
    scene.team_events.give_net_admin(false);
    let (changes, warnings) = recorded(|| lose_without_net_admin(&mut scene));
    assert!(changes.is_resynced() && changes.is_inconsistent());
    assert_eq!(changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(), ["eth2"]);
    assert_eq!(scene.port_indices(), [3], "what was known is kept");
    let refused = "listing the ports of team0: operation not permitted (EPERM)";
    assert!(
        warnings.iter().any(|line| line.contains("CAP_NET_ADMIN") && line.ends_with(refused)),
        "{warnings:?}"
    );
    assert!(!scene.session.is_pending(), "it would be asked again and again");
    // Events are enough to go on, and nothing is asked of the driver.
    scene.link_events.then([Step::event(&[link(4, "renamed", &[])])]);
    scene.team_events.then([Step::event(&[port_list(&[4], &[2, 3]), bare_done()])]);
    let changes = scene.changes();
    assert_eq!((changes.links().len(), changes.ports().len()), (1, 1));
    assert!(!changes.is_resynced() && !changes.is_inconsistent());
    scene.assert_played();
}

#[test]
fn refused_lists_are_read_when_the_capability_is_back() {
    let mut scene = Scene::new();
    scene.team_events.give_net_admin(false);
    lose_without_net_admin(&mut scene);
    scene.team_events.give_net_admin(true);
    assert!(scene.session.is_pending());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])])]);
    scene.genl.then([ports(&[3]), options(&["random"])]);
    let changes = scene.changes();
    assert!(changes.is_resynced() && !changes.is_inconsistent());
    assert_eq!(changes.options().len(), 1);
    assert!(!scene.session.is_pending());
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn refused_lists_are_read_by_a_refresh_where_the_capability_says_nothing() {
    // As of another user namespace, or where a security module decides.
    let mut scene = Scene::new();
    lose_without_net_admin(&mut scene);
    assert!(!scene.session.is_pending(), "it would be asked again and again");
    let attempts = [
        (vec![refused()], true),
        (vec![ports(&[3]), refused()], true),
        (vec![ports(&[3]), options(&["random"])], false),
    ];
    for (answers, is_refused) in attempts {
        scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])])]);
        scene.rtnl.then(is_refused.then(|| one(team0())));
        scene.genl.then(answers);
        scene.session.refresh(true).unwrap();
        let changes = scene.session.take_changes();
        assert_eq!(
            (changes.is_inconsistent(), changes.options().len()),
            (is_refused, usize::from(!is_refused))
        );
        assert_eq!(changes.is_resynced(), !is_refused, "what was lost is known now");
        assert!(!scene.session.is_pending());
        scene.assert_played();
    }
}
