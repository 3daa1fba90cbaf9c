//! The examples of this crate, and the programs that they are compared with, above all the C
//! library's teamnl.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use libteam::{IfIndex, Mode, TeamHandle};

use crate::support::netns::{enter, ip, veth};
use crate::support::timeouts::timeout;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    C,
    Ours,
}

impl Tool {
    pub(crate) fn command(self, words: &str) -> Command {
        let program = match self {
            Self::C => on_path("teamnl", "libteam-utils"),
            Self::Ours => example("teamnl"),
        };
        let mut command = Command::new(program);
        command.arg0("teamnl").args(arguments(words));
        command
    }

    pub(crate) fn run(self, words: &str) -> Outcome {
        run(self.command(words))
    }
}

/// The result of running a program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(mut command: Command) -> Outcome {
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs both tools. Panics unless both print the same and end with the same status, and ours prints
/// an error exactly if it fails.
pub(crate) fn assert_same(words: &str) -> Outcome {
    let (c, ours) = (Tool::C.run(words), Tool::Ours.run(words));
    assert_eq!(ours.stdout, c.stdout, "teamnl {words}: {} {}", ours.stderr, c.stderr);
    assert_eq!(ours.status, c.status, "teamnl {words}: {} {}", ours.stderr, c.stderr);
    assert_eq!(ours.stderr.is_empty(), ours.status.success(), "teamnl {words}: {}", ours.stderr);
    ours
}

/// Splits a command line at spaces; '' is an empty word.
fn arguments(words: &str) -> impl Iterator<Item = &str> {
    words.split_whitespace().map(|word| if word == "''" { "" } else { word })
}

/// Returns the path of a program of a Debian package.
pub(crate) fn on_path(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").expect("PATH is set");
    // The PATH of an ordinary user lacks the last two.
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "{program} of Debian's package {package} is not on the PATH: install the package, or let tests/kernel/run download it"
        )
    })
}

/// Returns the path of an example of this crate.
pub(crate) fn example(name: &str) -> PathBuf {
    let own = env::current_exe().expect("the test has a path");
    let built = own
        .parent()
        .and_then(|deps| deps.parent())
        .expect("cargo built the test")
        .join("examples")
        .join(name);
    assert!(
        built.is_file(),
        "the example {name} is not built: cargo test --test does not, cargo build --examples does"
    );
    built
}

pub(crate) const MODES: [Mode; 5] =
    [Mode::RoundRobin, Mode::Random, Mode::Broadcast, Mode::ActiveBackup, Mode::LoadBalance];

/// Enters a new namespace in which `team0` is up with a port in each state: the dummies `d0`, up,
/// and `d1`, down, and the veth ends `v0`, with carrier, and `v1`, without.
pub(crate) fn team_with_ports_in_all_states(mode: Option<Mode>) -> TeamHandle {
    enter();
    ip("link add d0 type dummy");
    ip("link add d1 type dummy");
    veth("v0", "peer0");
    ip("link add v1 type veth peer name peer1");
    let mut team = TeamHandle::create("team0").unwrap();
    if let Some(mode) = mode {
        team.set_mode(mode).unwrap();
    }
    for port in ["d0", "v0", "d1", "v1"] {
        let port = team.lookup_ifindex(port).unwrap();
        team.add_port(port).unwrap();
    }
    ip("link set team0 up");
    ip("link set d1 down");
    let v0 = team.lookup_ifindex("v0").unwrap();
    handle_until(&mut team, |team| is_up(team, v0));
    team
}

fn is_up(team: &TeamHandle, port: IfIndex) -> bool {
    team.port(port).is_some_and(libteam::Port::is_link_up)
}

/// Handles events until a condition holds.
pub(crate) fn handle_until(team: &mut TeamHandle, holds: impl Fn(&TeamHandle) -> bool) {
    team.handle_events().unwrap();
    while !holds(team) {
        assert!(team.wait(Some(timeout())).unwrap(), "timeout: no more events of the team");
        team.handle_events().unwrap();
    }
}
