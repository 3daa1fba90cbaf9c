//! Two teams in one namespace: a handle knows the links of both, and the ports and options of its
//! own.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use libteam::{Changes, Mode, OptionId, TeamBuilder, TeamHandle};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::snapshot::{assert_matches_kernel, state};

/// Two teams with a port each, `eth1` and `eth2`, both heard of.
fn neighbours(builder: &TeamBuilder) -> (TeamHandle, TeamHandle) {
    enter();
    dummies(&["eth1", "eth2", "eth3"]);
    let mut teams = ["one", "two"].map(|name| builder.create(name).unwrap());
    for (team, port) in teams.iter_mut().zip(["eth1", "eth2"]) {
        team.set_mode(Mode::ActiveBackup).unwrap();
        team.add_port(index(port)).unwrap();
        // Of a link that is down the kernel does not tell when its carrier comes.
        ip(&format!("link set {} up", team.name()));
    }
    teams.each_mut().into_iter().for_each(handle_until_quiet);
    let [one, two] = teams;
    (one, two)
}

/// What the handler of a team was told of ports and options, by its latest.
fn ports_and_options(handler: &Receiver<Changes>) -> (Vec<u32>, Vec<String>) {
    let (mut ports, mut options) = (vec![], vec![]);
    for changes in handler.try_iter() {
        ports.extend(changes.ports().map(|port| port.latest().ifindex().get()));
        options.extend(changes.options().map(|option| option.latest().to_string()));
    }
    (ports, options)
}

#[test]
fn a_handle_hears_nothing_of_the_ports_and_options_of_another_team() {
    let (mut one, mut two) = neighbours(&all_links());
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
fn another_teams_events_cost_this_one_no_buffer_and_wake_nobody() {
    let (mut one, mut two) = neighbours(&all_links().receive_buffer(1));
    // The kernel may look at the state of the links, and tell it, a second later.
    while one.wait(Some(Duration::from_millis(1100))).unwrap() {
        handle_until_quiet(&mut one);
    }
    let handler = record_changes(&mut one);
    for count in 0..20_u32 {
        two.set_option(&OptionId::global("notify_peers_count"), count).unwrap();
    }
    assert!(!one.wait(Some(Duration::ZERO)).unwrap(), "another team's events woke the handle");
    assert_eq!(one.handle_events().unwrap(), Changes::default());
    assert_eq!(handler.try_iter().count(), 0);
    assert_matches_kernel(&one);
}

#[test]
fn a_port_that_changes_its_team_leaves_one_and_joins_the_other() {
    for buffer in [1, 1 << 20] {
        let (mut one, mut two) = neighbours(&all_links().receive_buffer(buffer));
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
        for told in [of_one, of_two] {
            let removed =
                told.try_iter().any(|changes| changes.links().any(libteam::Change::is_removed));
            assert!(!removed, "the link lives on");
        }
    }
}

#[test]
fn the_death_of_one_team_is_a_lost_link_to_the_other() {
    let (mut one, two) = neighbours(&all_links());
    let handler = record_changes(&mut one);
    let gone = two.ifindex();
    two.destroy().unwrap();
    handle_until_quiet(&mut one);
    assert!(one.link(gone).is_none() && one.team_link().is_some());
    assert_eq!(ports_and_options(&handler), (vec![], vec![]));
    assert_matches_kernel(&one);
}
