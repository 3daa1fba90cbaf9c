//! Options: every type set and read back, here and by another handle, and the dependent options.

use libteam::{Change, IfIndex, Mode, OptionId, OptionValue, TeamHandle, TeamOption};

use crate::support::changes::{
    Replica, assert_no_changes, only_option, option_changes, record_changes, take_changes,
    team_with,
};
use crate::support::features::{has_halves, switches};
use crate::support::netns::{enter, index};
use crate::support::snapshot::{assert_matches_kernel, state};

/// A classic BPF program that hashes everything to 0: one instruction, `ret #0`.
const RETURN_ZERO: [u8; 8] = [6, 0, 0, 0, 0, 0, 0, 0];

fn value(team: &TeamHandle, id: &OptionId) -> Option<OptionValue> {
    team.option(id).map(|option| option.value().clone())
}

/// Returns a value for each kind of option of a team in the mode `loadbalance` with one port.
fn settable(port: IfIndex) -> Vec<(OptionId, OptionValue)> {
    let pair = |id, value: OptionValue| (id, value);
    vec![
        pair(OptionId::global("notify_peers_count"), 3_u32.into()),
        pair(OptionId::global("notify_peers_interval"), u32::MAX.into()),
        pair(OptionId::global("mcast_rejoin_count"), 2_u32.into()),
        pair(OptionId::global("mcast_rejoin_interval"), 100_u32.into()),
        pair(OptionId::global("lb_stats_refresh_interval"), 600_u32.into()),
        pair(OptionId::port("priority", port), i32::MIN.into()),
        pair(OptionId::port("priority", port), i32::MAX.into()),
        pair(OptionId::port("queue_id", port), 15_u32.into()),
        pair(OptionId::port("user_linkup", port), true.into()),
        pair(OptionId::port("user_linkup", port), false.into()),
        pair(OptionId::port("user_linkup_enabled", port), true.into()),
        pair(OptionId::global("lb_tx_method"), "hash_to_port_mapping".into()),
        pair(OptionId::element("lb_tx_hash_to_port_mapping", 0), port.get().into()),
        pair(OptionId::element("lb_tx_hash_to_port_mapping", 255), port.get().into()),
        pair(OptionId::global("bpf_hash_func"), RETURN_ZERO.to_vec().into()),
        pair(OptionId::global("bpf_hash_func"), vec![].into()),
    ]
}

/// Panics unless the handle reports a set of exactly this option.
fn assert_reports_set(
    team: &mut TeamHandle,
    id: &OptionId,
    before: Option<&OptionValue>,
    after: &OptionValue,
) {
    let change = only_option(&take_changes(team));
    assert_eq!(change.after().map(|option| (option.id(), option.value())), Some((id, after)));
    assert_eq!(change.before().map(TeamOption::value), before, "{id}");
    assert_eq!(value(team, id).as_ref(), Some(after));
}

#[test]
fn value_of_every_type_is_set_and_reported_to_all() {
    enter();
    let mut ours = team_with(Mode::LoadBalance, &["d0"]);
    let mut other = TeamHandle::open("team0").unwrap();
    for (id, new_value) in settable(index("d0")) {
        let before = value(&ours, &id);
        assert_ne!(before.as_ref(), Some(&new_value), "{id}");
        ours.set_option(&id, new_value.clone()).unwrap();
        assert_eq!(value(&ours, &id).as_ref(), Some(&new_value), "{id} after the set");
        assert_reports_set(&mut ours, &id, before.as_ref(), &new_value);
        assert_eq!(value(&other, &id), before, "{id} in the other handle before its events");
        assert_reports_set(&mut other, &id, before.as_ref(), &new_value);
        // Setting the same value again is reported too.
        other.set_option(&id, new_value.clone()).unwrap();
        assert_reports_set(&mut other, &id, Some(&new_value), &new_value);
        assert_reports_set(&mut ours, &id, Some(&new_value), &new_value);
    }
    let fresh = TeamHandle::open("team0").unwrap();
    assert_eq!(state(&ours).options, state(&fresh).options);
    assert_eq!(state(&other).options, state(&fresh).options);
}

