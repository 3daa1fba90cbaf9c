//! A namespace with links of many kinds, and the output of `ip -j` about it.

use std::collections::HashMap;
use std::fs;

use libteam::rtnl::netlink_packet_route::AddressFamily;
use serde_json::Value;

use crate::support::netns::{enter, ip, ip_batch, ip_json};

pub(crate) type Names = HashMap<u32, String>;

/// Creates links of many kinds, most of them up, with addresses of both families. There are no
/// tunnels: their modules create links in each new namespace, also in those of other tests.
pub(crate) fn build() {
    enter();
    // Without it, the kernel generates addresses some time later.
    fs::write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1").expect("the kernel has IPv6");
    ip_batch(&[
        "link add d0 type dummy",
        "link add d1 type dummy",
        "link add d2 address 02:00:00:00:00:d2 mtu 1400 type dummy",
        "link set d2 alias the-uplink",
        "link property add dev d2 altname another-name-of-more-than-15-bytes altname short",
        "link add v0 type veth peer name v1",
        "link add v2 type veth peer name v3",
        "link add br0 type bridge",
        "link set v1 master br0",
        "link set d1 master br0",
        "link add link d0 name d0.5 type vlan id 5",
        "link add link d0 name mac0 type macvlan",
        "link add vx0 type vxlan id 7 dev d0 dstport 4789 remote 192.0.2.7",
        "link add vrf0 type vrf table 77",
        "link add team0 type team",
        "link set v2 master team0",
        "link add team1 type team",
    ]);
    for link in ["d0", "d1", "v0", "v1", "v3", "br0", "d0.5", "vrf0", "team0"] {
        ip(&format!("link set {link} up"));
    }
    ip_batch(&[
        "addr add 192.0.2.1/24 dev d0 label d0:a",
        "addr add 10.9.0.1 peer 10.9.0.2/32 dev d0",
        "addr add 10.1.1.1/24 dev d0 broadcast 10.1.1.255 scope link valid_lft 1000 preferred_lft 500",
        "addr add 198.18.0.1/15 dev br0",
        "addr add 2001:db8::1/64 dev d0 nodad",
        "addr add 2001:db8:7::1 peer 2001:db8:7::2/128 dev d0 nodad",
        "addr add 2001:db8:9::1/64 dev team0 nodad",
    ]);
}

/// Runs `ip` for each of these commands, which may begin with an option, unlike those of a batch.
pub(crate) fn ip_each(commands: &[&str]) {
    for command in commands {
        ip(command);
    }
}

/// Returns the names of the links by their indexes.
pub(crate) fn names() -> Names {
    let links = ip_json("link show");
    links
        .iter()
        .map(|link| {
            (u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap(), text(&link["ifname"]))
        })
        .collect()
}

/// Returns a JSON string or number as text, and a missing value as the empty string.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null => String::new(),
        other => panic!("neither string nor number: {other}"),
    }
}

/// Returns the text of the first matching attribute, or the empty string.
pub(crate) fn attributes_text<A>(
    attributes: &[A],
    to_text: impl Fn(&A) -> Option<String>,
) -> String {
    attributes.iter().find_map(to_text).unwrap_or_default()
}

pub(crate) fn family(family: AddressFamily) -> &'static str {
    match family {
        AddressFamily::Inet => "inet",
        AddressFamily::Inet6 => "inet6",
        other => panic!("{other:?}"),
    }
}

/// Panics unless both have the same lines, in any order, and at least one.
pub(crate) fn assert_same_lines(
    what: &str,
    ours: impl IntoIterator<Item = String>,
    expected: impl IntoIterator<Item = String>,
) {
    let sorted = |lines: Vec<String>| {
        let mut lines = lines;
        lines.sort();
        lines
    };
    let (ours, expected) =
        (sorted(ours.into_iter().collect()), sorted(expected.into_iter().collect()));
    assert_eq!(ours, expected, "{what}");
    assert!(!ours.is_empty(), "{what}: no lines to compare");
}
