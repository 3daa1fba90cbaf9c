//! Resyncs after lost events.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::*;
use crate::testing::log_record::recorded;

#[test]
fn overrun_of_either_socket_causes_a_resync() {
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
fn resync_keeps_port_names_of_options() {
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
fn events_during_a_resync_are_in_the_same_batch() {
    let mut scene = Scene::new();
    scene.link_events.then(overrun());
    // The dump is newer than the first of these events.
    let gone = link_message(link::RTM_DELLINK, 0, 3, "eth1", &[]);
    scene.link_events.then([Step::event(&[gone]), Step::event(&[port(3, "eth1")])]);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    let changes = scene.changes();
    assert_eq!(changes.links().len(), 0, "changes of a link that was removed and added again");
    scene.assert_played();
}

#[test]
fn port_readded_during_a_resync_is_listed_again() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    // Events that are older than the list: 3 was removed and added again before 4 was added.
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
fn repeated_losses_end_the_update_after_some_rounds() {
    let mut scene = Scene::new();
    for round in 0..9 {
        scene.link_events.then(overrun());
        scene.rtnl.then([links(&[lo(), team0(), port(3, &format!("round{round}"))])]);
        scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    }
    assert_eq!(scene.changes().links().next().unwrap().latest().name(), "round3");
    assert!(scene.link_events.left() > 0);
    assert!(scene.session.is_pending(), "the remaining rounds are not pending");
    assert_eq!(scene.changes().links().next().unwrap().latest().name(), "round7");
}

#[test]
fn interrupted_dump_is_repeated_and_applied() {
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
fn link_missing_in_a_dump_is_requested() {
    // Some kernels skip a link without marking the dump as interrupted.
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
        // In the order of the index: eth1 exists with another name, eth2 was deleted.
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
fn resync_succeeds_if_the_receive_buffer_cannot_grow() {
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
fn failed_resync_is_an_error_and_repeated() {
    let mut scene = Scene::new();
    scene.link_events.then(overrun());
    scene.rtnl.then([Step::answer(&[done(-12)])]);
    let error = scene.session.update().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(12), "errno of {error}");
    assert!(scene.session.is_pending(), "the failed resync is not pending");
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    let changes = scene.changes();
    assert!(changes.is_resynced());
    assert_eq!(changes.links().len(), 1);
    assert!(!scene.session.is_pending());
    scene.assert_played();
}

#[test]
fn team_deleted_during_a_resync_is_a_change() {
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
fn team_recreated_during_a_resync_is_a_change() {
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
fn repeated_einval_for_an_existing_team_is_an_error() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.rtnl.then((0..MAX_EINVAL_RETRIES).map(|_| Step::answer(&[team0(), ack(0)])));
    scene.genl.then((0..MAX_EINVAL_RETRIES).map(|_| Step::answer(&[ack(-22)])));
    assert_eq!(scene.session.update().unwrap_err().raw_os_error(), Some(22));
    assert!(scene.session.is_pending(), "the failed resync is not pending");
    scene.assert_played();
}

#[test]
fn failed_resync_causes_an_edge_each_time() {
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

/// Loses events while the driver rejects requests for lists, and returns the changes.
fn lose_without_net_admin(scene: &mut Scene) -> Changes {
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])]), one(team0())]);
    scene.genl.then([rejected()]);
    scene.changes()
}

#[test]
fn rejected_lists_leave_links_up_to_date() {
    let mut scene = Scene::new();
    scene.team_events.give_net_admin(false);
    let (changes, warnings) = recorded(|| lose_without_net_admin(&mut scene));
    assert!(changes.is_resynced() && changes.is_inconsistent());
    assert_eq!(changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(), ["eth2"]);
    assert_eq!(scene.port_indices(), [3], "ports after a rejected list");
    let rejected = "listing the ports of team0: operation not permitted (EPERM)";
    assert!(
        warnings.iter().any(|line| line.contains("CAP_NET_ADMIN") && line.ends_with(rejected)),
        "no warning about the capability that ends with {rejected:?} in {warnings:?}"
    );
    assert!(!scene.session.is_pending(), "a rejected list is pending without the capability");
    // Events are applied, and the driver gets no request.
    scene.link_events.then([Step::event(&[link(4, "renamed", &[])])]);
    scene.team_events.then([Step::event(&[port_list(&[4], &[2, 3]), bare_done()])]);
    let changes = scene.changes();
    assert_eq!((changes.links().len(), changes.ports().len()), (1, 1));
    assert!(!changes.is_resynced() && !changes.is_inconsistent());
    scene.assert_played();
}

#[test]
fn rejected_lists_are_requested_with_the_capability() {
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
fn rejected_lists_are_requested_by_a_refresh() {
    // The capability is in another user namespace, or a security module rejects the request.
    let mut scene = Scene::new();
    lose_without_net_admin(&mut scene);
    assert!(!scene.session.is_pending(), "a rejected list is pending");
    let attempts = [
        (vec![rejected()], true),
        (vec![ports(&[3]), rejected()], true),
        (vec![ports(&[3]), options(&["random"])], false),
    ];
    for (answers, is_rejected) in attempts {
        scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "eth2", &[])])]);
        scene.rtnl.then(is_rejected.then(|| one(team0())));
        scene.genl.then(answers);
        scene.session.refresh(true).unwrap();
        let changes = scene.session.take_changes();
        assert_eq!(
            (changes.is_inconsistent(), changes.options().len()),
            (is_rejected, usize::from(!is_rejected))
        );
        assert_eq!(changes.is_resynced(), !is_rejected, "resynced, rejected {is_rejected}");
        assert!(!scene.session.is_pending());
        scene.assert_played();
    }
}
