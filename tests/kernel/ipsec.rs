//! The example `ipsec` lists the states and policies that `ip xfrm` lists.

use std::process::Command;

use serde_json::Value;

use crate::support::netns::{enter, ip, ip_batch};
use crate::support::programs::{Outcome, example, run};
use crate::support::xfrm;

const KEY_128: &str = "0x0123456789abcdef0123456789abcdef";
const KEY_160: &str = "0x0123456789abcdef0123456789abcdef01234567";
const KEY_256: &str = "0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// States of various kinds, for `ip xfrm state add`.
fn states() -> [String; 9] {
    [
        format!(
            "src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x301 reqid 7 mode tunnel auth-trunc hmac(sha1) {KEY_160} 96 \
             enc cbc(aes) {KEY_128} mark 0x10 mask 0xff if_id 0x2a replay-window 32 flag noecn nopmtudisc af-unspec"
        ),
        format!(
            "src fc00::1 dst fc00::2 proto esp spi 0x302 reqid 8 mode transport aead rfc4106(gcm(aes)) {KEY_160} 128 \
             output-mark 0x77 mask 0xff sel src fc00::1/128 dst fc00::2/127 proto 17 sport 10 dport 20"
        ),
        format!(
            "src 10.0.0.1 dst 10.0.0.3 proto ah spi 0x303 mode transport auth hmac(sha256) {KEY_256}"
        ),
        format!(
            "src 10.0.0.1 dst 10.0.0.4 proto esp spi 0xfffffffe reqid 4294967295 mode tunnel enc cbc(aes) {KEY_256} \
             encap espinudp 4500 4501 0.0.0.0"
        ),
        format!(
            "src 10.0.0.1 dst 10.0.0.5 proto esp spi 0x305 mode beet enc cbc(aes) {KEY_128} \
             auth hmac(md5) {KEY_128} replay-window 128 flag esn"
        ),
        "src 10.0.0.1 dst 10.0.0.6 proto comp spi 0x306 mode transport comp deflate".to_owned(),
        "src fc00::1 dst fc00::3 proto hao mode ro coa fc00::9".to_owned(),
        format!(
            "src fc00::1 dst fc00::4 proto ah spi 0x308 mode tunnel auth-trunc hmac(sha256) {KEY_256} 128 \
             output-mark 0x80000001"
        ),
        format!(
            "src 10.0.0.1 dst 10.0.0.7 proto esp spi 0x309 mode transport enc cbc(aes) {KEY_128} flag icmp \
             sel src 10.0.0.1/32 dst 10.0.0.7/32 dev lo proto 1 type 8 code 0"
        ),
    ]
}

/// Policies of various kinds, for `ip xfrm policy add`. Protocols are numbers, as `ip` reads names
/// from `/etc/protocols`, which some machines lack.
const POLICIES: [&str; 8] = [
    "src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 100 mark 0x10 mask 0xff if_id 42 \
     tmpl src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x301 reqid 7 mode tunnel",
    "src 10.1.0.0/16 dst 10.2.0.0/16 proto 6 sport 5 dport 80 dir in action block priority 4294967295",
    "src fc00::/64 dst fc01::/64 dir fwd tmpl src fc00::1 dst fc00::2 proto esp mode beet level use \
     tmpl proto ah mode transport reqid 9",
    "src 10.1.0.0/16 dst 10.3.0.0/16 dev lo proto 1 type 8 code 0 dir out flag localok",
    "src 10.1.0.0/16 dst 10.4.0.0/16 proto 47 key 1.2.3.4 dir out flag icmp",
    "src 10.1.0.0/16 dst 10.4.0.0/16 dir in ptype sub",
    "src ::/0 dst fc01::1/128 proto 58 type 135 dir out",
    "src 0.0.0.0/0 dst 0.0.0.0/0 proto 99 dir in tmpl proto comp mode transport",
];

