//! Lists of options that end before one that is too long for the driver's messages.

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

/// Returns the option that maps the first hash to a port.
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

fn complete(items: &[Vec<u8>]) -> Step {
    Step::answer(&[list(items), bare_done()])
}

/// Returns a list that ends with `EMSGSIZE`.
fn truncated(items: &[Vec<u8>]) -> [Step; 2] {
    [Step::answer(&[list(items)]), Step::answer(&[ack(-90)])]
}

fn event(items: &[Vec<u8>]) -> Step {
    Step::event(&[list(items), bare_done()])
}

fn texts(scene: &Scene) -> Vec<String> {
    scene.session.cache().options().iter().map(TeamOption::to_string).collect()
}

/// Returns a team in the mode loadbalance with the ports 3 and 4.
fn balanced() -> Scene {
    let mut scene = Scene::new();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([ports(&[3, 4])]);
    scene.genl.then([complete(&[
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
fn truncated_list_keeps_options_of_existing_ports() {
    let mut scene = balanced();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(4, "eth2")]), no_such_link()]);
    scene.genl.then([ports(&[4])]);
    scene.genl.then(truncated(&[text("mode", "loadbalance"), text("x", "new")]));
    let (changes, log) = recorded(|| scene.changes());
    assert!(changes.is_resynced() && changes.is_inconsistent());
    assert!(
        log.iter().any(|line| line.contains("team0: the driver cannot list all options")),
        "no warning about the truncated list in {log:?}"
    );
    assert_eq!((changes.links().len(), changes.ports().len(), changes.options().len()), (1, 1, 2));
    let kept = [" mode loadbalance", " x new", " bpf_hash_func ", " enabled (port:eth2) true"];
    assert_eq!(texts(&scene), kept);
    assert!(!scene.session.is_pending());
    scene.assert_played();
}

#[test]
fn truncated_list_of_other_mode_keeps_per_port_options() {
    let mut scene = balanced();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([ports(&[3, 4])]);
    scene.genl.then(truncated(&[text("mode", "of the future")]));
    scene.session.refresh(false).unwrap();
    assert_eq!(
        texts(&scene),
        [" mode of the future", " enabled (port:eth1) true", " enabled (port:eth2) true"]
    );
    scene.assert_played();
}

#[test]
fn options_are_requested_again_when_program_is_replaced() {
    for end in [program(&[]), text("mode", "random")] {
        let mut scene = balanced();
        scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
        scene.genl.then([ports(&[3, 4])]);
        scene.genl.then(truncated(&[text("mode", "loadbalance")]));
        scene.session.refresh(false).unwrap();
        assert!(scene.session.take_changes().is_inconsistent());
        scene.team_events.then([event(&[text("x", "new")])]);
        assert!(!scene.changes().is_inconsistent());
        scene.assert_played();
        scene.team_events.then([event(&[end])]);
        scene.genl.then([complete(&[text("mode", "random"), enabled(3), enabled(4)])]);
        assert!(!scene.changes().is_inconsistent());
        assert_eq!(
            texts(&scene),
            [" mode random", " enabled (port:eth1) true", " enabled (port:eth2) true"]
        );
        scene.assert_played();
    }
}

#[test]
fn new_port_without_options_requests_the_options() {
    let removed = Step::event(&[port_list(&[4], &[2, 6]), bare_done()]);
    let added = Step::event(&[port_list(&[5], &[2]), bare_done()]);
    let mut scene = balanced();
    scene.team_events.then([removed]);
    scene.changes();
    let found = texts(&scene);
    assert!(
        !found.iter().any(|text| text.contains("eth2")),
        "options {found:?}, expected none of the removed port eth2"
    );
    scene.assert_played();
    scene.team_events.then([added]);
    scene.genl.then(truncated(&[text("mode", "loadbalance"), text("x", "new")]));
    let changes = scene.changes();
    assert!(changes.is_inconsistent() && !changes.is_resynced());
    assert_eq!((changes.ports().len(), changes.options().len()), (1, 1));
    scene.assert_played();
    assert_eq!(scene.changes(), Changes::default());
}

#[test]
fn removed_port_that_is_still_mapped_requests_options() {
    let removed = || Step::event(&[port_list(&[4], &[2, 6]), bare_done()]);
    let mode = || text("mode", "loadbalance");
    let mut scene = balanced();
    scene.team_events.then([event(&[mapping(4)]), event(&[mapping(0)]), removed()]);
    scene.changes();
    scene.assert_played();

    let mut scene = balanced();
    scene.team_events.then([event(&[mapping(4)]), removed()]);
    scene.genl.then([complete(&[mode(), program(&[]), mapping(0), enabled(3)])]);
    assert!(!scene.changes().is_resynced());
    let mapped = " lb_tx_hash_to_port_mapping (arridx:0) 0";
    let found = texts(&scene);
    assert!(found.iter().any(|text| text == mapped), "options {found:?}, expected {mapped:?}");
    scene.assert_played();
}

#[test]
fn truncated_list_is_reported_after_a_failed_refresh() {
    let mut scene = balanced();
    scene.team_events.then([Step::event(&[port_list(&[5], &[2]), bare_done()])]);
    scene.genl.then(truncated(&[text("mode", "loadbalance")]));
    scene.session.update().unwrap();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2")])]);
    scene.genl.then([Step::answer(&[ack(-12)])]);
    scene.rtnl.then([one(team0())]);
    let _failed = scene.session.refresh(false).unwrap_err();
    assert!(scene.session.take_changes().is_inconsistent());
    scene.assert_played();
}

#[test]
fn rejected_options_are_requested_once() {
    let mut scene = balanced();
    scene.team_events.give_net_admin(false);
    scene.team_events.then([Step::event(&[port_list(&[5], &[2]), bare_done()])]);
    scene.genl.then([rejected()]);
    scene.rtnl.then([one(team0())]);
    let changes = scene.changes();
    assert!(changes.is_inconsistent() && changes.ports().len() == 1);
    assert!(!scene.session.is_pending(), "a rejected list is pending without the capability");
    scene.team_events.then([event(&[text("x", "new")])]);
    let changes = scene.changes();
    assert!(!changes.is_inconsistent() && changes.options().len() == 1);
    scene.assert_played();

    scene.team_events.give_net_admin(true);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), port(4, "eth2"), port(5, "eth3")])]);
    scene.genl.then([ports(&[3, 4, 5]), complete(&[text("mode", "random")])]);
    let changes = scene.changes();
    let flags = (changes.is_inconsistent(), changes.is_resynced());
    assert_eq!(flags, (false, false), "inconsistent, resynced without lost events");
    assert_eq!(texts(&scene), [" mode random"]);
    scene.assert_played();
}
