//! Changes that the kernel does not announce while a link is down: the cache contains them after
//! the link's next message, or after a refresh.

use libteam::rtnl::RtnlSocket;
use libteam::{IfIndex, LinkSettings, Mode, TeamHandle};

use crate::support::changes::{
    all_links, assert_no_changes, handle_until, take_changes, team_with,
};
use crate::support::netns::{dummies, enter, index, ip};

/// Returns the cached values of a link that may be announced late.
fn cached(team: &TeamHandle, ifindex: IfIndex) -> (Vec<String>, bool, u32) {
    let link = team.link(ifindex).unwrap();
    (
        link.alternative_names().map(str::to_owned).collect(),
        link.has_carrier(),
        link.carrier_changes(),
    )
}

/// Changes a link that is down in ways that the kernel does not announce. Panics unless the cache
/// is stale until `bring_up_to_date` was called.
fn assert_cache_is_stale_until(bring_up_to_date: fn(&mut TeamHandle)) {
    dummies(&["d0"]);
    let mut team = all_links().create("team0").unwrap();
    let d0 = index("d0");
    let before = cached(&team, d0);
    ip("link property add dev d0 altname another");
    ip("link set d0 carrier off");
    assert_no_changes(&mut team);
    assert_eq!(cached(&team, d0), before);
    bring_up_to_date(&mut team);
    let (_, had_carrier, carrier_changes) = before;
    assert!(had_carrier, "the dummy device had no carrier");
    assert_eq!(cached(&team, d0), (vec!["another".to_owned()], false, carrier_changes + 1));
}

#[test]
fn down_link_is_stale_until_its_next_message() {
    enter();
    assert_cache_is_stale_until(|team| {
        ip("link set d0 mtu 1400");
        assert_eq!(take_changes(team).links().len(), 1);
    });
}

#[test]
fn down_link_is_stale_until_a_refresh() {
    enter();
    assert_cache_is_stale_until(|team| assert_eq!(team.refresh().unwrap().links().len(), 1));
}

#[test]
fn carrier_set_on_a_down_team_shows_after_refresh() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.set_carrier(true).unwrap();
    assert_no_changes(&mut team);
    assert_eq!(team.carrier(), Some(false));
    team.refresh().unwrap();
    assert_eq!(team.carrier(), Some(true));
}

#[test]
fn carrier_set_on_a_down_team_shows_when_set_up() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    team.set_carrier(true).unwrap();
    RtnlSocket::new().unwrap().set_link(team.ifindex(), &LinkSettings::new().up()).unwrap();
    handle_until(&mut team, "the carrier", |team| team.carrier() == Some(true));
}
