//! `LinkEvents`: the events that commands of `ip` cause.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use libteam::link_events::{LinkEvent, LinkEventCause, LinkEvents};
use libteam::rtnl::LinkInfo;
use libteam::{ErrorKind, IfIndex, LinkFlags, Mode};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::support::changes::team_with;
use crate::support::link_replica::{LinkReplica, marks};
use crate::support::netns::{
    NamedNamespace, OtherNamespace, dummies, enter, index, ip, ip_json, run_ip, veth,
};
use crate::support::timeouts::timeout;

/// Returns the link of the last event about it. Panics if there is no such event.
fn last(events: &mut LinkEvents, name: &str) -> LinkInfo {
    let received: Vec<LinkEvent> = std::iter::from_fn(|| events.try_next().unwrap()).collect();
    let of_link =
        received.iter().rev().filter_map(LinkEvent::link).find(|link| link.name() == name);
    of_link.unwrap_or_else(|| panic!("no event of {name}: {received:?}")).clone()
}

/// Panics unless a link is as `ip` prints it.
fn assert_as_printed(link: &LinkInfo) {
    let printed = ip_json(&format!("-d link show dev {}", link.name())).remove(0);
    assert_eq!(printed["ifindex"], link.ifindex().get());
    assert_eq!(printed["mtu"], link.mtu());
    assert_eq!(printed["address"], link.hwaddr().unwrap().to_string());
    assert_eq!(printed["linkinfo"]["info_kind"], *link.kind().unwrap());
    assert_eq!(printed["ifalias"].as_str(), link.alias().as_deref());
    assert_eq!(printed["master"].as_str().map(index), link.master());
    let flags = printed["flags"].as_array().unwrap();
    assert_eq!(flags.iter().any(|flag| flag == "UP"), link.is_admin_up());
}

#[test]
fn new_stream_has_no_events() {
    enter();
    dummies(&["d0"]);
    let mut events = LinkEvents::new().unwrap();
    assert_eq!(events.try_next().unwrap(), None);
    let start = Instant::now();
    assert_eq!(events.next_timeout(Duration::from_millis(50)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(events.receive_buffer().unwrap() >= 2 << 20);
}

#[test]
fn link_has_events_from_creation_to_removal() {
    enter();
    let mut events = LinkEvents::new().unwrap();
    ip("link add d0 mtu 1400 type dummy");
    let Some(LinkEvent::Added(link)) = events.try_next().unwrap() else { panic!("not added") };
    assert_eq!((&*link.name(), link.mtu()), ("d0", 1400));
    assert_as_printed(&link);
    let ifindex = link.ifindex();

    for (change, name) in [
        ("link set d0 mtu 1300", "d0"),
        ("link set d0 address 02:00:00:00:00:77", "d0"),
        ("link set d0 name d1", "d1"),
        ("link set d1 up", "d1"),
        ("link set d1 alias a-description", "d1"),
        ("link set d1 down", "d1"),
    ] {
        ip(change);
        let Some(LinkEvent::Changed { link, cause: None }) = events.try_next().unwrap() else {
            panic!("{change}")
        };
        assert_eq!((&*link.name(), link.ifindex()), (name, ifindex));
        assert_as_printed(&link);
        let is_about_up = change.ends_with("up") || change.ends_with("down");
        assert_eq!(link.changed_flags().contains(LinkFlags::UP), is_about_up, "{change}");
        assert_eq!(events.try_next().unwrap(), None, "{change}");
    }

    ip("link del d1");
    let Some(LinkEvent::Removed(link)) = events.try_next().unwrap() else { panic!("not removed") };
    assert_eq!((&*link.name(), link.ifindex()), ("d1", ifindex));
    assert_eq!(events.try_next().unwrap(), None);
}

#[test]
fn both_ends_of_a_veth_are_added_and_removed() {
    enter();
    let mut events = LinkEvents::new().unwrap();
    veth("v0", "v1");
    assert_eq!(marks(&mut events), ["+v1", "+v0", "*v1"]);
    ip("link set v0 up");
    while events.next_timeout(Duration::from_millis(300)).unwrap().is_some() {}
    ip("link del v0");
    let mut seen = marks(&mut events);
    seen.retain(|mark| !mark.starts_with('*'));
    seen.sort();
    assert_eq!(seen, ["-v0", "-v1"]);
}

#[test]
fn bridge_port_events_are_distinct() {
    enter();
    dummies(&["d0"]);
    ip("link add br0 type bridge");
    let mut events = LinkEvents::new().unwrap();
    ip("link set d0 master br0");
    let seen = marks(&mut events);
    assert_eq!(seen[0], "*d0", "{seen:?}");
    assert!(seen.contains(&"bridge *d0".to_owned()), "no event of the bridge for d0: {seen:?}");
    assert!(seen.contains(&"*br0 Features".to_owned()), "no event of br0's features: {seen:?}");
    ip("link set d0 mtu 1400");
    assert_as_printed(&last(&mut events, "d0"));

    ip("link set d0 nomaster");
    let seen = marks(&mut events);
    assert_eq!(
        seen.iter().filter(|mark| mark.contains('-')).collect::<Vec<_>>(),
        ["bridge -d0"],
        "{seen:?}"
    );
    ip("link set d0 mtu 1300");
    assert_as_printed(&last(&mut events, "d0"));

    ip("link set d0 master br0");
    ip("link del d0");
    let seen = marks(&mut events);
    assert_eq!(
        seen.iter().filter(|mark| mark.contains('-')).collect::<Vec<_>>(),
        ["bridge -d0", "-d0"],
        "{seen:?}"
    );
}

#[test]
fn port_of_a_team_has_its_master() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &[]);
    dummies(&["d0"]);
    let mut events = LinkEvents::new().unwrap();
    team.add_port(index("d0")).unwrap();
    let port = last(&mut events, "d0");
    assert_eq!((port.master(), port.port_kind().as_deref()), (Some(index("team0")), Some("team")));
    assert_as_printed(&port);
    team.remove_port(index("d0")).unwrap();
    let port = last(&mut events, "d0");
    assert_eq!((port.master(), port.port_kind()), (None, None));
    team.add_port(index("d0")).unwrap();
    marks(&mut events);
    ip("link del d0");
    let seen = marks(&mut events);
    assert_eq!(
        seen.iter().filter(|mark| mark.contains('-')).collect::<Vec<_>>(),
        ["-d0"],
        "{seen:?}"
    );
}