#[test]
fn typed_commands_set_their_options() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let (d0, d1) = (index("d0"), index("d1"));
    team.set_port_priority(d0, -7).unwrap();
    team.set_port_enabled(d1, false).unwrap();
    team.set_active_port(d0).unwrap();
    let fresh = TeamHandle::open("team0").unwrap();
    for handle in [&team, &fresh] {
        assert_eq!((handle.port_priority(d0), handle.port_priority(d1)), (Some(-7), Some(0)));
        assert_eq!((handle.port_enabled(d0), handle.port_enabled(d1)), (Some(true), Some(false)));
        assert_eq!(handle.active_port(), Some(d0));
    }
    let lo = IfIndex::new(1).unwrap();
    assert_eq!((team.port_priority(lo), team.port_enabled(lo)), (None, None));
}

#[test]
fn options_of_each_mode_exist_only_in_that_mode() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    let mut other = TeamHandle::open("team0").unwrap();
    let mut replica = Replica::of(&team);
    let modes = [
        (Mode::RoundRobin, 0),
        (Mode::ActiveBackup, 1),
        (Mode::Broadcast, 0),
        (Mode::LoadBalance, 1 + 1 + 1 + 256 + 256),
        (Mode::Random, 0),
    ];
    for (mode, own_options) in modes {
        team.set_mode(mode.clone()).unwrap();
        assert_eq!(team.mode(), Some(mode.clone()));
        assert_eq!(team.options().len(), 5 + own_options, "{mode}");
        let changes = take_changes(&mut team);
        let set = changes
            .options()
            .find(|change| change.latest().id() == &OptionId::global("mode"))
            .unwrap();
        assert_eq!(set.after().unwrap().value(), &OptionValue::from(mode.as_str()));
        assert_eq!(
            changes.options().filter(|change| change.is_added()).count(),
            own_options,
            "{mode}"
        );
        assert!(set.is_local());
        let reported = take_changes(&mut other);
        assert_eq!(option_changes(&reported), option_changes(&changes));
        assert!(!reported.options().any(Change::is_local));
        replica.apply(&changes);
        assert_eq!(replica, Replica::of(&team));
        assert_matches_kernel(&team);
        assert_no_changes(&mut team);
    }
}

#[test]
fn modes_set_and_left_unseen_leave_no_options() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    let mut other = TeamHandle::open("team0").unwrap();
    for mode in [Mode::LoadBalance, Mode::ActiveBackup, Mode::RoundRobin] {
        team.set_mode(mode).unwrap();
    }
    assert_reports_set(
        &mut other,
        &OptionId::global("mode"),
        Some(&"roundrobin".into()),
        &"roundrobin".into(),
    );
    assert_matches_kernel(&other);
}

#[test]
fn active_port_is_none_before_set_and_after_release() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let d0 = index("d0");
    assert_eq!(team.active_port(), None);
    team.set_active_port(d0).unwrap();
    assert_eq!(team.active_port(), Some(d0));
    assert_reports_set(
        &mut team,
        &OptionId::global("activeport"),
        Some(&0_u32.into()),
        &d0.get().into(),
    );
    team.remove_port(d0).unwrap();
    assert_eq!(team.active_port(), None);
    let changes = take_changes(&mut team);
    let change = changes
        .options()
        .find(|change| change.latest().id() == &OptionId::global("activeport"))
        .unwrap();
    assert_eq!(change.after().unwrap().value(), &OptionValue::U32(0));
}

#[test]
fn mode_without_active_port_has_no_active_port() {
    enter();
    let team = team_with(Mode::RoundRobin, &["d0"]);
    assert_eq!(team.active_port(), None);
}

#[test]
fn cached_switches_match_after_each_set() {
    enter();
    let mut ours = team_with(Mode::RoundRobin, &["d0"]);
    let mut other = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let switches = switches(&ours, d0);
    // Setting all of them first, one after the other, gives every possible state.
    for start in
        [[true, true, true], [true, true, false], [true, false, true], [false, false, false]]
    {
        for &switch in &switches {
            for on in [true, false] {
                for (&switch, on) in switches.iter().zip(start) {
                    ours.set_option(&OptionId::port(switch, d0), on).unwrap();
                }
                take_changes(&mut ours);
                take_changes(&mut other);
                let mut replica = Replica::of(&other);
                let id = OptionId::port(switch, d0);
                ours.set_option(&id, on).unwrap();
                let changes = take_changes(&mut other);
                assert_eq!(option_changes(&take_changes(&mut ours)), option_changes(&changes));
                let what = format!("{switch} set to {on} from {start:?}");
                assert!(
                    changes.options().any(|change| change.latest().id() == &id),
                    "no change of the option: {what}"
                );
                replica.apply(&changes);
                assert_eq!(replica, Replica::of(&other), "{what}");
                let fresh = TeamHandle::open("team0").unwrap();
                assert_eq!(state(&other).options, state(&fresh).options, "{what}");
                assert_eq!(state(&ours).options, state(&fresh).options, "{what}");
            }
        }
    }
}

