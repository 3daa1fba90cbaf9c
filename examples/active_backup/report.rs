//! Lines on standard error. A reader that has ended or hangs does not stop the daemon.

use std::fmt;
use std::io::{Write as _, stderr};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Writes a line to standard error, with the arguments of `format!`.
macro_rules! report {
    ($($words:tt)*) => { $crate::report::write_line(format_args!($($words)*)) };
}

pub(crate) use report;

/// The number of bytes that a writable pipe accepts without blocking: `PIPE_BUF`, pipe(7).
const PIPE_BUF: usize = 4096;

/// Writes a line, unless that would block.
pub(crate) fn write_line(words: fmt::Arguments<'_>) {
    let line = format!("{words}\n");
    let mut stderr = stderr();
    let mut writable = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut writable, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        let line = line.as_bytes();
        drop(stderr.write_all(line.get(..PIPE_BUF).unwrap_or(line)));
    }
}
