use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::{Errno, read, write};

/// One descriptor that is readable while there is something to do: an event socket has data (or an overrun to
/// tell), or work was left over.
#[derive(Debug)]
pub(crate) struct Readiness {
    epoll: OwnedFd,
    /// Readable while work is left that no socket would announce.
    pending: OwnedFd,
    is_pending: bool,
}

impl Readiness {
    pub(crate) fn over(sockets: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let pending = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        for source in sockets.iter().copied().chain([pending.as_fd()]) {
            epoll::add(&epoll, source, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { epoll, pending, is_pending: false })
    }

    /// Makes the descriptor readable until told otherwise, or leaves it to the sockets again.
    pub(crate) fn set_pending(&mut self, pending: bool) -> io::Result<()> {
        if pending != self.is_pending {
            let mut counter = 1_u64.to_ne_bytes();
            let result = if pending { write(&self.pending, &counter) } else { read(&self.pending, &mut counter) };
            result?;
            self.is_pending = pending;
        }
        Ok(())
    }

    /// Waits until there is something to do; false when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // What does not fit a timespec is longer than anybody waits: as good as no limit.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&self.epoll, PollFlags::IN)];
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
