//! Lists of options that end before one that the driver cannot tell.

use super::*;
use crate::model::option::TeamOption;
use crate::testing::log_record::recorded;

fn text(name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (format!("{name}\0"), format!("{value}\0"));
    attribute(
        1,
        &[attribute(1, name.as_bytes()), attribute(3, &[5]), attribute(4, value.as_bytes())]
            .concat(),
    )
}

fn program(value: &[u8]) -> Vec<u8> {
    attribute(
        1,
        &[attribute(1, b"bpf_hash_func\0"), attribute(3, &[11]), attribute(4, value)].concat(),
    )
}

/// The port that the first hash is mapped to.
fn mapping(port: u32) -> Vec<u8> {
    let id = [attribute(1, b"lb_tx_hash_to_port_mapping\0"), attribute(7, &[0; 4])].concat();
    attribute(1, &[id, attribute(3, &[3]), attribute(4, &port.to_ne_bytes())].concat())
}

fn enabled(port: u32) -> Vec<u8> {
    let id = [attribute(1, b"enabled\0"), attribute(6, &port.to_ne_bytes())].concat();
    attribute(1, &[id, attribute(3, &[6]), attribute(4, &[])].concat())
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    genl_message(2, &[attribute(1, &TEAM.to_ne_bytes()), attribute(2, &items.concat())])
}

fn whole(items: &[Vec<u8>]) -> Step {
    Step::answer(&[list(items), bare_done()])
}

/// `EMSGSIZE` in place of the end.
fn cut(items: &[Vec<u8>]) -> [Step; 2] {
    [Step::answer(&[list(items)]), Step::answer(&[ack(-90)])]
}

fn event(items: &[Vec<u8>]) -> Step {
    Step::event(&[list(items), bare_done()])
}

fn texts(scene: &Scene) -> Vec<String> {
    scene.session.cache().options().iter().map(TeamOption::to_string).collect()
}

/// A team that balances load over the ports 3 and 4.
fn balanced() -> Scene {
    let mut scene = Scene::new();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([ports(&[3, 4])]);
    scene.genl.then([whole(&[
        text("mode", "loadbalance"),
        text("x", "old"),
        program(&[]),
        enabled(3),
        enabled(4),
    ])]);
    scene.session.refresh(false).unwrap();
    scene.session.take_changes();
    scene
}

#[test]
fn what_it_tells_is_taken_over_and_the_rest_kept_as_far_as_there_are_ports() {
    let mut scene = balanced();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(4, "eth2")]), no_such_link()]);
    scene.genl.then([ports(&[4])]);
    scene.genl.then(cut(&[text("mode", "loadbalance"), text("x", "new")]));
    let (changes, log) = recorded(|| scene.changes());
    assert!(changes.is_resynced() && changes.is_inconsistent());
    assert!(
        log.iter().any(|line| line.contains("bpf_hash_func that somebody set is too long")),
        "{log:?}"
    );
    assert_eq!((changes.links().len(), changes.ports().len(), changes.options().len()), (1, 1, 2));
    let kept = [" mode loadbalance", " x new", " bpf_hash_func ", " enabled (port:eth2) true"];
    assert_eq!(texts(&scene), kept);
    assert!(!scene.session.is_pending());
    scene.assert_played();
}

#[test]
fn of_another_mode_only_what_every_port_has_is_kept() {
    let mut scene = balanced();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([ports(&[3, 4])]);
    scene.genl.then(cut(&[text("mode", "of the future")]));
    scene.session.refresh(false).unwrap();
    assert_eq!(
        texts(&scene),
        [" mode of the future", " enabled (port:eth1) true", " enabled (port:eth2) true"]
    );
    scene.assert_played();
}

