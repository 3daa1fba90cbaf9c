//! Queueing disciplines, classes and filters as `tc` prints them, all and filtered.

use std::fs;
use std::process::Command;

use libteam::rtnl::netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use libteam::rtnl::{RtnlSocket, TcSelector};
use serde_json::Value;

use crate::support::netns::{enter, index, ip_batch};
use crate::support::programs::on_path;
use crate::support::rtnl_scene::{Names, assert_same_lines, names, text};

/// Runs `tc` with these words, in which `+` stands for a space, and returns its output; panics if
/// it fails.
fn tc(words: &str) -> String {
    let output = Command::new(on_path("tc", "iproute2"))
        .args(words.split_whitespace().map(|word| word.replace('+', " ")))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tc {words} failed: {stderr}");
    String::from_utf8(output.stdout).expect("tc prints UTF-8")
}

/// Creates links with a queueing discipline of each kind that the kernel supports.
fn build() {
    enter();
    // Nothing is sent: some queueing disciplines have a class for each queued flow.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("the kernel has IPv6");
    let kinds = ["hfsc", "drr", "prio", "sfq", "fq", "fq_codel", "codel", "cake", "pfifo", "netem"];
    let links = ["a", "b", "c", "d"].into_iter().chain(kinds);
    ip_batch(&links.map(|link| format!("link add q-{link} up type dummy")).collect::<Vec<_>>());
    for kind in kinds {
        tc(&format!("qdisc add dev q-{kind} root handle 1: {kind}"));
    }
    for words in [
        "qdisc add dev q-a root handle 1: htb default 10",
        "class add dev q-a parent 1: classid 1:1 htb rate 10mbit",
        "class add dev q-a parent 1:1 classid 1:10 htb rate 1mbit",
        "class add dev q-a parent 1:1 classid 1:20 htb rate 2mbit",
        "qdisc add dev q-a parent 1:10 handle 10: fq_codel",
        "qdisc add dev q-a parent 1:20 handle 20: htb",
        "class add dev q-a parent 20: classid 20:1 htb rate 1mbit",
        "filter add dev q-a parent 1: protocol ip u32 match ip dst 192.0.2.1 flowid 1:10",
        "filter add dev q-a parent 1: protocol ipv6 flower dst_ip 2001:db8::1 classid 1:20",
        "filter add dev q-a parent 1: protocol all matchall classid 1:10",
        "filter add dev q-a parent 1:1 protocol ip prio 7 u32 match ip src 192.0.2.1 flowid 1:20",
        "filter add dev q-a parent 20: protocol ip flower ip_proto tcp dst_port 80 classid 20:1",
        "qdisc add dev q-b clsact",
        "filter add dev q-b ingress protocol ip matchall action drop",
        "filter add dev q-b egress protocol ip chain 3 flower ip_proto udp action mirred egress redirect dev q-a",
        "filter add dev q-b egress protocol ip flower ip_proto udp action pedit ex munge ip ttl set 5",
        "filter add dev q-b egress protocol all bpf bytecode 1,6+0+0+0",
        "qdisc add dev q-c ingress_block 22 ingress",
        "qdisc add dev q-d ingress_block 22 ingress",
        "filter add block 22 protocol ip matchall action ok",
        "class add dev q-hfsc parent 1: classid 1:1 hfsc sc rate 1mbit",
        "class add dev q-drr parent 1: classid 1:1 drr",
        "filter add dev q-hfsc parent 1: protocol ip u32 match ip dst 192.0.2.1 flowid 1:1",
    ] {
        tc(words);
    }
}

fn kind(message: &TcMessage) -> &str {
    message
        .attributes
        .iter()
        .find_map(|it| if let TcAttribute::Kind(kind) = it { Some(kind.as_str()) } else { None })
        .unwrap()
}

/// Returns a handle as tc prints it: hexadecimal, without a minor number of 0.
fn print(handle: TcHandle) -> String {
    match (handle.major, handle.minor) {
        (major, 0) => format!("{major:x}:"),
        (0, minor) => format!(":{minor:x}"),
        (major, minor) => format!("{major:x}:{minor:x}"),
    }
}

fn handle(major: u16, minor: u16) -> TcHandle {
    TcHandle { major, minor }
}

fn link_of(message: &TcMessage, names: &Names) -> String {
    names[&u32::try_from(message.header.index).unwrap()].clone()
}

fn our_qdisc(qdisc: &TcMessage, names: &Names) -> String {
    let header = &qdisc.header;
    let parent =
        if header.parent == TcHandle::ROOT { "root".to_owned() } else { print(header.parent) };
    format!("{} {} {} {parent}", kind(qdisc), print(header.handle), link_of(qdisc, names))
}

fn their_qdiscs(words: &str) -> Vec<String> {
    let qdiscs: Vec<Value> = serde_json::from_str(&tc(&format!("-j qdisc show {words}"))).unwrap();
    let line = |qdisc: &Value| {
        let parent =
            if qdisc["root"].is_boolean() { "root".to_owned() } else { text(&qdisc["parent"]) };
        let dev = qdisc["dev"].as_str().unwrap_or_else(|| words.rsplit(' ').next().unwrap());
        format!("{} {} {dev} {parent}", text(&qdisc["kind"]), text(&qdisc["handle"]))
    };
    qdiscs.iter().map(line).collect()
}

