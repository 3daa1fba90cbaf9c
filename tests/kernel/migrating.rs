//! The guide's C program compiles, and prints the same as the Rust program next to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use libteam::{Mode, TeamHandle};

use crate::support::directory::Directory;
use crate::support::netns::{enter, ip, veth};
use crate::support::programs::{example, handle_until, on_path, run};

/// Compiles the guide's C program into a directory, with every warning an error.
fn c_program(directory: &Directory) -> PathBuf {
    let program = directory.join("watch_ports");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/watch_ports.c");
    let mut compiler = Command::new(on_path("team-cc", "libteam-dev"));
    compiler.args([
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
        "-Werror",
        "-O2",
        "-o",
    ]);
    compiler.arg(&program).arg(source);
    let outcome = run(compiler);
    assert!(outcome.status.success(), "compiling the C program: {}", outcome.stderr);
    program
}

/// Returns what a program prints while a port loses its link, gets it back, and is removed.
fn watched_by(program: &Path) -> (Vec<String>, ExitStatus) {
    veth("eth1", "far1");
    ip("link set far1 up");
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    let eth1 = team.lookup_ifindex("eth1").unwrap();
    team.add_port(eth1).unwrap();
    handle_until(&mut team, |team| team.port(eth1).is_some_and(libteam::Port::is_link_up));

    let mut child = Command::new(program).arg("team0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut printed: Vec<String> = lines.by_ref().take(2).collect();
    // If the program has not registered its handler yet, the next events are queued in its socket,
    // or are part of its initial state.
    handle_until(&mut team, |team| team.notify_peers_count() == Some(2));
    ip("link set far1 down");
    printed.extend(lines.next());
    ip("link set far1 up");
    printed.extend(lines.next());
    team.remove_port(eth1).unwrap();
    let rest = thread::spawn(move || lines.collect::<Vec<_>>());
    let status = child.wait().unwrap();
    team.destroy().unwrap();
    ip("link del eth1");
    printed.extend(rest.join().unwrap());
    (printed, status)
}

#[test]
fn guide_programs_print_the_same() {
    enter();
    let (ours, status) = watched_by(&example("watch_ports"));
    assert_eq!(ours, ["mode activebackup", "eth1: up", "eth1: down", "eth1: up", "removed"]);
    assert!(status.success());
    let directory = Directory::for_programs();
    assert_eq!(watched_by(&c_program(&directory)), (ours, status));
}

#[test]
fn guide_programs_report_errors() {
    enter();
    let directory = Directory::for_programs();
    for program in [example("watch_ports"), c_program(&directory)] {
        let mut without_team = Command::new(&program);
        without_team.arg("team7");
        let outcome = run(without_team);
        assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(1), ""));
        assert!(outcome.stderr.contains("team7"), "no team7 in: {}", outcome.stderr);
        let without_name = run(Command::new(&program));
        assert_eq!((without_name.status.code(), &*without_name.stdout), (Some(2), ""));
        assert!(
            without_name.stderr.contains("Usage: watch_ports TEAM\n"),
            "no usage in: {}",
            without_name.stderr
        );
    }
}
