//! The README's first program: it can be started twice, ends with its team, and prints errors as
//! sentences.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use libteam::{Mode, TeamHandle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::netns::{enter, index, ip, veth};
use crate::support::programs::{example, handle_until, run};
use crate::support::timeouts::timeout;

fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn readme_contains_the_tested_first_program() {
    let readme = repository("README.md");
    let (_, section) = readme.split_once("## A first program").unwrap();
    let (_, block) = section.split_once("```rust").unwrap();
    let (_, block) = block.split_once('\n').unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert_eq!(block, repository("examples/first_program/readme.rs"));
}

/// The running program, and the lines that it prints.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start() -> Self {
        let mut child =
            Command::new(example("first_program")).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Sets the far end down and up until the program has printed both states: the program does not
    /// report when it is ready.
    fn prints_both_states(&self) {
        let deadline = Instant::now() + timeout();
        for state in ["down", "up"] {
            let expected = format!("eth1: {state} ");
            let mut lines = std::iter::from_fn(|| {
                assert!(Instant::now() < deadline, "the program does not print {expected:?}");
                ip("link set far1 down");
                ip("link set far1 up");
                Some(self.lines.recv_timeout(Duration::from_millis(200)))
            });
            assert!(lines.any(|line| {
                line.is_ok_and(|line| line.starts_with("team0: ") && line.contains(&expected))
            }));
        }
    }
}

/// Opens the team, once the program has set it up.
fn team_that_is_up() -> TeamHandle {
    let eth1 = index("eth1");
    let mut team = (0..).find_map(|_| TeamHandle::open("team0").ok()).unwrap();
    handle_until(&mut team, |team| {
        team.active_port() == Some(eth1) && team.team_link().is_some_and(libteam::Link::has_carrier)
    });
    team
}

#[test]
fn first_program_runs_twice_and_ends_with_team() {
    enter();
    veth("eth1", "far1");
    // As on a machine in use.
    ip("link set eth1 up");
    for _ in 0..2 {
        let mut program = Program::start();
        let team = team_that_is_up();
        assert_eq!(team.mode(), Some(Mode::ActiveBackup));
        program.prints_both_states();
        kill(Pid::from_raw(program.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        program.child.wait().unwrap();
    }
    let mut program = Program::start();
    program.prints_both_states();
    ip("link del team0");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert_eq!(program.lines.iter().last().as_deref(), Some("team0 is gone"));
}

#[test]
fn first_program_prints_errors_as_sentences() {
    enter();
    let fails = |sentence: &str| {
        let outcome = run(Command::new(example("first_program")));
        assert_eq!(
            (outcome.status.code(), &*outcome.stdout, &*outcome.stderr),
            (Some(1), "", &*format!("{sentence}\n"))
        );
    };
    TeamHandle::create("team0").unwrap();
    fails("looking up link eth1: no such device (ENODEV)");
    ip("link set lo down");
    ip("link set lo name eth1");
    fails(
        "adding port eth1 to team0: invalid argument (EINVAL): \
         Loopback device can't be added as a team port",
    );
    ip("link del team0");
    ip("link add team0 type dummy");
    fails("opening team0: team0 is not a team device, but of kind dummy");
}