#[test]
fn qdiscs_are_those_of_tc() {
    build();
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let all = their_qdiscs("");
    let below = |parent: &str| {
        all.iter().filter(|line| line.ends_with(parent)).cloned().collect::<Vec<_>>()
    };
    for (filter, words, theirs) in [
        (TcSelector::new(), "", all.clone()),
        (TcSelector::new().link(index("q-a")), "dev q-a", their_qdiscs("dev q-a")),
        (TcSelector::new().link(index("q-b")), "dev q-b", their_qdiscs("dev q-b")),
        (TcSelector::new().parent(TcHandle::ROOT), "root", below(" root")),
        (TcSelector::new().parent(TcHandle::INGRESS), "ingress", below(" ffff:fff1")),
        (TcSelector::new().parent(handle(1, 0x10)), "1:10", below(" 1:10")),
    ] {
        let qdiscs = rtnl.qdiscs(&filter).unwrap();
        assert!(qdiscs.is_consistent());
        assert_same_lines(words, qdiscs.items().iter().map(|it| our_qdisc(it, &names)), theirs);
    }
}

fn our_class(class: &TcMessage, names: &Names) -> String {
    let header = &class.header;
    let parent = if header.parent == TcHandle::ROOT {
        "root".to_owned()
    } else {
        format!("parent {}", print(header.parent))
    };
    format!("{} class {} {} {parent}", link_of(class, names), kind(class), print(header.handle))
}

/// Returns the classes of a link. A line of tc, whose JSON is invalid, begins with "class htb 1:10
/// parent 1:1".
fn their_classes(dev: &str, words: &str) -> Vec<String> {
    let printed = tc(&format!("class show dev {dev} {words}"));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = if words[3] == "root" { 4 } else { 5 };
        format!("{dev} {}", words[..count].join(" "))
    };
    printed.lines().filter(|line| line.starts_with("class")).map(line).collect()
}

#[test]
fn classes_are_those_of_tc() {
    build();
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let everywhere: Vec<String> = names.values().flat_map(|dev| their_classes(dev, "")).collect();
    let a = || TcSelector::new().link(index("q-a"));
    let a_below = |part: &str| {
        their_classes("q-a", "").into_iter().filter(|it| it.contains(part)).collect::<Vec<_>>()
    };
    for (filter, words, theirs) in [
        (TcSelector::new(), "", everywhere),
        (a(), "dev q-a", their_classes("q-a", "")),
        (TcSelector::new().link(index("q-hfsc")), "dev q-hfsc", their_classes("q-hfsc", "")),
        (a().parent(handle(1, 0)), "parent 1:", a_below(" htb 1:")),
        (a().parent(handle(0x20, 0)), "parent 20:", a_below(" htb 20:")),
        (a().parent(handle(1, 1)), "parent 1:1", a_below(" parent 1:1")),
        (a().parent(TcHandle::ROOT), "root", a_below(" root")),
    ] {
        let classes = rtnl.classes(&filter).unwrap();
        assert!(classes.is_consistent());
        assert_same_lines(words, classes.items().iter().map(|it| our_class(it, &names)), theirs);
    }
}

/// Returns a filter without its attach point.
fn our_filter(filter: &TcMessage) -> String {
    let protocol = match u16::from_be(u16::try_from(filter.header.info & 0xffff).unwrap()) {
        0x0800 => "ip".to_owned(),
        0x86dd => "ipv6".to_owned(),
        0x0003 => "all".to_owned(),
        other => format!("{other:#x}"),
    };
    let chain = filter
        .attributes
        .iter()
        .find_map(|it| if let TcAttribute::Chain(it) = it { Some(*it) } else { None });
    format!(
        "protocol {protocol} pref {} {} chain {}",
        filter.header.info >> 16,
        kind(filter),
        chain.unwrap_or(0)
    )
}

/// Returns the filters of one attach point: a line of tc begins with "filter", perhaps the parent,
/// and "protocol ip pref 7 u32 chain 0".
fn their_filters(words: &str) -> Vec<String> {
    let printed = tc(&format!("filter show {words}"));
    let line = |line: &str| {
        let words: Vec<&str> =
            line.split_whitespace().skip_while(|word| *word != "protocol").take(7).collect();
        words.join(" ")
    };
    printed.lines().filter(|line| line.starts_with("filter")).map(line).collect()
}

#[test]
fn filters_are_those_of_tc() {
    build();
    let mut rtnl = RtnlSocket::new().unwrap();
    let of = |link: &str| TcSelector::new().link(index(link));
    let at = |link: &str, places: &[&str]| -> Vec<String> {
        places.iter().flat_map(|place| their_filters(&format!("dev {link} {place}"))).collect()
    };
    let (a, b) = (["parent 1:", "parent 1:1", "parent 20:"], ["ingress", "egress"]);
    let everywhere =
        [at("q-a", &a), at("q-b", &b), their_filters("block 22"), at("q-hfsc", &["parent 1:"])]
            .concat();
    for (filter, words, theirs) in [
        (TcSelector::new(), "", everywhere),
        (of("q-a"), "dev q-a", at("q-a", &a)),
        (of("q-b"), "dev q-b", at("q-b", &b)),
        (of("q-c"), "dev q-c", at("q-c", &["ingress"])),
        (of("q-a").parent(handle(1, 0)), "parent 1:", at("q-a", &["parent 1:"])),
        (of("q-a").parent(handle(1, 1)), "parent 1:1", at("q-a", &["parent 1:1"])),
        (of("q-b").parent(handle(0xffff, TcHandle::MIN_EGRESS)), "egress", at("q-b", &["egress"])),
        (
            TcSelector::new().parent(handle(1, 0)),
            "parent 1: anywhere",
            [at("q-a", &["parent 1:"]), at("q-hfsc", &["parent 1:"])].concat(),
        ),
    ] {
        let filters = rtnl.filters(&filter).unwrap();
        assert!(filters.is_consistent());
        assert_same_lines(words, filters.items().iter().map(our_filter), theirs);
    }
    assert_eq!(rtnl.filters(&of("q-pfifo")).unwrap().items(), []);
}
