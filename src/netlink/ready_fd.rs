use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// One descriptor that is readable while there is something to do: an event socket has data (or an
/// overrun to tell), or work was left over.
#[derive(Debug)]
pub(crate) struct ReadyFd {
    epoll: Arc<Epoll>,
    is_pending: bool,
}

impl ReadyFd {
    /// Over the sockets that announce something to do.
    pub(crate) fn new(sockets: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for socket in sockets {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        Ok(Self { epoll: Arc::new(epoll), is_pending: false })
    }

    /// Makes the descriptor readable until told otherwise, or leaves it to the sockets again.
    /// `socket` is one of them, the same each time: as nothing is ever sent on it, there is always
    /// room to send something.
    ///
    /// That the descriptor becomes readable is an edge, for those that wait for edges: either the
    /// sockets made one, as they have something since the last, or this does.
    pub(crate) fn set_pending(&mut self, socket: impl AsFd, pending: bool) -> io::Result<()> {
        if pending != self.is_pending {
            let mut flags = EpollFlags::EPOLLIN;
            if pending {
                flags |= EpollFlags::EPOLLOUT;
                // What is read empty by now still counts as ready, and would make no edge, until
                // somebody looks.
                self.wait(Some(Duration::ZERO))?;
            }
            self.epoll.modify(socket, &mut EpollEvent::new(flags, 0))?;
            self.is_pending = pending;
        }
        Ok(())
    }

    /// Takes sockets out, so that duplicates of the descriptor do not report them any more. For
    /// the end of the sockets' owner.
    pub(crate) fn remove(&self, sockets: &[BorrowedFd<'_>]) {
        for socket in sockets {
            // Only a socket that is not in the set is refused.
            let _ = self.epoll.delete(socket);
        }
    }

    /// Refers to the descriptor, for use where the handle that owns it is out of reach.
    pub(crate) fn reference(&self) -> ReadinessRef {
        ReadinessRef(Arc::clone(&self.epoll))
    }

    /// Waits until there is something to do; false when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(poll_readable(&self.epoll.0, timeout)? == Poll::Readable)
    }
}

impl AsFd for ReadyFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    Readable,
    TimedOut,
    /// A signal handler ran (`EINTR`).
    Interrupted,
}

/// Waits until the descriptor is readable; without a limit if there is no timeout.
///
/// A timeout that the kernel's clock cannot hold is shortened to 68 years.
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

/// Refers to the descriptor of a handle that may be elsewhere by now.
pub(crate) struct ReadinessRef(Arc<Epoll>);

impl ReadinessRef {
    /// Makes the descriptor readable until the signal is dropped, whether the handle still exists
    /// or not.
    pub(crate) fn signal(&self) -> io::Result<Signal> {
        let event = EventFd::from_value_and_flags(1, EfdFlags::EFD_CLOEXEC)?;
        let signal = Signal { epoll: Arc::clone(&self.0), event };
        signal.epoll.add(&signal.event, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(signal)
    }
}

/// Keeps a descriptor readable.
pub(crate) struct Signal {
    epoll: Arc<Epoll>,
    event: EventFd,
}

impl Drop for Signal {
    fn drop(&mut self) {
        // Closing the event is not enough where a forked process has it too.
        let _ = self.epoll.delete(&self.event);
    }
}
