//! The small examples: their output, and how they end.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::{Mode, TeamHandle};
use nix::sys::signal::Signal;

use crate::support::monitor::{Line, Monitor, set_mark};
use crate::support::netns::{enter, index, ip};
use crate::support::programs::{
    Outcome, example, handle_until, run, team_with_ports_in_all_states,
};
use crate::support::timeouts::timeout;

fn control(words: &str) -> Outcome {
    let mut command = Command::new(example("team_manual_control"));
    command.args(words.split_whitespace());
    run(command)
}

#[track_caller]
fn assert_prints(words: &str, stdout: &str) {
    let outcome = control(words);
    assert_eq!(
        (&*outcome.stdout, outcome.status.code()),
        (stdout, Some(0)),
        "{words}: {}",
        outcome.stderr
    );
}

#[test]
fn manual_control_shows_and_sets_mode_and_port() {
    let team = team_with_ports_in_all_states(Some(Mode::ActiveBackup));
    assert_prints("team0 get mode", "activebackup\n");
    assert_prints("team0 get activeport", "NONE\n");
    assert_prints("team0 set activeport v0", "");
    assert_prints("team0 get activeport", "v0\n");
    assert_prints("team0 get activeport and more", "v0\n");
    assert_prints(
        "team0 dumplist ports",
        "ifname v1, linkup 0, changed 0, speed 0, duplex 0\n\
         ifname d1, linkup 0, changed 0, speed 0, duplex 0\n\
         ifname v0, linkup 1, changed 0, speed 10000, duplex 1\n\
         ifname d0, linkup 1, changed 0, speed 0, duplex 0\n",
    );
    team.destroy().unwrap();
    ip("link add team0 type team");
    assert_prints("team0 get mode", "*NOMODE*\n");
    assert_prints("team0 set mode broadcast", "");
    assert_prints("team0 get mode", "broadcast\n");
}

#[test]
fn manual_control_prints_the_reason_of_a_failure() {
    let _team = team_with_ports_in_all_states(Some(Mode::Broadcast));
    let said = [
        ("nosuch get mode", "opening nosuch: no such device (ENODEV)".to_owned()),
        ("team0 get activeport", "reading option activeport of team0: no such option".to_owned()),
        (
            "team0 set activeport nosuch",
            "looking up link nosuch: no such device (ENODEV)".to_owned(),
        ),
        (
            "team0 set activeport d0",
            format!(
                "setting option activeport of team0 to {}: no such option (ENOENT)",
                index("d0")
            ),
        ),
        (
            "team0 set mode random",
            "setting option mode of team0 to \"random\": device or resource busy (EBUSY)"
                .to_owned(),
        ),
    ];
    for (words, error) in said {
        let outcome = control(words);
        assert_eq!((&*outcome.stdout, &*outcome.stderr), ("", &*(error + "\n")), "{words}");
        assert_eq!(outcome.status.code(), Some(1), "{words}");
    }
    assert!(control("help").status.success());
    for words in [
        "",
        "team0",
        "team0 get",
        "team0 get nosuch",
        "team0 set mode",
        "team0 dumplist",
        "team0 x mode",
    ] {
        let outcome = control(words);
        assert!(
            outcome.stderr.contains("Usage: team_manual_control help\n"),
            "{words}: no usage in {}",
            outcome.stderr
        );
        assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(2), ""), "{words}");
    }
}

#[test]
fn closed_output_ends_team_examples_with_141() {
    let mut team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    for (program, words) in
        [("team_manual_control", "team0 dumplist ports"), ("team_monitor", "team0")]
    {
        let mut command = Command::new(example(program));
        command.args(words.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let deadline = Instant::now() + timeout();
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "{program} does not end");
            // The monitor has output as soon as it receives events.
            set_mark(&mut team);
            sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (&*String::from_utf8_lossy(&output.stderr), output.status.code()),
            ("", Some(141)),
            "{program}"
        );
    }
}

/// Starts the example, and returns when it receives events of `team0`.
fn start_monitor(team: &mut TeamHandle) -> Monitor {
    let mut command = Command::new(example("team_monitor"));
    command.arg("team0");
    Monitor::watch(&command, team)
}

#[test]
fn monitor_lists_ports_and_options_after_a_change() {
    let mut team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    let mut monitor = start_monitor(&mut team);
    let (v0, d0) = (team.lookup_ifindex("v0").unwrap(), team.lookup_ifindex("d0").unwrap());
    let has =
        |lines: &BTreeSet<Line>, expected: &str| lines.iter().any(|(_, line)| line == expected);

    set_mark(&mut team);
    let lines = monitor.read_until("opt_name: mode, changed 0");
    assert!(
        has(&lines, "\topt_name: notify_peers_interval, changed 1"),
        "expected a changed interval: {lines:#?}"
    );
    assert!(has(&lines, "\topt_name: mcast_rejoin_count, changed 0"));
    assert!(has(&lines, "\topt_name: priority, changed 0"));

    ip("link set peer0 down");
    let lines = monitor.read_until("ifname d0, linkup 1, changed 0, speed 0, duplex 0");
    assert!(has(&lines, "port change"), "expected a change of a port: {lines:#?}");
    assert!(has(&lines, "\tifname v0, linkup 0, changed 1, speed 0, duplex 0"));
    assert!(has(&lines, "\tifname v1, linkup 0, changed 0, speed 0, duplex 0"));

    team.remove_port(d0).unwrap();
    let lines = monitor.read_until("ifname v0, linkup 0, changed 0");
    assert!(
        has(&lines, "\tifname d0, linkup 0, changed 1, speed 0, duplex 0"),
        "expected a change of d0: {lines:#?}"
    );

    handle_until(&mut team, |team| !team.port(v0).unwrap().is_link_up());
    monitor.signal(Signal::SIGINT);
    assert_eq!(monitor.wait().code(), Some(0));
}

#[test]
fn monitor_ends_when_its_team_is_deleted() {
    let mut team = team_with_ports_in_all_states(Some(Mode::RoundRobin));
    let monitor = start_monitor(&mut team);
    team.destroy().unwrap();
    assert_eq!(monitor.wait().code(), Some(1));
    let mut command = Command::new(example("team_monitor"));
    command.arg("team0");
    let outcome = run(command);
    assert_eq!(
        (outcome.status.code(), &*outcome.stderr),
        (Some(1), "opening team0: no such device (ENODEV)\n")
    );
}

#[test]
fn failover_prints_names_without_kernel_terms() {
    enter();
    let outcome = run(Command::new(example("failover")));
    assert!(outcome.status.success(), "failover failed: {}{}", outcome.stdout, outcome.stderr);
    for words in
        ["active port", "none -> port", "port1 -> port2", "port2 -> port1", "none -> activebackup"]
    {
        assert!(outcome.stdout.contains(words), "no {words:?} in:\n{}", outcome.stdout);
    }
    for line in outcome.stdout.lines() {
        let has_index = line.contains("port")
            && line.split(" -> ").any(|side| side.trim().parse::<u32>().is_ok());
        assert!(!has_index, "an index in {line:?}");
        let of_kernel = |word: &str| {
            word.contains('_') || (word.len() > 3 && word.chars().all(char::is_uppercase))
        };
        assert!(!line.split_whitespace().any(of_kernel), "a term of the kernel in {line:?}");
    }
}
