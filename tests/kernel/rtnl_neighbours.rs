//! Neighbours as `ip -j` prints them, and the tables of bridges as `bridge -j` does, all and
//! filtered.

use std::process::Command;

use libteam::IfIndex;
use libteam::rtnl::netlink_packet_route::AddressFamily::{self, Inet, Inet6};
use libteam::rtnl::netlink_packet_route::neighbour::NeighbourFlags;
use libteam::rtnl::{Neighbour, NeighbourFilter, RtnlSocket};
use serde_json::Value;

use crate::support::netns::{index, ip_json};
use crate::support::programs::on_path;
use crate::support::rtnl_scene::{Names, assert_same_lines, build, ip_each, names, text};

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn name_of(link: Option<IfIndex>, names: &Names) -> String {
    link.map(|link| names[&link.get()].clone()).unwrap_or_default()
}

fn our_neighbour(neighbour: &Neighbour, names: &Names) -> String {
    // `ip` prints no state of a proxy entry.
    let state = if neighbour.is_proxy() {
        String::new()
    } else {
        neighbour.state().to_string().to_uppercase()
    };
    format!(
        "{} dev {} lladdr {:?} {state} {} {}",
        shown(neighbour.destination()),
        name_of(neighbour.ifindex(), names),
        shown(neighbour.hwaddr()),
        if neighbour.is_proxy() { "proxy" } else { "" },
        if neighbour.flags().contains(NeighbourFlags::Router) { "router" } else { "" },
    )
}

fn their_neighbour(neighbour: &Value, dev: &str) -> String {
    let states: Vec<String> =
        neighbour["state"].as_array().into_iter().flatten().map(text).collect();
    let has = |word: &'static str| if neighbour.get(word).is_some() { word } else { "" };
    let dev = if dev.is_empty() { text(&neighbour["dev"]) } else { dev.to_owned() };
    format!(
        "{} dev {dev} lladdr {:?} {} {} {}",
        text(&neighbour["dst"]),
        text(&neighbour["lladdr"]),
        states.join(","),
        has("proxy"),
        has("router"),
    )
}

#[test]
fn neighbours_are_those_of_ip() {
    build();
    ip_each(&[
        "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent",
        "neigh add 192.0.2.11 lladdr 02:00:00:00:00:0b dev v1 nud permanent",
        "neigh add 192.0.2.12 lladdr 02:00:00:00:00:0c dev v2 nud permanent",
        "neigh add proxy 192.0.2.10 dev d0",
        "neigh add proxy 192.0.2.10 dev v1",
        "-6 neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev d0 nud permanent router",
        "-6 neigh add 2001:db8::a lladdr 02:00:00:00:00:0a dev v1 nud noarp",
        "-6 neigh add proxy 2001:db8::b dev d0",
    ]);
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let d0 = index("d0");
    let all = NeighbourFilter::new;
    for (filter, words, dev) in [
        (all(), "neigh show nud all", ""),
        (all().family(Inet), "-4 neigh show nud all", ""),
        (all().family(Inet6), "-6 neigh show nud all", ""),
        (all().link(d0), "neigh show nud all dev d0", "d0"),
        (all().link(d0).family(Inet), "-4 neigh show nud all dev d0", "d0"),
        (all().master(index("br0")), "neigh show nud all master br0", ""),
        (all().master(index("team0")), "neigh show nud all master team0", ""),
        (all().proxies(), "neigh show proxy", ""),
        (all().proxies().link(d0), "neigh show proxy dev d0", "d0"),
        (all().proxies().family(Inet6), "-6 neigh show proxy", ""),
    ] {
        let printed =
            || ip_json(words).iter().map(|it| their_neighbour(it, dev)).collect::<Vec<_>>();
        // The kernel may add entries in the meantime, for multicast groups that are joined late.
        let (ours, theirs) = loop {
            let before = printed();
            let neighbours = rtnl.neighbours(&filter).unwrap();
            if printed() == before {
                break (neighbours, before);
            }
        };
        assert!(ours.is_consistent());
        assert_same_lines(words, ours.items().iter().map(|it| our_neighbour(it, &names)), theirs);
    }
}

/// Returns a line of a bridge's table: hardware address, link, VLAN, master and remote end.
fn our_entry(entry: &Neighbour, names: &Names) -> String {
    format!(
        "{} dev {} vlan {:?} master {:?} dst {:?}",
        shown(entry.hwaddr()),
        name_of(entry.ifindex(), names),
        shown(entry.vlan()),
        name_of(entry.master(), names),
        shown(entry.destination()),
    )
}

fn their_entries(words: &str, dev: &str) -> Vec<String> {
    let mut command = Command::new(on_path("bridge", "iproute2"));
    let output =
        command.args(["-j", "fdb", "show"]).args(words.split_whitespace()).output().unwrap();
    let entries: Vec<Value> =
        serde_json::from_slice(&output.stdout).expect("bridge prints a JSON list");
    let entry = |entry: &Value| {
        let dev = if dev.is_empty() { text(&entry["ifname"]) } else { dev.to_owned() };
        let said = ["vlan", "master", "dst"].map(|key| text(&entry[key]));
        format!(
            "{} dev {dev} vlan {:?} master {:?} dst {:?}",
            text(&entry["mac"]),
            said[0],
            said[1],
            said[2]
        )
    };
    entries.iter().map(entry).collect()
}

#[test]
fn bridge_tables_are_those_of_bridge() {
    build();
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let of_bridges = NeighbourFilter::new().family(AddressFamily::Bridge);
    for (filter, words, dev) in [
        (of_bridges.clone(), "", ""),
        (of_bridges.clone().master(index("br0")), "br br0", ""),
        (of_bridges.link(index("v1")), "brport v1", "v1"),
    ] {
        let (ours, theirs) = loop {
            let before = their_entries(words, dev);
            let entries = rtnl.neighbours(&filter).unwrap();
            if their_entries(words, dev) == before {
                break (entries, before);
            }
        };
        assert_same_lines(words, ours.items().iter().map(|it| our_entry(it, &names)), theirs);
    }
}
