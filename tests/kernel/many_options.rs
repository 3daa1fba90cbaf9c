//! Many options set at once.

use libteam::{Change, Error, Mode, OptionId, OptionValue, TeamHandle};

use crate::support::netns::{enter, ip};
use crate::support::snapshot::assert_matches_kernel;

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

fn number(team: &TeamHandle, id: &OptionId) -> Option<u32> {
    match team.option(id)?.value() {
        OptionValue::U32(number) => Some(*number),
        _ => None,
    }
}

#[test]
fn many_options_are_set_in_order() {
    enter();
    // The second handle's buffer overruns repeatedly.
    for receive_buffer in [1 << 20, 1] {
        let mut team =
            TeamHandle::builder().receive_buffer(receive_buffer).create("team0").unwrap();
        // Three system calls, the last one with few options.
        team.set_options((1..=1030_u32).map(|number| (count(), number.into()))).unwrap();
        assert_eq!(number(&team, &count()), Some(1030));
        team.handle_events().unwrap();
        assert_matches_kernel(&team);
        team.destroy().unwrap();
    }
}

#[test]
fn invalid_option_is_reported_before_any_request() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    let wrong: [(OptionId, OptionValue); 3] = [
        (OptionId::global("notify_peers_interval"), "text".into()),
        (OptionId::global("mode"), "a text of more than thirty-one bytes".into()),
        (OptionId::global("bpf_hash_func"), vec![0_u8; 8 * 463].into()),
    ];
    for wrong in wrong {
        let error = team.set_options([(count(), 9_u32.into()), wrong]).unwrap_err();
        assert!(
            matches!(error, Error::OptionType { .. } | Error::OptionValue { .. }),
            "expected OptionType or OptionValue: {error}"
        );
    }
    assert_eq!(team.handle_events().unwrap().options().len(), 0);
    assert_eq!(number(&team, &count()), Some(0));
}

#[test]
fn first_refused_option_is_reported_others_are_set() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    let (interval, rejoin) =
        (OptionId::global("notify_peers_interval"), OptionId::global("mcast_rejoin_count"));
    let error = team
        .set_options([
            (count(), 4_u32.into()),
            (OptionId::global("mode"), "weighted".into()),
            (interval.clone(), 5_u32.into()),
            (OptionId::global("nosuchoption"), 1_u32.into()),
            (rejoin.clone(), 6_u32.into()),
        ])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting option mode of team0 to \"weighted\": invalid argument (EINVAL)"
    );
    assert_eq!(
        [count(), interval, rejoin].map(|id| number(&team, &id)),
        [Some(4), Some(5), Some(6)]
    );
    let changes = team.handle_events().unwrap();
    assert_eq!(changes.options().map(Change::is_local).collect::<Vec<_>>(), [true; 3]);

    let nothing: [(OptionId, OptionValue); 0] = [];
    team.set_options(nothing).unwrap();
    assert_matches_kernel(&team);
}

#[test]
fn set_options_on_deleted_team_is_device_gone() {
    enter();
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::Random).unwrap();
    ip("link del team0");
    let error = team.set_options([(count(), 1_u32.into())]).unwrap_err();
    assert!(matches!(error, Error::DeviceGone { .. }), "expected DeviceGone: {error}");
}