#[test]
fn moved_link_has_its_destination() {
    enter();
    let other = NamedNamespace::new("libteam-link-events");
    let mut here = LinkEvents::new().unwrap();
    let mut there = LinkEvents::in_namespace(File::open(other.path()).unwrap()).unwrap();
    ip("link add m0 index 4242 type dummy");
    // The index is in use in the other namespace: the link gets another one.
    ip(&format!("-n {} link add clash index 4242 type dummy", other.name()));
    assert_eq!(
        (marks(&mut here), marks(&mut there)),
        (vec!["+m0".to_owned()], vec!["+clash".to_owned()])
    );

    ip(&format!("link set m0 netns {}", other.name()));
    let Some(LinkEvent::Moved { link, netnsid: Some(netnsid), ifindex: Some(ifindex) }) =
        here.try_next().unwrap()
    else {
        panic!("not moved with a destination")
    };
    assert_eq!((&*link.name(), link.ifindex().get()), ("m0", 4242));
    assert_eq!(i64::from(netnsid), namespace_number("", other.name()));
    assert_eq!(ifindex, other.index("m0"));
    assert_ne!(ifindex.get(), 4242);
    let Some(LinkEvent::Added(link)) = there.try_next().unwrap() else { panic!("not added there") };
    assert_eq!((&*link.name(), link.ifindex()), ("m0", ifindex));

    other.give_back("m0");
    let Some(LinkEvent::Moved { link, netnsid, ifindex: back }) = there.try_next().unwrap() else {
        panic!("not moved back")
    };
    assert_eq!((link.ifindex(), back), (ifindex, Some(index("m0"))));
    assert!(netnsid.is_some());
    let Some(LinkEvent::Added(link)) = here.try_next().unwrap() else { panic!("not added again") };
    assert_as_printed(&link);
    assert_eq!((here.try_next().unwrap(), there.try_next().unwrap()), (None, None));
}

/// The ID of a named namespace as `ip` prints it.
fn namespace_number(options: &str, name: &str) -> i64 {
    let printed = ip_json(&format!("{options} netns list"));
    let of_name =
        printed.iter().find(|entry| entry["name"] == name).expect("ip lists the namespace");
    of_name["id"].as_i64().expect("the namespace has an id")
}

#[test]
fn move_to_an_unnamed_namespace_is_an_event() {
    enter();
    dummies(&["m0"]);
    let mut events = LinkEvents::new().unwrap();
    let other = OtherNamespace::new();
    other.take("m0");
    assert!(matches!(
        events.try_next(),
        Ok(Some(LinkEvent::Moved { netnsid: Some(_), ifindex: Some(_), .. }))
    ));
    other.give_back("m0");
    assert_eq!(marks(&mut events), ["+m0"]);
}

