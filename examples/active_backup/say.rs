//! What the daemon says on standard error. Nobody may be left to read it, or the reader may hang,
//! and the team is not to suffer from that.

use std::fmt;
use std::io::{Write as _, stderr};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

macro_rules! say {
    ($($words:tt)*) => { $crate::say::write_line(format_args!($($words)*)) };
}

pub(crate) use say;

/// A pipe that can be written to takes this much without waiting: `PIPE_BUF`, pipe(7).
const AT_ONCE: usize = 4096;

/// Writes a line, unless it would have to wait for the reader.
pub(crate) fn write_line(words: fmt::Arguments<'_>) {
    let line = format!("{words}\n");
    let mut stderr = stderr();
    let mut writable = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut writable, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        let line = line.as_bytes();
        drop(stderr.write_all(line.get(..AT_ONCE).unwrap_or(line)));
    }
}
