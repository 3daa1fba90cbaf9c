//! A running `teamnl monitor`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use libteam::TeamHandle;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::programs::Tool;
use crate::support::timeouts::timeout;

/// A line of the output, and the section that contains it.
pub(crate) type Line = (String, String);

pub(crate) struct Monitor {
    child: Child,
    lines: Receiver<String>,
    section: String,
}

impl Monitor {
    /// Starts the tool, and returns when it receives events of `team0`.
    pub(crate) fn start(tool: Tool, words: &str, team: &mut TeamHandle) -> Self {
        let mut monitor = Self::watch(&tool.command(&format!("team0 monitor {words}")), team);
        monitor.mark(team);
        monitor
    }

    /// Starts a program, and returns when it prints a change of the team.
    pub(crate) fn watch(program: &Command, team: &mut TeamHandle) -> Self {
        let monitor = Self::spawn(program);
        // The program does not report when it is ready: changes are repeated until it prints one.
        let deadline = Instant::now() + timeout();
        while monitor.lines.recv_timeout(Duration::from_millis(100)).is_err() {
            assert!(Instant::now() < deadline, "{program:?} prints no change");
            team.set_notify_peers_interval(Duration::from_millis(1)).unwrap();
        }
        monitor
    }

    /// Starts a program with a line-buffered output, which C programs have on a terminal only.
    fn spawn(program: &Command) -> Self {
        let mut by_line = Command::new("stdbuf");
        by_line
            .arg("-oL")
            .arg(program.get_program())
            .args(program.get_args())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = by_line.spawn().expect("stdbuf of coreutils starts");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, section: String::new() }
    }

    /// Returns the next line that is not a heading.
    fn next_line(&mut self) -> Result<Line, RecvTimeoutError> {
        loop {
            let line = self.lines.recv_timeout(timeout())?;
            match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
                Some(title) => title.clone_into(&mut self.section),
                None => return Ok((self.section.clone(), line)),
            }
        }
    }

    /// Reads until a line with this text, and returns that line and all lines before it.
    pub(crate) fn read_until(&mut self, text: &str) -> BTreeSet<Line> {
        let mut read = BTreeSet::new();
        while !read.iter().any(|(_, line): &Line| line.contains(text)) {
            let line = self
                .next_line()
                .unwrap_or_else(|error| panic!("no {text:?} ({error}) in {read:#?}"));
            read.insert(line);
        }
        read
    }

    /// Makes a change that differs from all others, and returns the lines before its own line.
    pub(crate) fn mark(&mut self, team: &mut TeamHandle) -> BTreeSet<Line> {
        let mark = set_mark(team);
        let mut read = self.read_until(&mark);
        read.retain(|(_, line)| !line.contains(&mark));
        read
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Returns how the program ends; panics if it does not end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + timeout();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sets an option to a value that it never had, and returns the text by which a monitor prints
/// that.
pub(crate) fn set_mark(team: &mut TeamHandle) -> String {
    let next = team.notify_peers_interval().unwrap() + Duration::from_millis(1);
    team.set_notify_peers_interval(next).unwrap();
    format!("notify_peers_interval {} ", next.as_millis())
}