/// Waits for events of a link with each of these causes; panics if one does not arrive.
fn wait_for_causes(events: &mut LinkEvents, ifindex: IfIndex, mut causes: Vec<LinkEventCause>) {
    let deadline = Instant::now() + timeout();
    while !causes.is_empty() {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let event = events
            .next_timeout(remaining)
            .unwrap()
            .unwrap_or_else(|| panic!("{causes:?} did not arrive"));
        if event.link().is_some_and(|link| link.ifindex() == ifindex) {
            causes.retain(|cause| Some(*cause) != event.cause());
        }
    }
}

#[test]
fn notify_peers_of_a_team_is_a_cause() {
    enter();
    let mut team = team_with(Mode::RoundRobin, &["d0"]);
    ip("link set team0 up");
    team.set_notify_peers_count(2).unwrap();
    team.set_mcast_rejoin_count(1).unwrap();
    team.set_port_enabled(index("d0"), false).unwrap();
    let mut events = LinkEvents::new().unwrap();
    team.set_port_enabled(index("d0"), true).unwrap();
    wait_for_causes(
        &mut events,
        team.ifindex(),
        vec![LinkEventCause::NotifyPeers, LinkEventCause::ResendIgmp],
    );
}

#[test]
fn failover_of_a_bond_is_a_cause() {
    enter();
    dummies(&["s0", "s1"]);
    ip("link add bond0 type bond mode active-backup miimon 100");
    ip("link set s0 master bond0");
    ip("link set s1 master bond0");
    ip("link set bond0 up");
    let mut events = LinkEvents::new().unwrap();
    ip("link set bond0 type bond active_slave s1");
    wait_for_causes(
        &mut events,
        index("bond0"),
        vec![LinkEventCause::BondingFailover, LinkEventCause::NotifyPeers],
    );

    // The kernel reports only options that are set through sysfs, whose files are those of the
    // mounting namespace.
    let script = "mount -t sysfs sysfs /sys && echo 200 > /sys/class/net/bond0/bonding/miimon";
    assert!(
        Command::new("unshare").args(["--mount", "sh", "-c", script]).status().unwrap().success()
    );
    wait_for_causes(&mut events, index("bond0"), vec![LinkEventCause::BondingOptions]);
}

#[test]
fn link_whose_creation_fails_is_not_added() {
    enter();
    dummies(&["d0"]);
    ip("link add v0 type veth peer name v1");
    ip("link add bond0 type bond");
    ip("link set d0 master bond0");
    let (mut events, mut replica) = (LinkEvents::new().unwrap(), LinkReplica::new());
    // A port of a bond cannot be a port of an HSR device: the kernel has sent events of the device
    // by then.
    assert!(!run_ip("link add hsr0 type hsr slave1 v0 slave2 d0").status.success());
    // This link fails after its creation, and is deleted.
    assert!(!run_ip("link add e0 master lo type dummy").status.success());
    replica.read_events(&mut events);
    replica.assert_matches_ip();
    // This link has events before it has been created, and succeeds.
    ip("link add bond1 type bond mode active-backup");
    replica.read_events(&mut events);
    replica.assert_matches_ip();
}

#[test]
fn iterator_waits_for_the_next_event() {
    enter();
    let mut events = LinkEvents::new().unwrap();
    let mut child =
        Command::new("sh").args(["-c", "sleep 0.2; ip link add d0 type dummy"]).spawn().unwrap();
    assert!(matches!(events.next(), Some(Ok(LinkEvent::Added(link))) if link.name() == "d0"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn events_are_those_of_the_sockets_namespace() {
    enter();
    let mut here = LinkEvents::new().unwrap();
    let seen = std::thread::spawn(move || {
        enter();
        dummies(&["elsewhere"]);
        marks(&mut here)
    });
    assert_eq!(seen.join().unwrap(), [""; 0]);
    let no_namespace = File::open("/proc/self/status").unwrap();
    assert_eq!(LinkEvents::in_namespace(no_namespace).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn messages_of_another_process_are_ignored() {
    enter();
    let mut events = LinkEvents::new().unwrap();
    let mut forger = Socket::new(NETLINK_ROUTE).unwrap();
    forger.bind_auto().unwrap();
    // RTM_DELLINK of the loopback, to the group of link messages.
    let mut message = 32_u32.to_ne_bytes().to_vec();
    message.extend([17, 0, 0, 0]);
    message.resize(20, 0);
    message.extend([1_u32, 0, u32::MAX].map(u32::to_ne_bytes).concat());
    forger.send_to(&message, &SocketAddr::new(0, 1), 0).unwrap();
    dummies(&["d0"]);
    assert_eq!(marks(&mut events), ["+d0"]);
}
