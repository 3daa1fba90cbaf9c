use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::Errno;

/// One descriptor that is readable while there is something to do: an event socket has data (or an overrun to
/// tell), or work was left over.
#[derive(Debug)]
pub(crate) struct Readiness {
    epoll: Arc<OwnedFd>,
    is_pending: bool,
}

impl Readiness {
    /// Over the sockets that announce something to do.
    pub(crate) fn over(sockets: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for socket in sockets {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { epoll: Arc::new(epoll), is_pending: false })
    }

    /// Makes the descriptor readable until told otherwise, or leaves it to the sockets again. `socket` is one of them, the
    /// same each time: as nothing is ever sent on it, there is always room to send something.
    ///
    /// That the descriptor becomes readable is an edge, for those that wait for edges: either the sockets made one, as
    /// they have something since the last, or this does.
    pub(crate) fn set_pending(&mut self, socket: impl AsFd, pending: bool) -> io::Result<()> {
        if pending != self.is_pending {
            let mut flags = epoll::EventFlags::IN;
            if pending {
                flags |= epoll::EventFlags::OUT;
                // What is read empty by now still counts as ready, and would make no edge, until somebody looks.
                self.wait(Some(Duration::ZERO))?;
            }
            epoll::modify(&*self.epoll, socket, epoll::EventData::new_u64(0), flags)?;
            self.is_pending = pending;
        }
        Ok(())
    }

    /// Refers to the descriptor, for use where the handle that owns it is out of reach.
    pub(crate) fn reference(&self) -> ReadinessRef {
        ReadinessRef(Arc::clone(&self.epoll))
    }

    /// Waits until there is something to do; false when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // What does not fit a timespec is longer than anybody waits: as good as no limit.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&*self.epoll, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Refers to the descriptor of a handle that may be elsewhere by now.
pub(crate) struct ReadinessRef(Arc<OwnedFd>);

impl ReadinessRef {
    /// Makes the descriptor readable until the signal is dropped, whether the handle still exists or not.
    pub(crate) fn signal(&self) -> io::Result<Signal> {
        let signal = Signal { epoll: Arc::clone(&self.0), event: eventfd(1, EventfdFlags::CLOEXEC)? };
        epoll::add(&*signal.epoll, &signal.event, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(signal)
    }
}

/// Keeps a descriptor readable.
pub(crate) struct Signal {
    epoll: Arc<OwnedFd>,
    event: OwnedFd,
}

impl Drop for Signal {
    fn drop(&mut self) {
        // Closing the event is not enough where a forked process has it too.
        let _ = epoll::delete(&*self.epoll, &self.event);
    }
}