#[test]
fn the_options_are_asked_for_again_when_it_may_have_ended_and_not_before() {
    for end in [program(&[]), text("mode", "random")] {
        let mut scene = balanced();
        scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
        scene.genl.then([ports(&[3, 4])]);
        scene.genl.then(cut(&[text("mode", "loadbalance")]));
        scene.session.refresh(false).unwrap();
        assert!(scene.session.take_changes().is_inconsistent());
        scene.team_events.then([event(&[text("x", "new")])]);
        assert!(!scene.changes().is_inconsistent());
        scene.assert_played();
        scene.team_events.then([event(&[end])]);
        scene.genl.then([whole(&[text("mode", "random"), enabled(3), enabled(4)])]);
        assert!(!scene.changes().is_inconsistent());
        assert_eq!(
            texts(&scene),
            [" mode random", " enabled (port:eth1) true", " enabled (port:eth2) true"]
        );
        scene.assert_played();
    }
}

#[test]
fn events_that_show_a_gap_make_the_options_be_asked_for() {
    let gone = Step::event(&[port_list(&[4], &[2, 6]), bare_done()]);
    let come = Step::event(&[port_list(&[5], &[2]), bare_done()]);
    let mut scene = balanced();
    scene.team_events.then([gone]);
    scene.changes();
    assert!(
        !texts(&scene).iter().any(|text| text.contains("eth2")),
        "the options of a port go with it"
    );
    scene.assert_played();
    scene.team_events.then([come]);
    scene.genl.then(cut(&[text("mode", "loadbalance"), text("x", "new")]));
    let changes = scene.changes();
    assert!(changes.is_inconsistent() && !changes.is_resynced());
    assert_eq!((changes.ports().len(), changes.options().len()), (1, 1));
    scene.assert_played();
    assert_eq!(scene.changes(), Changes::default());
}

#[test]
fn a_port_that_is_gone_and_still_referred_to_makes_the_options_be_asked_for() {
    let gone = || Step::event(&[port_list(&[4], &[2, 6]), bare_done()]);
    let mode = || text("mode", "loadbalance");
    let mut scene = balanced();
    scene.team_events.then([event(&[mapping(4)]), event(&[mapping(0)]), gone()]);
    scene.changes();
    scene.assert_played();

    let mut scene = balanced();
    scene.team_events.then([event(&[mapping(4)]), gone()]);
    scene.genl.then([whole(&[mode(), program(&[]), mapping(0), enabled(3)])]);
    assert!(!scene.changes().is_resynced());
    let mapped = " lb_tx_hash_to_port_mapping (arridx:0) 0";
    assert!(texts(&scene).iter().any(|text| text == mapped), "{:?}", texts(&scene));
    scene.assert_played();
}

#[test]
fn that_it_lacks_some_is_told_though_a_refresh_fails_before() {
    let mut scene = balanced();
    scene.team_events.then([Step::event(&[port_list(&[5], &[2]), bare_done()])]);
    scene.genl.then(cut(&[text("mode", "loadbalance")]));
    scene.session.update().unwrap();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([Step::answer(&[ack(-12)])]);
    scene.rtnl.then([one(team0())]);
    let _failed = scene.session.refresh(false).unwrap_err();
    assert!(scene.session.take_changes().is_inconsistent());
    scene.assert_played();
}

#[test]
fn options_that_the_driver_refuses_are_asked_for_once() {
    let mut scene = balanced();
    scene.team_events.give_net_admin(false);
    scene.team_events.then([Step::event(&[port_list(&[5], &[2]), bare_done()])]);
    scene.genl.then([refused()]);
    scene.rtnl.then([one(team0())]);
    let changes = scene.changes();
    assert!(changes.is_inconsistent() && changes.ports().len() == 1);
    assert!(!scene.session.is_pending(), "they would be asked for again and again");
    scene.team_events.then([event(&[text("x", "new")])]);
    let changes = scene.changes();
    assert!(!changes.is_inconsistent() && changes.options().len() == 1);
    scene.assert_played();

    scene.team_events.give_net_admin(true);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2"), port(5, "eth3")])]);
    scene.genl.then([ports(&[3, 4, 5]), whole(&[text("mode", "random")])]);
    let changes = scene.changes();
    assert!(!changes.is_inconsistent() && !changes.is_resynced(), "nothing was lost");
    assert_eq!(texts(&scene), [" mode random"]);
    scene.assert_played();
}
