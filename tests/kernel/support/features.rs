//! Properties in which kernels differ, tested on the running kernel rather than derived from its
//! version.

use std::os::fd::AsFd;
use std::thread;

use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use libteam::{IfIndex, OptionId, TeamHandle};

use crate::support::netns::{dummies, enter, ip, own_namespace, run_ip};
use crate::support::raw::{Listener, Raw};

/// The switches of a port. If the driver has one for each direction, `enabled` sets both and is
/// true if both are.
const SWITCHES: [&str; 3] = ["enabled", "rx_enabled", "tx_enabled"];

/// Returns the switches that a port has here: one, or all three.
pub(crate) fn switches(team: &TeamHandle, port: IfIndex) -> Vec<&'static str> {
    let has = |name: &&'static str| team.option(&OptionId::port(*name, port)).is_some();
    let switches: Vec<_> = SWITCHES.into_iter().filter(has).collect();
    assert!(
        switches == SWITCHES || switches == ["enabled"],
        "unknown set of switches: {switches:?}"
    );
    switches
}

/// Returns whether a port has separate switches for receiving and sending.
pub(crate) fn has_halves(team: &TeamHandle, port: IfIndex) -> bool {
    switches(team, port) == SWITCHES
}

/// Returns whether a link can be renamed while it is up; tried in a namespace of its own.
pub(crate) fn renames_links_that_are_up() -> bool {
    let attempt = || {
        enter();
        dummies(&["d0"]);
        ip("link set d0 up");
        run_ip("link set d0 name d1")
    };
    let outcome = thread::spawn(attempt).join().unwrap();
    let refused = String::from_utf8_lossy(&outcome.stderr).contains("Device or resource busy");
    assert!(
        outcome.status.success() || refused,
        "unexpected error of renaming a link: {outcome:?}"
    );
    !refused
}

/// Returns the commands that rename a link that is up, and leave it up.
pub(crate) fn renaming(link: &str, name: &str) -> Vec<String> {
    let rename = format!("link set {link} name {name}");
    if renames_links_that_are_up() {
        vec![rename]
    } else {
        vec![format!("link set {link} down"), rename, format!("link set {name} up")]
    }
}

/// Returns whether a link message has statistics.
pub(crate) fn has_statistics(link: &LinkMessage) -> bool {
    link.attributes
        .iter()
        .any(|it| matches!(it, LinkAttribute::Stats64(_) | LinkAttribute::Stats(_)))
}

/// Returns whether a link reply lacks the statistics when the request excludes them.
pub(crate) fn leaves_out_statistics() -> bool {
    let mut request = LinkMessage::default();
    request.header.index = 1;
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut connection = NetlinkConnection::new(Protocol::ROUTE).unwrap();
    let answers: Vec<RouteNetlinkMessage> =
        connection.request(RouteNetlinkMessage::GetLink(request), 0).unwrap();
    let [RouteNetlinkMessage::NewLink(lo)] = &answers[..] else { panic!("{answers:?}") };
    !has_statistics(lo)
}

/// Returns whether the kernel never releases a port that moves to another namespace after its team
/// changed its MTU, so that deleting it there blocks for ever. This happens if the team sends a
/// notification when it restores the port's MTU: IPv4 then starts again on a link that is being
/// moved. Tested with an MTU that is too small for IPv4, which is harmless.
pub(crate) fn keeps_ports_that_move() -> bool {
    const TOO_SMALL: u32 = 60;
    let attempt = || {
        let elsewhere = thread::spawn(|| {
            enter();
            own_namespace()
        });
        let elsewhere = elsewhere.join().unwrap();
        enter();
        let [team, port] = [10, 11].map(|index| IfIndex::new(index).unwrap());
        let mut raw = Raw::new();
        raw.add("team", "team0", team).unwrap();
        raw.add_dummy("d0", port).unwrap();
        raw.set_mtu(port, TOO_SMALL).unwrap();
        raw.set_master(port, Some(team)).unwrap();
        let listener = Listener::new();
        raw.send_away(port, elsewhere.as_fd()).unwrap();
        listener.receives_mtu(port, TOO_SMALL)
    };
    thread::spawn(attempt).join().unwrap()
}

/// Returns whether the kernel explains, in the extended ack, why it refuses an address.
pub(crate) fn explains_addresses() -> bool {
    let output = run_ip("address del 192.0.2.99/24 dev lo");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).starts_with("Error: ")
}
