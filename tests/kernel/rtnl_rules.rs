//! Routing rules as `ip -j` prints them, all and filtered.

use libteam::ErrorKind;
use libteam::rtnl::netlink_packet_route::AddressFamily::{self, Inet, Inet6};
use libteam::rtnl::netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use libteam::rtnl::{RtnlSocket, RuleFilter};
use serde_json::Value;

use crate::support::netns::ip_json;
use crate::support::rtnl_scene::{
    assert_same_lines, attributes_text, build, family, ip_each, text,
};

fn our_rule(rule: &RuleMessage) -> String {
    let attributes = &rule.attributes;
    let source = attributes_text(attributes, |it| {
        if let RuleAttribute::Source(it) = it { Some(it.to_string()) } else { None }
    });
    let source = if source.is_empty() { "all".to_owned() } else { source };
    let whole = if rule.header.family == Inet { 32 } else { 128 };
    let length = Some(rule.header.src_len).filter(|length| *length != 0 && *length != whole);
    let goto = attributes_text(attributes, |it| {
        if let RuleAttribute::Goto(it) = it { Some(it.to_string()) } else { None }
    });
    let table = attributes_text(attributes, |it| {
        if let RuleAttribute::Table(it) = it { Some(it.to_string()) } else { None }
    });
    format!(
        "{} {} from {source}/{} iif {:?} fwmark {:?} goto {goto:?} table {:?} uids {:?}",
        family(rule.header.family),
        // The first rule's priority is 0, which the kernel does not send.
        attributes_text(attributes, |it| if let RuleAttribute::Priority(it) = it {
            Some(it.to_string())
        } else {
            None
        }),
        length.map(|length| length.to_string()).unwrap_or_default(),
        attributes_text(attributes, |it| if let RuleAttribute::Iifname(it) = it {
            Some(it.clone())
        } else {
            None
        }),
        attributes_text(attributes, |it| if let RuleAttribute::FwMark(it) = it {
            Some(format!("{it:#x}"))
        } else {
            None
        }),
        if table == "0" { String::new() } else { table },
        attributes_text(attributes, |it| match it {
            RuleAttribute::UidRange(range) => Some(format!("{}-{}", range.start, range.end)),
            _ => None,
        }),
    )
}

fn their_rules(family: AddressFamily, words: &str) -> Vec<String> {
    let option = if family == Inet { "-4" } else { "-6" };
    let rules = ip_json(&format!("-N {option} rule list {words}"));
    let line = |rule: &Value| {
        let uids = rule.get("uid_start").map(|start| format!("{start}-{}", rule["uid_end"]));
        format!(
            "{} {} from {}/{} iif {:?} fwmark {:?} goto {:?} table {:?} uids {:?}",
            self::family(family),
            Some(text(&rule["priority"])).filter(|it| it != "0").unwrap_or_default(),
            text(&rule["src"]),
            text(&rule["srclen"]),
            text(&rule["iif"]),
            text(&rule["fwmark"]),
            text(&rule["goto"]),
            text(&rule["table"]),
            uids.unwrap_or_default(),
        )
    };
    rules.iter().map(line).collect()
}

#[test]
fn rules_are_those_of_ip() {
    build();
    ip_each(&[
        "rule add from 192.0.2.0/24 lookup 100 prio 10",
        "rule add iif d0 ipproto 6 sport 1-5 lookup 1000 prio 11",
        "rule add uidrange 0-5 table 9",
        "rule add goto 32766 prio 5",
        "rule add from 192.0.2.4 blackhole prio 77",
        "-6 rule add fwmark 1/3 table 1000",
        "-6 rule add from 2001:db8::/32 table 1001",
    ]);
    let mut rtnl = RtnlSocket::new().unwrap();
    let both = |words: &str| [their_rules(Inet, words), their_rules(Inet6, words)].concat();
    for (filter, words, theirs) in [
        (RuleFilter::new(), "", both("")),
        (RuleFilter::new().family(Inet), "-4", their_rules(Inet, "")),
        (RuleFilter::new().family(Inet6), "-6", their_rules(Inet6, "")),
        (RuleFilter::new().table(1000), "1000", both("table 1000")),
        (RuleFilter::new().table(254).family(Inet), "-4 254", their_rules(Inet, "table 254")),
    ] {
        let rules = rtnl.rules(&filter).unwrap();
        // Kernels with multicast routing rules list those too, with families of their own.
        let rules = rules.items().iter().filter(|rule| matches!(rule.header.family, Inet | Inet6));
        assert_same_lines(words, rules.map(our_rule), theirs);
    }
}

#[test]
fn family_without_rules_is_a_kernel_error() {
    build();
    let error = RtnlSocket::new()
        .unwrap()
        .rules(&RuleFilter::new().family(AddressFamily::Ax25))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}