#[test]
fn cached_switches_match_after_several_sets() {
    enter();
    let mut ours = team_with(Mode::RoundRobin, &["d0"]);
    let mut other = TeamHandle::open("team0").unwrap();
    let d0 = index("d0");
    let switches = switches(&ours, d0);
    let choices = 2 * switches.len();
    // All sequences of three sets, each from the state in which the previous one ended.
    for sequence in 0..choices.pow(3) {
        for place in [1, choices, choices.pow(2)] {
            let choice = sequence / place % choices;
            ours.set_option(&OptionId::port(switches[choice / 2], d0), choice % 2 == 0).unwrap();
        }
        take_changes(&mut other);
        let fresh = TeamHandle::open("team0").unwrap();
        assert_eq!(state(&other).options, state(&fresh).options, "sequence {sequence}");
        assert_eq!(state(&ours).options, state(&fresh).options, "sequence {sequence}");
    }
}

#[test]
fn dependent_switch_is_reported_only_if_changed() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    let d0 = index("d0");
    let ids = |team: &mut TeamHandle| -> Vec<String> {
        let mut ids: Vec<_> = take_changes(team)
            .options()
            .map(|change| change.latest().id().name.clone().into_owned())
            .collect();
        ids.sort();
        ids
    };
    team.set_port_enabled(d0, false).unwrap();
    assert_eq!(ids(&mut team), switches(&team, d0));
    team.set_port_enabled(d0, false).unwrap();
    assert_eq!(ids(&mut team), ["enabled"]);
    if !has_halves(&team, d0) {
        return;
    }
    team.set_option(&OptionId::port("rx_enabled", d0), true).unwrap();
    assert_eq!(ids(&mut team), ["rx_enabled"]);
    team.set_option(&OptionId::port("tx_enabled", d0), true).unwrap();
    assert_eq!(ids(&mut team), ["enabled", "tx_enabled"]);
}

#[test]
fn disabled_port_loses_its_hash_mappings() {
    enter();
    let mut team = team_with(Mode::LoadBalance, &["d0"]);
    let (d0, mapping) = (index("d0"), OptionId::element("lb_tx_hash_to_port_mapping", 9));
    team.set_option(&mapping, d0.get()).unwrap();
    take_changes(&mut team);
    team.set_port_enabled(d0, false).unwrap();
    assert_eq!(value(&team, &mapping), Some(OptionValue::U32(0)));
    let changes = take_changes(&mut team);
    let cleared = changes.options().find(|change| change.latest().id() == &mapping).unwrap();
    assert_eq!(cleared.before().unwrap().value(), &OptionValue::U32(d0.get()));
    let fresh = TeamHandle::open("team0").unwrap();
    assert_eq!(state(&team).options, state(&fresh).options);
}

#[test]
fn option_of_another_team_is_not_reported() {
    enter();
    let mut team = team_with(Mode::ActiveBackup, &["d0"]);
    let mut other = TeamHandle::create("team1").unwrap();
    take_changes(&mut team);
    let reported = record_changes(&mut team);
    other.set_mode(Mode::LoadBalance).unwrap();
    other.set_option(&OptionId::global("notify_peers_count"), 9_u32).unwrap();
    assert_no_changes(&mut team);
    assert_eq!(reported.try_iter().collect::<Vec<_>>(), []);
    assert_eq!(value(&team, &OptionId::global("notify_peers_count")), Some(OptionValue::U32(0)));
}

#[test]
fn options_are_listed_in_driver_order() {
    enter();
    let team = team_with(Mode::ActiveBackup, &["d0", "d1"]);
    let (d0, d1) = (Some(index("d0")), Some(index("d1")));
    let ports: Vec<_> = team.options().map(|option| option.id().port).collect();
    assert_eq!(&ports[..6], &[None; 6]);
    let mut blocks = ports[6..].chunk_by(|one, next| one == next).map(|block| block[0]);
    assert_eq!(blocks.next(), Some(d0));
    assert_eq!(blocks.next(), Some(d1));
    assert_eq!(blocks.next(), None);
}
