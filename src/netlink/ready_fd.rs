use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// A descriptor that is readable while an event socket is readable, or work is pending.
#[derive(Debug)]
pub(crate) struct ReadyFd {
    epoll: Arc<Epoll>,
    is_pending: bool,
}

impl ReadyFd {
    /// Creates a descriptor for these event sockets.
    pub(crate) fn new(sockets: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for socket in sockets {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        Ok(Self { epoll: Arc::new(epoll), is_pending: false })
    }

    /// Makes the descriptor readable until the next call, or only while the sockets are readable.
    ///
    /// `socket` is one of the event sockets, the same in each call. Nothing is ever sent on it, so
    /// that it is always writable.
    ///
    /// For callers that wait with `EPOLLET`, a descriptor that becomes readable is also an edge:
    /// either a socket caused one, because data arrived after the last edge, or this call does.
    pub(crate) fn set_pending(&mut self, socket: impl AsFd, pending: bool) -> io::Result<()> {
        if pending != self.is_pending {
            let mut flags = EpollFlags::EPOLLIN;
            if pending {
                flags |= EpollFlags::EPOLLOUT;
                // A socket that was read empty still counts as ready until the next wait, so that
                // the modification below would cause no edge.
                self.wait(Some(Duration::ZERO))?;
            }
            self.epoll.modify(socket, &mut EpollEvent::new(flags, 0))?;
            self.is_pending = pending;
        }
        Ok(())
    }

    /// Removes sockets, so that duplicates of the descriptor no longer report them.
    ///
    /// The owner of the sockets calls this when it is dropped.
    pub(crate) fn remove(&self, sockets: &[BorrowedFd<'_>]) {
        for socket in sockets {
            // Only a socket that is not in the set is refused.
            let _ = self.epoll.delete(socket);
        }
    }

    /// Returns a reference to the descriptor that is usable without the handle.
    pub(crate) fn reference(&self) -> ReadinessRef {
        ReadinessRef(Arc::clone(&self.epoll))
    }

    /// Waits until the descriptor is readable; false after the timeout or a signal.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(poll_readable(&self.epoll.0, timeout)? == Poll::Readable)
    }
}

impl AsFd for ReadyFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// The result of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    Readable,
    TimedOut,
    /// A signal handler ran (`EINTR`).
    Interrupted,
}

/// Waits until the descriptor is readable, or for ever without a timeout.
///
/// A timeout that is too long for the kernel is reduced to 68 years.
pub(crate) fn poll_readable(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<Poll> {
    const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);
    let timeout = timeout.map(|timeout| TimeSpec::from_duration(timeout.min(LONGEST)));
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut fds, timeout, None) {
        Ok(0) => Ok(Poll::TimedOut),
        Ok(_) => Ok(Poll::Readable),
        Err(Errno::EINTR) => Ok(Poll::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// A reference to the descriptor of a handle that may have been moved or dropped.
pub(crate) struct ReadinessRef(Arc<Epoll>);

impl ReadinessRef {
    /// Makes the descriptor readable until the signal is dropped.
    pub(crate) fn signal(&self) -> io::Result<Signal> {
        let event = EventFd::from_value_and_flags(1, EfdFlags::EFD_CLOEXEC)?;
        let signal = Signal { epoll: Arc::clone(&self.0), event };
        signal.epoll.add(&signal.event, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(signal)
    }
}

/// A guard that keeps a descriptor readable.
pub(crate) struct Signal {
    epoll: Arc<Epoll>,
    event: EventFd,
}

impl Drop for Signal {
    fn drop(&mut self) {
        // Closing the event is not enough if a forked process has a copy of it.
        let _ = self.epoll.delete(&self.event);
    }
}