fn ipsec(words: &str) -> Outcome {
    let mut command = Command::new(example("ipsec"));
    command.args(words.split_whitespace());
    run(command)
}

/// Returns the output of the example.
#[track_caller]
fn listed(words: &str) -> String {
    let outcome = ipsec(words);
    assert_eq!((outcome.status.code(), &*outcome.stderr), (Some(0), ""), "{words}");
    outcome.stdout
}

#[track_caller]
fn listed_as_json(words: &str) -> Vec<Value> {
    serde_json::from_str(&listed(&format!("{words} --json"))).expect("a JSON list")
}

/// Sorts entries, so that the kernel's order is irrelevant.
fn sorted(mut list: Vec<Value>) -> Vec<Value> {
    for item in &mut list {
        if let Some(algorithms) = item.get_mut("algorithms").and_then(Value::as_array_mut) {
            algorithms.sort_by_key(Value::to_string);
        }
    }
    list.sort_by_key(Value::to_string);
    list
}

#[test]
fn states_are_those_of_ip_xfrm() {
    enter();
    assert_eq!((listed("states"), listed("states --json")), (String::new(), "[]\n".to_owned()));
    for (count, state) in states().into_iter().enumerate() {
        ip(&format!("xfrm state add {state}"));
        let printed = xfrm::states();
        assert_eq!(printed.len(), count + 1);
        assert_eq!(sorted(listed_as_json("states")), sorted(printed), "{state}");
    }
    assert!(
        !ip("xfrm state").is_empty() && !listed("states").contains("01234567"),
        "the list of states has a key"
    );
}

#[test]
fn policies_are_those_of_ip_xfrm() {
    enter();
    assert_eq!((listed("policies"), listed("policies -j")), (String::new(), "[]\n".to_owned()));
    for (count, policy) in POLICIES.into_iter().enumerate() {
        ip(&format!("xfrm policy add {policy}"));
        let printed = xfrm::policies();
        assert_eq!(printed.len(), count + 1);
        assert_eq!(sorted(listed_as_json("policies")), sorted(printed), "{policy}");
    }
}

#[test]
fn ipsec_lists_a_thousand_policies_and_states() {
    enter();
    let numbers: Vec<(usize, usize)> =
        (1..=1000).map(|number| (number / 256, number % 256)).collect();
    let states = numbers.iter().map(|(high, low)| {
        format!("xfrm state add src 10.0.0.1 dst 10.2.{high}.{low} proto comp spi 0x9 mode transport comp deflate")
    });
    let policies = numbers
        .iter()
        .map(|(high, low)| format!("xfrm policy add src 10.0.0.1 dst 10.2.{high}.{low} dir out"));
    ip_batch(&states.chain(policies).collect::<Vec<_>>());
    for (words, of) in [("states", "src 10.0.0.1 dst"), ("policies", "src 10.0.0.1/32 dst")] {
        let printed = ip(&format!("xfrm {}", if words == "states" { "state" } else { "policy" }));
        assert_eq!(printed.lines().filter(|line| line.starts_with(of)).count(), 1000);
        assert_eq!(listed_as_json(words).len(), 1000);
    }
}

