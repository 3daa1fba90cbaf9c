//! `team_monitor --live` in a terminal.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use libteam::bpf::{BpfProgram, HashFields};
use libteam::{Mode, TeamHandle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::changes::team_with;
use crate::support::frames::Balanced;
use crate::support::monitor::Monitor;
use crate::support::netns::{enter, ip};
use crate::support::programs::{example, team_with_ports_in_all_states};
use crate::support::terminal::Terminal;
use crate::support::timeouts::timeout;

#[path = "../../examples/team_monitor/live/screen.rs"]
mod screen;

fn program(words: &str) -> Command {
    let mut command = Command::new(example("team_monitor"));
    command.args(words.split_whitespace());
    command
}

/// Starts the monitor in a terminal of 24 by 80, and returns when it shows the team.
fn start_live() -> Terminal {
    let mut terminal = Terminal::start(&program("--live team0"), 24, 80);
    terminal.wait_for_text("LAST CHANGES");
    terminal
}

#[track_caller]
fn assert_line(terminal: &Terminal, port: &str, words: &[&str]) {
    let line =
        terminal.line_with(port).unwrap_or_else(|| panic!("no {port}:\n{}", terminal.text()));
    for word in words {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
}

#[test]
fn screen_follows_the_team_and_its_ports() {
    let mut team = team_with_ports_in_all_states(Some(Mode::ActiveBackup));
    let v0 = team.lookup_ifindex("v0").unwrap();
    team.set_active_port(v0).unwrap();
    let mut terminal = start_live();
    assert_line(&terminal, "team0", &["activebackup", "up"]);
    assert_line(&terminal, "ports up", &["2 of 4 ports up", "active port v0"]);
    assert_line(&terminal, "● v0", &["active", "10 Gb/s", "full"]);
    assert_line(&terminal, "● v1", &["no carrier", "-"]);
    assert_line(&terminal, "● d0", &["up"]);
    assert_line(&terminal, "● d1", &["set down"]);

    ip("link set peer0 down");
    terminal.wait_for_text("v0 lost its link");
    terminal.wait_for("v0 without carrier", |terminal| {
        terminal.line_with("● v0").unwrap().contains("no carrier")
    });
    terminal.wait_for("a traffic rate", |terminal| {
        !terminal.line_with("● v0").unwrap().contains(" 0.0")
    });
    ip("link set peer0 up");
    terminal.wait_for_text("v0 has a link");

    let d0 = team.lookup_ifindex("d0").unwrap();
    team.set_active_port(d0).unwrap();
    terminal.wait_for_text("d0 is the active port");
    team.set_port_enabled(v0, false).unwrap();
    terminal.wait_for("v0 disabled", |terminal| {
        terminal.line_with("● v0").unwrap().contains("disabled")
    });
    team.remove_port(d0).unwrap();
    terminal.wait_for_text("d0 left the team");
    terminal.wait_for_text("of 3 ports up");
    ip("link set team0 mtu 1400");
    terminal.wait_for_text("MTU 1400");

    terminal.type_in("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn keys_and_signals_end_it_and_restore_the_terminal() {
    let _team = team_with_ports_in_all_states(None);
    for keys in ["q", "Q", "\x03"] {
        let mut terminal = start_live();
        assert!(terminal.screen().alternate_screen());
        terminal.type_in(keys);
        assert_eq!(terminal.wait().code(), Some(0), "{keys:?}");
        terminal.assert_restored();
    }
    for (signal, code) in
        [(Signal::SIGINT, 0), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGQUIT, 131)]
    {
        let mut terminal = start_live();
        terminal.signal(signal);
        assert_eq!(terminal.wait().code(), Some(code), "{signal}");
        terminal.assert_restored();
    }
}

#[test]
fn closed_terminal_ends_it() {
    let _team = team_with_ports_in_all_states(None);
    let mut terminal = start_live();
    terminal.close();
    // The signal arrives a moment after the first write that fails.
    assert!(matches!(terminal.wait().code(), Some(129 | 1)));
}

#[test]
fn suspended_monitor_continues() {
    let mut team = team_with_ports_in_all_states(None);
    let mut terminal = start_live();
    let stops: [fn(&mut Terminal); 2] =
        [|terminal| terminal.type_in("\x1a"), |terminal| terminal.signal(Signal::SIGTSTP)];
    for (stop, count) in stops.into_iter().zip(7..) {
        stop(&mut terminal);
        terminal.wait_until_stopped();
        terminal.assert_restored();
        team.set_notify_peers_count(count).unwrap();
        terminal.signal(Signal::SIGCONT);
        terminal.wait_for_text(&format!("notify_peers_count is {count}"));
        assert!(terminal.screen().alternate_screen());
    }
    terminal.type_in("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn resized_screen_is_filled() {
    let _team = team_with_ports_in_all_states(None);
    let mut terminal = start_live();
    terminal.wait_for_text("CHANGES  CHG/S");
    terminal.resize(12, 30);
    terminal.wait_for("fewer columns", |terminal| {
        let title = terminal.line_with("PORT").unwrap_or_default();
        title.contains("SPEED") && !title.contains("CHG/S") && terminal.text().contains("● v1")
    });
    terminal.resize(40, 120);
    terminal.wait_for_text("CHANGES  CHG/S");
    terminal.wait_for("the footer in the last row", |terminal| {
        terminal.screen().contents_between(39, 0, 39, 120).contains("q quit")
    });
}

#[test]
fn terminal_without_size_is_80_by_24() {
    let _team = team_with_ports_in_all_states(None);
    let mut terminal = Terminal::start_without_size(&program("--live team0"));
    terminal.wait_for_text("CHANGES  CHG/S");
    terminal.wait_for("the footer in the last row", |terminal| {
        terminal.screen().contents_between(23, 0, 23, 80).contains("q quit")
    });
    terminal.type_in("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn port_list_longer_than_the_screen_scrolls() {
    enter();
    let names: Vec<String> = (0..60).map(|number| format!("d{number:02}")).collect();
    let _team = team_with(Mode::RoundRobin, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut terminal = start_live();
    terminal.wait_for_text("ports 1-13 of 60");
    for (keys, first, last) in [
        ("\x1b[B", "d01", "d13"),
        ("\x1b[6~", "d14", "d26"),
        ("G", "d47", "d59"),
        ("k", "d46", "d58"),
        ("\x1b[5~", "d33", "d45"),
        ("\x1b[H", "d00", "d12"),
    ] {
        terminal.type_in(keys);
        terminal.wait_for(first, |terminal| {
            let text = terminal.text();
            let ports: Vec<&str> = text
                .lines()
                .filter_map(|line| line.split_once("● ")?.1.split(' ').next())
                .collect();
            ports.first() == Some(&first) && ports.last() == Some(&last)
        });
    }
}

fn seconds_gone(terminal: &Terminal) -> Option<u32> {
    let text = terminal.text();
    text.split_once("gone for ")?.1.split_once(" s")?.0.parse().ok()
}

#[test]
fn deleted_team_is_shown_as_gone_until_recreated() {
    let team = team_with_ports_in_all_states(None);
    let mut terminal = start_live();
    team.destroy().unwrap();
    terminal.wait_for_text("team0 is gone");
    // A slow machine may show only some of the seconds.
    terminal
        .wait_for("the seconds since the deletion", |terminal| seconds_gone(terminal).is_some());
    let first = seconds_gone(&terminal);
    terminal.wait_for("more seconds", |terminal| seconds_gone(terminal) > first);
    assert_line(&terminal, "● v0", &["up"]);
    let team = TeamHandle::create("team0").unwrap();
    terminal.wait_for_text("team0 exists again");
    terminal.wait_for_text("no ports");
    assert_line(&terminal, "team0", &["set down"]);
    drop(team);
    terminal.type_in("q");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn traffic_of_a_balancing_team_is_shown() {
    enter();
    let mut balanced = Balanced::over(2);
    balanced.team.set_bpf_hash_func(&BpfProgram::hash(HashFields::ETH)).unwrap();
    let mut terminal = start_live();
    terminal.wait_for_text("traffic is not counted");
    balanced.team.set_lb_stats_refresh_interval(Duration::from_millis(100)).unwrap();
    let frame = [0xff; 1000];
    for _ in 0..50 {
        balanced.wire.send(&frame);
    }
    terminal.wait_for_text("50 kB");
    // A rate needs two values: the first one that was counted may include all of these frames.
    for _ in 0..50 {
        balanced.wire.send(&frame);
    }
    terminal.wait_for_text("100 kB");
    terminal.wait_for("a traffic rate", |terminal| terminal.text().contains("kB/s"));
    assert!(!terminal.text().contains("traffic is not counted"));
}

#[test]
fn live_to_a_pipe_prints_lines() {
    let mut team = team_with_ports_in_all_states(None);
    let mut monitor = Monitor::watch(&program("--live team0"), &mut team);
    ip("link set peer0 down");
    monitor.read_until("ifname v0, linkup 0, changed 1");
    monitor.signal(Signal::SIGINT);
    assert_eq!(monitor.wait().code(), Some(0));
}

#[test]
fn missing_team_is_an_error_without_a_screen() {
    enter();
    let mut terminal = Terminal::start(&program("--live team0"), 24, 80);
    assert_eq!(terminal.wait().code(), Some(1));
    assert_eq!(terminal.text(), "opening team0: no such device (ENODEV)");
}

/// The variable that makes the test below panic.
const PANICS: &str = "LIBTEAM_TEST_PANICS";

#[test]
fn panic_restores_the_terminal_before_its_message() {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "live_monitor::panics_on_the_screen", "--nocapture"])
        .env(PANICS, "1");
    // A long path would leave no room for the message.
    command.env("RUST_BACKTRACE", "0");
    let mut terminal = Terminal::start(&command, 24, 80);
    terminal.wait_for_text("panic on purpose");
    assert_eq!(terminal.wait().code(), Some(101));
    terminal.assert_restored();
    assert!(terminal.text().contains("panic on purpose"), "main screen:\n{}", terminal.text());
}

#[test]
#[ignore = "started by another test, in a terminal"]
fn panics_on_the_screen() {
    if env::var_os(PANICS).is_some() {
        let mut screen = screen::Screen::enter().unwrap();
        screen.draw(|_| panic!("panic on purpose")).unwrap();
        screen.suspend().unwrap();
    }
}

#[test]
fn demo_shows_a_team_in_its_own_namespace() {
    enter();
    let mut terminal = Terminal::start(&program("--demo"), 24, 80);
    terminal.wait_for_text("LAST CHANGES");
    assert_line(&terminal, "team0", &["loadbalance"]);
    for port in ["● eth1", "● eth2", "● eth3", "● eth4"] {
        terminal.wait_for_text(port);
    }
    terminal.wait_for("traffic", |terminal| {
        terminal.line_with("● eth2").is_some_and(|line| line.ends_with("kB/s"))
    });
    terminal.wait_for_text("eth4 lost its link");
    terminal.wait_for_text("eth2 is false");
    terminal.wait_for_text("eth1 left the team");
    terminal.wait_for_text("eth1 joined the team");
    assert!(TeamHandle::open("team0").is_err(), "team0 is in the test's namespace");
    terminal.type_in("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn live_without_a_terminal_reports_line_mode() {
    let _team = team_with_ports_in_all_states(None);
    let cases =
        [("--live team0", "ifname v0, linkup"), ("--demo", "\tifname eth4, linkup 0, changed 1")];
    for (words, line) in cases {
        let mut child = Command::new(example("team_monitor"))
            .args(words.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let deadline = Instant::now() + timeout();
        let mut states = ["down", "up"].iter().cycle();
        while !lines.try_iter().any(|printed| printed.contains(line)) {
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("{words}: no line with {line:?}");
            }
            // The monitor prints only what changes after its start.
            ip(&format!("link set peer0 {}", states.next().unwrap()));
            thread::sleep(Duration::from_millis(100));
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        let outcome = child.wait_with_output().unwrap();
        let expected = "team_monitor: standard output is not a terminal: printing lines instead of the live screen\n";
        let stderr = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!((outcome.status.code(), &*stderr), (Some(0), expected), "{words}");
    }
}

/// Reads the lines of a program's output in another thread, so that a test can wait for them.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // A test that has seen what it expects drops the receiver.
            let _ = sender.send(line);
        }
    });
    receiver
}

#[test]
fn deleted_team_shows_no_port_count_or_traffic() {
    let mut team = team_with_ports_in_all_states(Some(Mode::LoadBalance));
    team.set_lb_stats_refresh_interval(Duration::ZERO).unwrap();
    let mut terminal = Terminal::start(&program("--live team0"), 24, 120);
    terminal.wait_for_text("2 of 4 ports up");
    let line = terminal.line_with("● v0").unwrap();
    assert!(line.ends_with("-           -"), "expected no traffic: {line}");
    team.set_lb_stats_refresh_interval(Duration::from_millis(100)).unwrap();
    terminal.wait_for("traffic", |terminal| terminal.line_with("● v0").unwrap().ends_with("B/s"));
    team.destroy().unwrap();
    terminal.wait_for_text("gone for");
    terminal.wait_for_text("as last seen, with 4 ports");
    assert!(
        !terminal.text().contains("ports up"),
        "the screen has the number of ports up:\n{}",
        terminal.text()
    );
}
