//! The memory and the changes of a cache to which many events are applied before a batch is taken.

use super::*;
use crate::changes::{Change, LinkChange};
use crate::model::option::TeamOption;
use crate::netlink::codec::link::{
    IFLA_EVENT, IFLA_EVENT_NOTIFY_PEERS, IFLA_IFNAME, IFLA_MASTER, IFLA_MTU, RTM_NEWLINK,
};
use crate::netlink::codec::team::{ItemFlags, PortItem};
use crate::testing::script::attribute;

const TEAM: u32 = 2;

fn index(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

fn cache(scope: LinkScope) -> Cache {
    let mut cache = Cache::new(index(TEAM), "team0".into(), scope);
    cache.suspend_journal();
    link(&mut cache, TEAM, "team0", None, 0);
    cache.start_journal();
    cache
}

/// Applies a message about a link.
fn link(cache: &mut Cache, ifindex: u32, name: &str, master: Option<u32>, event: u32) {
    let mut payload = vec![0; 16];
    payload[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    payload[12..16].fill(0xff);
    payload.extend(attribute(IFLA_IFNAME, format!("{name}\0").as_bytes()));
    payload.extend(attribute(IFLA_MTU, &1500_u32.to_ne_bytes()));
    payload.extend(attribute(IFLA_EVENT, &event.to_ne_bytes()));
    payload.extend(
        master.map(|master| attribute(IFLA_MASTER, &master.to_ne_bytes())).unwrap_or_default(),
    );
    if ifindex == TEAM {
        payload.extend(attribute(18, &attribute(1, b"team\0")));
    }
    cache.apply_link(
        &crate::netlink::codec::link::decode(RTM_NEWLINK, &payload).unwrap(),
        &mut Recheck::default(),
    );
}

/// Returns the driver's messages about a port that is added or removed, and about its options.
fn port(ifindex: u32, removed: bool) -> [TeamMessage; 2] {
    let flags = ItemFlags { changed: true, removed };
    let port =
        Port { ifindex: index(ifindex), name: None, link_up: true, raw_speed: 0, raw_duplex: 0 };
    let options = [names::ENABLED, names::PRIORITY].map(|name| {
        let id = OptionId::port(name, index(ifindex));
        OptionItem { option: TeamOption { id, value: OptionValue::U32(1), port_name: None }, flags }
    });
    [TeamMessage::Ports(vec![PortItem { port, flags }]), TeamMessage::Options(options.into())]
}

fn apply(cache: &mut Cache, messages: [TeamMessage; 2]) {
    for message in messages {
        cache.apply_team_event(message, &mut Recheck::default());
    }
}

/// Applies the events of a link that is created, added as a port, configured and released.
fn add_and_remove(cache: &mut Cache, ifindex: u32, is_deleted: bool) {
    let name = format!("p{ifindex}");
    link(cache, ifindex, &name, None, 0);
    link(cache, ifindex, &name, Some(TEAM), 0);
    apply(cache, port(ifindex, false));
    link(cache, ifindex, &name, Some(TEAM), IFLA_EVENT_NOTIFY_PEERS);
    cache.mark_local(&OptionId::port(names::PRIORITY, index(ifindex)));
    apply(cache, port(ifindex, true));
    cache.mark_local(&OptionId::port(names::PRIORITY, index(ifindex)));
    link(cache, ifindex, &name, None, 0);
    if is_deleted {
        cache.link_removed(index(ifindex));
    }
    cache.end_drain(&mut Recheck::default());
}

#[test]
fn links_added_and_removed_use_bounded_memory() {
    for scope in [LinkScope::All, LinkScope::Team] {
        let mut cache = cache(scope);
        for ifindex in 10..2000 {
            // In the scope `Team`, the deletion of a released link is not received.
            add_and_remove(&mut cache, ifindex, scope == LinkScope::All);
            let kept = format!("{cache:?}").len();
            assert!(
                kept < 100_000,
                "{scope:?}: cache prints as {kept} bytes after link {ifindex}, expected < 100000"
            );
        }
        assert_eq!(cache.take_changes(), Changes::default());
    }
}

#[test]
fn port_added_and_removed_often_is_reported_once() {
    for scope in [LinkScope::All, LinkScope::Team] {
        let mut cache = cache(scope);
        for _ in 0..100 {
            add_and_remove(&mut cache, 10, true);
        }
        link(&mut cache, 10, "p10", Some(TEAM), 0);
        apply(&mut cache, port(10, false));
        let changes = cache.take_changes();
        assert_eq!(
            (changes.links().len(), changes.ports().len(), changes.options().len()),
            (1, 1, 2)
        );
        assert!(changes.links().all(
            |link| link.is_added() && !link.changed_fields().contains(LinkChange::NOTIFY_PEERS)
        ));
        assert!(changes.ports().all(|port| port.is_added() && port.latest().name() == Some("p10")));
        // The local change was of an option that was removed.
        assert!(changes.options().all(|option| option.is_added() && !option.is_local()));

        for _ in 0..100 {
            add_and_remove(&mut cache, 10, true);
        }
        let changes = cache.take_changes();
        assert!(changes.links().all(Change::is_removed) && changes.links().len() == 1);
        assert!(changes.ports().all(Change::is_removed) && changes.ports().len() == 1);
        assert!(changes.options().all(Change::is_removed) && changes.options().len() == 2);
    }
}

#[test]
fn options_listed_after_their_port_have_its_name() {
    let mut cache = cache(LinkScope::Team);
    link(&mut cache, 10, "p10", Some(TEAM), 0);
    for message in port(10, false) {
        cache.apply_team_dump(message, &mut Recheck::default());
    }
    assert!(
        cache
            .options()
            .iter()
            .all(|option| option.port_name.as_ref().is_some_and(|name| name.as_str() == "p10"))
    );
}

#[test]
fn links_to_follow_are_compared_without_a_list() {
    let mut cache = cache(LinkScope::Team);
    link(&mut cache, TEAM, "team0", None, 0);
    link(&mut cache, 10, "p10", Some(TEAM), 0);
    // The driver announces one port whose link is not known yet.
    apply(&mut cache, port(11, false));
    let tracked = cache.tracked_links();
    assert_eq!(tracked, [TEAM, 10, 11].map(index).into());
    assert!(cache.tracks_exactly(&tracked));
    for ifindex in [TEAM, 10, 11] {
        let mut fewer = tracked.clone();
        fewer.remove(&index(ifindex));
        assert!(!cache.tracks_exactly(&fewer), "without {ifindex}");
    }
    let mut more = tracked;
    more.insert(index(12));
    assert!(!cache.tracks_exactly(&more));
}
