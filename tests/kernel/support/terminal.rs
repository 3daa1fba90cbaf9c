//! A pseudoterminal in which a program runs, and the contents of its screen.

use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::timeouts::timeout;

pub(crate) struct Terminal {
    /// The end that a terminal emulator would have.
    keyboard: Option<File>,
    /// The program's end; kept open so that its modes can be read after the program ended.
    line: File,
    emulator: vt100::Parser,
    child: Child,
}

impl Terminal {
    /// Starts a program in a new terminal with this number of rows and columns.
    pub(crate) fn start(program: &Command, rows: u16, columns: u16) -> Self {
        Self::start_with_size(program, (rows, columns), (rows, columns))
    }

    /// Starts a program in a new terminal that reports no size, with a screen of 80 by 24.
    pub(crate) fn start_without_size(program: &Command) -> Self {
        Self::start_with_size(program, (24, 80), (0, 0))
    }

    fn start_with_size(
        program: &Command,
        (rows, columns): (u16, u16),
        reported: (u16, u16),
    ) -> Self {
        let keyboard =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        tcsetwinsize(&keyboard, size(reported.0, reported.1)).unwrap();
        let line = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        // setsid makes it the program's controlling terminal, which sends signals to the program.
        let mut command = Command::new("setsid");
        command
            .arg("--ctty")
            .arg(program.get_program())
            .args(program.get_args())
            .env("TERM", "xterm-256color");
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let own = || line.try_clone().unwrap();
        let child = command
            .stdin(own())
            .stdout(own())
            .stderr(own())
            .spawn()
            .expect("setsid of util-linux starts");
        let emulator = vt100::Parser::new(some(rows), some(columns), 0);
        Self { keyboard: Some(File::from(keyboard)), line, emulator, child }
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// Returns the lines of the screen.
    pub(crate) fn text(&self) -> String {
        self.screen().contents()
    }

    /// Returns the first line that contains this text.
    pub(crate) fn line_with(&self, what: &str) -> Option<String> {
        self.text().lines().find(|line| line.contains(what)).map(str::to_owned)
    }

    /// Waits until this text is on the screen.
    #[track_caller]
    pub(crate) fn wait_for_text(&mut self, what: &str) {
        self.wait_for(what, |terminal| terminal.text().contains(what));
    }

    /// Waits until a condition on the screen holds.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + timeout();
        while !holds(self) {
            assert!(Instant::now() < deadline, "timeout: {what:?}, screen:\n{}", self.framed());
            self.read_output(Duration::from_millis(100));
        }
    }

    /// Reads what the program writes within this time, or the first part of it.
    fn read_output(&mut self, limit: Duration) {
        let Some(keyboard) = &mut self.keyboard else { return };
        let mut sources = [PollFd::new(keyboard.as_fd(), PollFlags::POLLIN)];
        let ready = loop {
            match ppoll(&mut sources, Some(limit.into()), None) {
                Err(Errno::EINTR) => {}
                polled => break polled.unwrap(),
            }
        };
        if ready > 0 {
            let mut bytes = [0; 4096];
            let count = keyboard.read(&mut bytes).unwrap();
            self.emulator.process(&bytes[..count]);
        }
    }

    fn framed(&self) -> String {
        self.text().lines().fold(String::new(), |mut text, line| {
            writeln!(text, "|{line}").unwrap();
            text
        })
    }

    /// Sends keys to the program.
    pub(crate) fn type_in(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().expect("the terminal is open");
        std::io::Write::write_all(keyboard, keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        // First the emulator: what the program writes afterwards is meant for the new size.
        self.emulator.screen_mut().set_size(some(rows), some(columns));
        tcsetwinsize(self.keyboard.as_ref().expect("the terminal is open"), size(rows, columns))
            .unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Closes the terminal, as when its window is closed.
    pub(crate) fn close(&mut self) {
        self.keyboard = None;
    }

    /// Waits until the program stops itself (SIGTSTP).
    pub(crate) fn wait_until_stopped(&mut self) {
        let deadline = Instant::now() + timeout();
        while !matches!(
            waitpid(self.pid(), Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)),
            Ok(WaitStatus::Stopped(..))
        ) {
            assert!(Instant::now() < deadline, "the program does not stop");
            self.read_output(Duration::from_millis(10));
        }
        self.read_output(Duration::from_millis(10));
    }

    /// Returns how the program ends; panics if it does not end. The screen then has all of its
    /// output.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + timeout();
        let status = loop {
            self.read_output(Duration::from_millis(10));
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end:\n{}", self.framed());
        };
        assert_eq!(status.signal(), None);
        while self.has_more() {
            self.read_output(Duration::ZERO);
        }
        status
    }

    fn has_more(&self) -> bool {
        let Some(keyboard) = &self.keyboard else { return false };
        poll(&mut [PollFd::new(keyboard.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap()
            > 0
    }

    /// Panics unless the terminal has the modes that it had before the program.
    #[track_caller]
    pub(crate) fn assert_restored(&self) {
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is still on");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG),
            "modes of the terminal: {modes:?}"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn some(length: u16) -> NonZero<u16> {
    NonZero::new(length).expect("a terminal has a size")
}