#[test]
fn text_output_has_one_paragraph_per_object() {
    enter();
    let states = states();
    // `ip` prints these flags only together with statistics.
    let with_more_flags = format!("{} extra-flag dont-encap-dscp oseq-may-wrap", states[4]);
    for (state, text) in [
        (
            &states[0],
            "esp 10.0.0.1 -> 10.0.0.2, spi 0x00000301, reqid 7, mode tunnel
    replay window 32, noecn, nopmtudisc, af-unspec
    mark 0x10/0xff
    if_id 0x2a
    auth hmac(sha1), 160 bits of key, 96 bits of check value
    enc cbc(aes), 128 bits of key
",
        ),
        (
            &states[1],
            "esp fc00::1 -> fc00::2, spi 0x00000302, reqid 8, mode transport
    replay window 0
    output mark 0x77/0xff
    aead rfc4106(gcm(aes)), 160 bits of key, 128 bits of check value
    only fc00::1/128 -> fc00::2/127 proto udp sport 10 dport 20
",
        ),
        (
            &states[3],
            "esp 10.0.0.1 -> 10.0.0.4, spi 0xfffffffe, reqid 4294967295, mode tunnel
    replay window 0
    enc cbc(aes), 256 bits of key
    in espinudp sport 4500 dport 4501
",
        ),
        (
            &with_more_flags,
            "esp 10.0.0.1 -> 10.0.0.5, spi 0x00000305, reqid 0, mode beet
    replay window 128, esn, dont-encap-dscp, oseq-may-wrap
    auth hmac(md5), 128 bits of key, 96 bits of check value
    enc cbc(aes), 128 bits of key
",
        ),
        (
            &states[6],
            "hao fc00::1 -> fc00::3, spi 0x00000000, reqid 0, mode ro
    replay window 0
    care of fc00::9
",
        ),
    ] {
        ip(&format!("xfrm state add {state}"));
        assert_eq!(listed("states"), text);
        ip("xfrm state flush");
    }
    for (policy, text) in [
        (
            POLICIES[0],
            "out allow 10.1.0.0/16 -> 10.2.0.0/16, priority 100, main
    mark 0x10/0xff
    if_id 0x2a
    by esp 10.0.0.1 -> 10.0.0.2, spi 0x00000301, reqid 7, mode tunnel
",
        ),
        (
            POLICIES[1],
            "in block 10.1.0.0/16 -> 10.2.0.0/16 proto tcp sport 5 dport 80, priority 4294967295, main\n",
        ),
        (
            POLICIES[2],
            "fwd allow fc00::/64 -> fc01::/64, priority 0, main
    by esp fc00::1 -> fc00::2, reqid 0, mode beet, optional
    by ah :: -> ::, reqid 9, mode transport
",
        ),
        (
            POLICIES[3],
            "out allow 10.1.0.0/16 -> 10.3.0.0/16 proto icmp type 8 code 0 ifindex 1, priority 0, main, localok\n",
        ),
        (
            POLICIES[4],
            "out allow 10.1.0.0/16 -> 10.4.0.0/16 proto gre key 16909060, priority 0, main, icmp\n",
        ),
        (POLICIES[5], "in allow 10.1.0.0/16 -> 10.4.0.0/16, priority 0, sub\n"),
    ] {
        ip(&format!("xfrm policy add {policy}"));
        assert_eq!(listed("policies"), text);
        ip("xfrm policy flush");
        ip("xfrm policy flush ptype sub");
    }
}

#[test]
fn invalid_command_line_prints_error_and_usage() {
    for (words, error) in [
        ("", "expected states or policies"),
        ("state", "expected states or policies"),
        ("states policies", "unexpected argument \"policies\""),
        ("states --xml", "invalid option '--xml'"),
        ("states --json=yes", "unexpected argument for option '--json': \"yes\""),
    ] {
        let outcome = ipsec(words);
        assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(2), ""), "{words}");
        assert!(
            outcome.stderr.starts_with(&format!("ipsec: {error}\n\nUsage: ")),
            "{words}: expected {error:?}: {}",
            outcome.stderr
        );
    }
    assert!(listed("--help").starts_with("Usage: ipsec"));
}

#[test]
fn ipsec_without_capability_shows_kernel_error() {
    enter();
    for (words, number) in [("states", 18), ("policies", 21)] {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(example("ipsec"))
            .arg(words);
        let outcome = run(command);
        let said = format!(
            "ipsec: listing the {words}: netlink request of type {number}: \
             operation not permitted (EPERM)\n"
        );
        assert_eq!((outcome.status.code(), outcome.stderr, &*outcome.stdout), (Some(1), said, ""));
    }
}
