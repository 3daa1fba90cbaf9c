//! The example teamnl takes the command lines that the C library's teamnl takes; where ours is
//! better on purpose.

use std::fs::OpenOptions;
use std::process::Stdio;

use libteam::{Mode, TeamHandle};

use crate::support::netns::{enter, ip};
use crate::support::programs::{Tool, assert_same, handle_until, team_with_ports_in_all_states};

/// Ways to write what both carry out.
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
fn options_stand_anywhere_and_commands_and_long_options_may_be_cut_short() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    ip("link property add dev team0 altname uplink");
    ip("link property add dev v0 altname cable");
    for words in WAYS {
        assert!(assert_same(words).status.success(), "{words}");
    }
}

/// What is answered with the usage, and whether that was asked for. None of it gets as far as the
/// device.
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
fn the_usage_and_when_it_is_shown_are_the_same() {
    enter();
    for (words, is_help) in USAGES {
        let (c, ours) = (Tool::C.run(words), Tool::Ours.run(words));
        assert_eq!(ours.stdout, c.stdout, "{words}");
        assert!(
            ours.stdout.contains("teamnl [options] teamdevname command [command args]\n"),
            "{words}"
        );
        // A command line that is wrong ends with 2, as with every example.
        let wanted = if is_help { [Some(0), Some(0)] } else { [Some(1), Some(2)] };
        assert_eq!([c.status.code(), ours.status.code()], wanted, "{words}");
        assert_eq!(ours.stderr.is_empty(), is_help, "{words}: {}", ours.stderr);
    }
}

#[test]
fn missing_word_prints_the_usage_that_c_leaves_out() {
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

/// Where ours differs on purpose: the command line, the status and output of C and of ours, and
/// why.
type Difference = (&'static str, (i32, &'static str), (i32, &'static str), &'static str);

const DIFFERENCES: [Difference; 7] = [
    ("team0 setoption notify_peers_count ''", (0, ""), (1, ""), "nothing is not zero"),
    (
        "team0 -- setoption notify_peers_count -18446744073709551615",
        (0, ""),
        (1, ""),
        "it is not 1",
    ),
    ("-p v0 team0 setoption priority ''", (0, ""), (1, ""), "nothing is not zero"),
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
        "nothing is not zero",
    ),
    ("-p=v0 team0 getoption queue_id", (1, ""), (0, "0\n"), "nobody's port is called =v0"),
    (
        "-a=3 team0 getoption lb_tx_hash_to_port_mapping",
        (1, ""),
        (0, "0\n"),
        "=3 is no number, 3 is what is meant",
    ),
];

#[test]
fn where_ours_differs_it_is_on_purpose() {
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
fn an_unknown_speed_is_no_speed() {
    enter();
    ip("link add inner type team");
    let mut team = TeamHandle::create("team0").unwrap();
    let inner = team.lookup_ifindex("inner").unwrap();
    team.add_port(inner).unwrap();
    ip("link set inner carrier on");
    handle_until(&mut team, |team| team.port(inner).unwrap().is_link_up());
    assert_eq!(team.port(inner).unwrap().speed_mbps(), None);
    let shown = |tool: Tool| tool.run("team0 ports").stdout;
    // The kernel's number for an unknown speed, and its number for an unknown duplex taken for full
    // duplex.
    assert_eq!(shown(Tool::C), format!(" {inner}: inner: up 4294967295Mbit FD \n"));
    assert_eq!(shown(Tool::Ours), format!(" {inner}: inner: up 0Mbit HD \n"));
}

#[test]
fn an_empty_value_is_an_empty_line() {
    let _team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    // C's prints memory that it never wrote to.
    assert_eq!(Tool::Ours.run("team0 getoption bpf_hash_func").stdout, "\n");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let _team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    for (tool, status) in [(Tool::C, 0), (Tool::Ours, 1)] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let outcome =
            tool.command("team0 options").stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(outcome.code(), Some(status), "{tool:?}");
    }
}

#[test]
fn output_that_nobody_reads_ends_it_silently() {
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
        // A signal ends C's; a shell reports that as 141, which is how ours ends.
        assert_eq!(
            output.status.code(),
            if tool == Tool::C { None } else { Some(141) },
            "{tool:?}"
        );
    }
}
