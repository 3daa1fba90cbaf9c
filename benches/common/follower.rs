//! Another process that follows teams, with this crate or with the C library.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use libteam::IfIndex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd as _;

use crate::follow;
use crate::process::{descriptors, processor_time, proportional_bytes};

pub(crate) struct Follower {
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// The answer to a query.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How often a descriptor of a handle was readable.
    pub(crate) wake_ups: usize,
    /// How often there were changes.
    pub(crate) calls: usize,
    /// How many reports were wrong: see [`follow`].
    pub(crate) wrong: usize,
    /// How often handling events failed.
    pub(crate) errors: usize,
    /// When the last change was handled, as [`follow::monotonic`].
    pub(crate) changed_at: Duration,
    /// What is known of the teams.
    pub(crate) state: Vec<String>,
}

/// The command that follows teams with this crate.
pub(crate) fn with_this_crate(scope: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([follow::ARGUMENT, scope]);
    command
}

/// The command that follows teams with the C library: the program that is `benches/c/follow.c`.
/// `library` is a file to use in place of Debian's libteam.so.5.
pub(crate) fn with_the_c_library(program: &Path, library: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    command.envs(library.map(|library| ("LD_PRELOAD", library)));
    command
}

impl Follower {
    /// Starts the command with these teams, and does not wait until they are open.
    pub(crate) fn start(mut command: Command, teams: &[IfIndex]) -> Self {
        let mut child = command
            .args(teams.iter().map(ToString::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Waits until the teams are open; returns by how many bytes the process grew.
    pub(crate) fn wait_until_open(&mut self) -> usize {
        let line = self.line();
        line.strip_prefix("ready ")
            .and_then(|bytes| bytes.parse().ok())
            .expect("it opens the teams")
    }

    /// Asks for the counters once no event waits.
    pub(crate) fn counters(&mut self) -> Report {
        self.send("c");
        self.receive()
    }

    /// Asks for what is known of the teams once no event waits; `None` if events wait until the
    /// time is over. Then it cannot be asked again.
    pub(crate) fn state(&mut self, timeout: Duration) -> Option<Report> {
        self.send("s");
        let timeout = PollTimeout::try_from(timeout).unwrap();
        let mut answer = [PollFd::new(self.answers.get_ref().as_fd(), PollFlags::POLLIN)];
        (poll(&mut answer, timeout).unwrap() > 0).then(|| self.receive())
    }

    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.child.id())
    }

    pub(crate) fn descriptors(&self) -> usize {
        descriptors(self.child.id())
    }

    pub(crate) fn proportional_bytes(&self) -> usize {
        proportional_bytes(self.child.id())
    }

    fn send(&mut self, query: &str) {
        self.child.stdin.as_mut().unwrap().write_all(query.as_bytes()).unwrap();
    }

    fn receive(&mut self) -> Report {
        let head = self.line();
        let numbers: Vec<u64> = head.split(' ').map(|word| word.parse().unwrap()).collect();
        let [wake_ups, calls, wrong, errors, changed_at, lines] = numbers[..] else {
            panic!("{head}");
        };
        let [wake_ups, calls, wrong, errors] =
            [wake_ups, calls, wrong, errors].map(|count| usize::try_from(count).unwrap());
        let state = (0..lines).map(|_| self.line()).collect();
        Report {
            wake_ups,
            calls,
            wrong,
            errors,
            changed_at: Duration::from_nanos(changed_at),
            state,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).unwrap();
        assert!(length > 0, "the process that follows has ended: {:?}", self.child.try_wait());
        line.trim_end().to_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
