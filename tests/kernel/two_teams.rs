//! Two teams in one namespace: with `LinkScope::All` a handle reports the links of both, but only
//! the ports and options of its own team.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use libteam::{Changes, Mode, OptionId, TeamBuilder, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::{assert_matches_kernel, state};

/// Creates two teams with one port each, `eth1` and `eth2`, and handles without pending events.
fn two_teams(builder: &TeamBuilder) -> (TeamHandle, TeamHandle) {
    enter();
    dummies(&["eth1", "eth2", "eth3"]);
    let mut teams = ["one", "two"].map(|name| builder.create(name).unwrap());
    for (team, port) in teams.iter_mut().zip(["eth1", "eth2"]) {
        team.set_mode(Mode::ActiveBackup).unwrap();
        team.add_port(index(port)).unwrap();
        // The kernel does not announce the carrier of a link that is down.
        ip(&format!("link set {} up", team.name()));
    }
    teams.each_mut().into_iter().for_each(handle_until_quiet);
    let [one, two] = teams;
    (one, two)
}

/// Returns the changed ports and options of the batches that a handler received.
fn ports_and_options(handler: &Receiver<Changes>) -> (Vec<u32>, Vec<String>) {
    let (mut ports, mut options) = (vec![], vec![]);
    for changes in handler.try_iter() {
        ports.extend(changes.ports().map(|port| port.latest().ifindex().get()));
        options.extend(changes.options().map(|option| option.latest().to_string()));
    }
    (ports, options)
}

#[test]
fn ports_and_options_of_another_team_are_not_reported() {
    let (mut one, mut two) = two_teams(&all_links());
    let (before, handler) = (state(&one), record_changes(&mut one));
    two.set_option(&OptionId::global("notify_peers_count"), 9_u32).unwrap();
    two.add_port(index("eth3")).unwrap();
    two.set_port_priority(index("eth2"), 12).unwrap();
    two.remove_port(index("eth2")).unwrap();
    handle_until_quiet(&mut one);
    assert_eq!(ports_and_options(&handler), (vec![], vec![]));
    assert_eq!((&state(&one).ports, &state(&one).options), (&before.ports, &before.options));
    assert_matches_kernel(&one);
    handle_until_quiet(&mut two);
    assert_matches_kernel(&two);
}

#[test]
fn other_teams_events_cost_no_buffer_and_no_wake_up() {
    let (mut one, mut two) = two_teams(&all_links().receive_buffer(1));
    // The kernel may report the state of the links up to a second later.
    while one.wait(Some(Duration::from_millis(1100))).unwrap() {
        handle_until_quiet(&mut one);
    }
    let handler = record_changes(&mut one);
    for count in 0..20_u32 {
        two.set_option(&OptionId::global("notify_peers_count"), count).unwrap();
    }
    assert!(!one.wait(Some(Duration::ZERO)).unwrap(), "an event of another team woke the handle");
    assert_eq!(one.handle_events().unwrap(), Changes::default());
    assert_eq!(handler.try_iter().count(), 0);
    assert_matches_kernel(&one);
}

#[test]
fn port_moved_between_teams_is_removed_and_added() {
    for buffer in [1, 1 << 20] {
        let (mut one, mut two) = two_teams(&all_links().receive_buffer(buffer));
        let (of_one, of_two) = (record_changes(&mut one), record_changes(&mut two));
        let a = index("eth1");
        ip("link set eth1 down");
        ip("link set eth1 master two");
        handle_until_quiet(&mut one);
        handle_until_quiet(&mut two);
        assert!(!one.is_port(a) && two.is_port(a), "buffer {buffer}");
        assert_matches_kernel(&one);
        assert_matches_kernel(&two);
        assert_eq!((one.ports().len(), two.ports().len()), (0, 2));
        for batches in [of_one, of_two] {
            let removed =
                batches.try_iter().any(|changes| changes.links().any(libteam::Change::is_removed));
            assert!(!removed, "the moved link is reported as removed");
        }
    }
}

#[test]
fn deleted_team_is_a_removed_link_to_the_other() {
    let (mut one, two) = two_teams(&all_links());
    let handler = record_changes(&mut one);
    let gone = two.ifindex();
    two.destroy().unwrap();
    handle_until_quiet(&mut one);
    assert!(one.link(gone).is_none() && one.team_link().is_some());
    assert_eq!(ports_and_options(&handler), (vec![], vec![]));
    assert_matches_kernel(&one);
}
