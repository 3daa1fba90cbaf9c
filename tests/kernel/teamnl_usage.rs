//! The example `teamnl` accepts the command lines of the C library's `teamnl`, with a few intended
//! differences.

use std::fs::OpenOptions;
use std::process::Stdio;

use libteam::{Mode, TeamHandle};

use crate::support::netns::{enter, ip};
use crate::support::programs::{Tool, assert_same, handle_until, team_with_ports_in_all_states};

/// Command lines that both accept.
const WAYS: [&str; 26] = [
    "team0 -p v0 getoption enabled",
    "team0 getoption enabled -p v0",
    "-pv0 team0 getoption enabled",
    "--port_name v0 team0 getoption enabled",
    "--port_name=v0 team0 getoption enabled",
    "--port=v0 team0 getoption enabled",
    "--p v0 team0 getoption enabled",
    "-p d0 -p v0 team0 getoption enabled",
    "-a3 team0 getoption lb_hash_stats",
    "--array_index 3 team0 getoption lb_hash_stats",
    "--arr=3 team0 getoption lb_hash_stats",
    "-a +3 team0 getoption lb_hash_stats",
    "-p v0 team0 -- getoption enabled",
    "-- team0 ports",
    "team0 -- ports",
    "team0 ports --",
    "team0 ports and more",
    "team0 getoption mode and more",
    "team0 p",
    "team0 ''",
    "team0 o",
    "team0 g mode",
    "team0 s notify_peers_count 3",
    "-p v0 -a 3 team0 ports",
    "uplink getoption mode",
    "-p cable team0 getoption queue_id",
];

#[test]
fn option_order_and_abbreviations_are_those_of_c() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    ip("link property add dev team0 altname uplink");
    ip("link property add dev v0 altname cable");
    for words in WAYS {
        assert!(assert_same(words).status.success(), "teamnl {words} failed");
    }
}

/// Command lines that print the usage, and whether it was requested. They fail before the device is
/// opened.
const USAGES: [(&str, bool); 24] = [
    ("-h", true),
    ("--help", true),
    ("--he", true),
    ("-hx", true),
    ("-h -x", true),
    ("-h nosuch command", true),
    ("nosuch ports -h", true),
    ("-p x -h", true),
    ("", false),
    ("-p x", false),
    ("--", false),
    ("nosuch", false),
    ("nosuch command", false),
    ("nosuch portsx", false),
    ("nosuch Ports", false),
    ("-x", false),
    ("-xh", false),
    ("-x -h", false),
    ("--nosuch nosuch ports", false),
    ("--help=x", false),
    ("--=x", false),
    ("nosuch ports -p", false),
    ("nosuch ports --array_index", false),
    ("nosuch setoption notify_peers_count -1", false),
];

#[test]
fn usage_is_shown_as_by_c() {
    enter();
    for (words, is_help) in USAGES {
        let (c, ours) = (Tool::C.run(words), Tool::Ours.run(words));
        assert_eq!(ours.stdout, c.stdout, "{words}");
        assert!(
            ours.stdout.contains("teamnl [options] teamdevname command [command args]\n"),
            "teamnl {words}: no usage in the output"
        );
        // An invalid command line ends with status 2, as in every example.
        let expected = if is_help { [Some(0), Some(0)] } else { [Some(1), Some(2)] };
        assert_eq!([c.status.code(), ours.status.code()], expected, "{words}");
        assert_eq!(ours.stderr.is_empty(), is_help, "{words}: {}", ours.stderr);
    }
}

#[test]
fn missing_argument_prints_usage_unlike_c() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    let usage = Tool::Ours.run("-h").stdout;
    for (words, missing) in [
        ("team0 getoption", "name"),
        ("team0 setoption", "name"),
        ("team0 setoption mode", "value"),
    ] {
        let (c, ours) = (Tool::C.run(words), Tool::Ours.run(words));
        assert_eq!((c.status.code(), &*c.stdout), (Some(1), ""), "{words}");
        assert_eq!(
            (ours.status.code(), &*ours.stdout),
            (Some(2), &*format!("\n{usage}")),
            "{words}"
        );
        assert_eq!(ours.stderr, format!("Option {missing} expected.\n"), "{words}");
    }
}

/// An intended difference: the command line, the status and output of C and of ours, and the
/// reason.
type Difference = (&'static str, (i32, &'static str), (i32, &'static str), &'static str);

const DIFFERENCES: [Difference; 7] = [
    ("team0 setoption notify_peers_count ''", (0, ""), (1, ""), "an empty value is not 0"),
    (
        "team0 -- setoption notify_peers_count -18446744073709551615",
        (0, ""),
        (1, ""),
        "a number below the minimum is not 1",
    ),
    ("-p v0 team0 setoption priority ''", (0, ""), (1, ""), "an empty value is not 0"),
    (
        r"team0 setoption bpf_hash_func \+6\00\00\00\00\00\00\-0",
        (0, ""),
        (1, ""),
        "+6 is not two hexadecimal digits",
    ),
    (
        "-a '' team0 getoption lb_tx_hash_to_port_mapping",
        (0, "0\n"),
        (1, ""),
        "an empty value is not 0",
    ),
    ("-p=v0 team0 getoption queue_id", (1, ""), (0, "0\n"), "no port has the name =v0"),
    (
        "-a=3 team0 getoption lb_tx_hash_to_port_mapping",
        (1, ""),
        (0, "0\n"),
        "=3 is not a number, and 3 is meant",
    ),
];

#[test]
fn intended_differences_from_c_are_these() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    for (words, c, ours, why) in DIFFERENCES {
        for (tool, (status, stdout)) in [(Tool::C, c), (Tool::Ours, ours)] {
            let outcome = tool.run(words);
            assert_eq!(
                (outcome.status.code(), &*outcome.stdout),
                (Some(status), stdout),
                "{tool:?} {words}: {why}"
            );
        }
    }
}

#[test]
fn unknown_speed_is_printed_as_0() {
    enter();
    ip("link add inner type team");
    let mut team = TeamHandle::create("team0").unwrap();
    let inner = team.lookup_ifindex("inner").unwrap();
    team.add_port(inner).unwrap();
    ip("link set inner carrier on");
    handle_until(&mut team, |team| team.port(inner).unwrap().is_link_up());
    assert_eq!(team.port(inner).unwrap().speed_mbps(), None);
    let shown = |tool: Tool| tool.run("team0 ports").stdout;
    // C prints the kernel's value for an unknown speed, and takes its value for an unknown duplex
    // as full duplex.
    assert_eq!(shown(Tool::C), format!(" {inner}: inner: up 4294967295Mbit FD \n"));
    assert_eq!(shown(Tool::Ours), format!(" {inner}: inner: up 0Mbit HD \n"));
}

#[test]
fn empty_value_is_printed_as_an_empty_line() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    // C prints uninitialized memory.
    assert_eq!(Tool::Ours.run("team0 getoption bpf_hash_func").stdout, "\n");
}

#[test]
fn unwritable_output_is_an_error() {
    let _team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    for (tool, status) in [(Tool::C, 0), (Tool::Ours, 1)] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let outcome =
            tool.command("team0 options").stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(outcome.code(), Some(status), "{tool:?}");
    }
}

#[test]
fn closed_output_ends_teamnl_silently() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    for tool in [Tool::C, Tool::Ours] {
        let mut child = tool
            .command("team0 options")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{tool:?}");
        // A signal ends C; a shell reports that as status 141, with which ours ends.
        assert_eq!(
            output.status.code(),
            if tool == Tool::C { None } else { Some(141) },
            "{tool:?}"
        );
    }
}
