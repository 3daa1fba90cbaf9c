//! The `{:?}` output of types that hold a cache or a socket: one short line that identifies the
//! object.

use libteam::link_events::LinkEvents;
use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::rtnl::RtnlSocket;
use libteam::{Mode, TeamHandle};

use crate::support::changes::{all_links, team_with};
use crate::support::netns::{enter, index};

#[test]
fn debug_of_a_handle_is_short_in_each_mode() {
    enter();
    for mode in [Mode::LoadBalance, Mode::ActiveBackup, Mode::Random] {
        let expected = |ifindex: u32| {
            format!(
                "TeamHandle {{ name: \"team0\", ifindex: IfIndex({ifindex}), mode: Some({mode:?}), ports: 2, .. }}"
            )
        };
        let team = team_with(mode.clone(), &["d0", "d1"]);
        assert_eq!(format!("{team:?}"), expected(index("team0").get()));
        team.destroy().unwrap();
        for port in ["d0", "d1"] {
            RtnlSocket::new().unwrap().delete_link(index(port)).unwrap();
        }
    }
}

#[test]
fn debug_of_a_handle_without_mode_or_device_is_short() {
    enter();
    let mut team = all_links().create("team0").unwrap();
    let ifindex = team.ifindex().get();
    let expected = format!(
        "TeamHandle {{ name: \"team0\", ifindex: IfIndex({ifindex}), mode: Some(Unset), ports: 0, .. }}"
    );
    assert_eq!(format!("{team:?}"), expected);
    RtnlSocket::new().unwrap().delete_link(team.ifindex()).unwrap();
    team.handle_events().unwrap();
    assert_eq!(format!("{team:?}"), expected.replace("Some(Unset)", "None"));
}

#[test]
fn debug_of_the_cache_iterators_is_short() {
    enter();
    let team = team_with(Mode::LoadBalance, &["d0"]);
    assert_eq!(
        format!("{:?}", team.links()),
        format!("Links {{ remaining: {}, .. }}", team.links().len())
    );
    assert_eq!(format!("{:?}", team.ports()), "Ports { remaining: 1, .. }");
    let mut options = team.options();
    options.next();
    assert_eq!(
        format!("{options:?}"),
        format!("Options {{ remaining: {}, .. }}", team.options().len() - 1)
    );
}

#[test]
fn debug_of_sockets_is_short() {
    enter();
    let mut events = LinkEvents::new().unwrap();
    let team = TeamHandle::create("team0").unwrap();
    team.destroy().unwrap();
    // The messages read together with the first event are still queued.
    events.try_next().unwrap();
    assert!(
        format!("{events:?}").starts_with("LinkEvents { queued: "),
        "expected the start of LinkEvents: {events:?}"
    );
    assert!(
        format!("{events:?}").ends_with(", .. }") && format!("{events:?}").len() < 40,
        "expected the end of LinkEvents: {events:?}"
    );
    let fields = "{ dump_attempts: 5, interrupted: Keep, .. }";
    assert_eq!(
        format!("{:?}", NetlinkConnection::new(Protocol::ROUTE).unwrap()),
        format!("NetlinkConnection {fields}")
    );
    assert_eq!(format!("{:?}", RtnlSocket::new().unwrap()), format!("RtnlSocket {fields}"));
}
