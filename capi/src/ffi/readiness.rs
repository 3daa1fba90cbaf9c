//! The descriptor of `team_get_event_fd`.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Readable while there are events to handle, or calls that an earlier call left. It is the same
/// before and after `team_init`.
#[derive(Debug)]
pub(super) struct Readiness {
    epoll: Epoll,
    /// Not zero while calls are left.
    leftover: EventFd,
    has_leftover: Cell<bool>,
}

impl Readiness {
    pub(super) fn new() -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let leftover = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&leftover, readable())?;
        Ok(Self { epoll, leftover, has_leftover: Cell::new(false) })
    }

    /// Adds the events of a team.
    pub(super) fn add(&self, team: impl AsFd) -> Result<(), Errno> {
        self.epoll.add(team, readable())
    }

    /// Says whether calls are left.
    pub(super) fn set_leftover(&self, has_leftover: bool) -> Result<(), Errno> {
        match (self.has_leftover.replace(has_leftover), has_leftover) {
            (false, true) => self.leftover.write(1).map(drop),
            (true, false) => self.leftover.read().map(drop),
            _ => Ok(()),
        }
    }

    /// Waits until the descriptor is readable; fails with `EINTR` if a signal handler ran.
    pub(super) fn wait(&self) -> Result<(), Errno> {
        self.poll(PollTimeout::NONE).map(drop)
    }

    pub(super) fn is_readable(&self) -> Result<bool, Errno> {
        self.poll(PollTimeout::ZERO)
    }

    fn poll(&self, timeout: PollTimeout) -> Result<bool, Errno> {
        poll(&mut [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)], timeout)
            .map(|ready| ready > 0)
    }

    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}

fn readable() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, 0)
}
