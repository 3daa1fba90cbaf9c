//! The link notifications of a network namespace as an iterator.
//!
//! [`LinkEvents`] waits for the kernel's notifications about links (`RTNLGRP_LINK`) and returns
//! them as [`LinkEvent`]s. It keeps no state; a [`TeamHandle`](crate::TeamHandle) does.
// The room uses `rtnl` for the links in its events, and the sockets of `netlink`. No other room
// uses it.

mod cause;
mod event;
mod stream;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

pub use self::cause::LinkEventCause;
pub use self::event::LinkEvent;
use self::stream::LinkEventStream;
use crate::error::Result;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::codec::link::RTNLGRP_LINK;
use crate::netlink::error::ErrorContext;
use crate::netlink::multicast::MulticastSocket;
use crate::netlink::protocol::Protocol;
use crate::netlink::ready_fd::ReadyFd;
use crate::netlink::socket::Transport;

/// An endless iterator over the link notifications of a network namespace.
///
/// [`next`](Iterator::next) waits for an event, and never returns `None`. `LinkEvents` keeps no
/// state of the links and sends no requests: it returns the kernel's notifications in order, from
/// the moment when it is opened. Messages that other processes send to the multicast group are
/// ignored. To track the state of a team and its links, use [`TeamHandle`](crate::TeamHandle).
///
/// In an event loop, wait until the descriptor ([`AsFd`]) is readable, then call
/// [`try_next`](Self::try_next) until it returns `None`.
///
/// # Lost events
///
/// When the receive buffer is full, the kernel keeps the queued events, drops all further ones
/// until the queue is read, and reports the loss once. The iterator returns the queued events, then
/// one [`LinkEvent::Lost`], then new events. While events arrive without a pause, a few new ones
/// may come before `Lost`; no old one ever comes after it.
///
/// A program that derives state from the events has to list all links again at each `Lost`, with
/// another socket, and then apply the events that follow. Some of these events are older than the
/// list and restore an outdated state for a short time, until a later event or `Lost` corrects it.
/// For the same reason, open `LinkEvents` before the first list.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use libteam::link_events::{LinkEvent, LinkEvents};
/// use libteam::TeamHandle;
///
/// # test_netns::enter();
/// let mut events = LinkEvents::new()?;
/// let team = TeamHandle::create("team0")?;
/// let ifindex = team.ifindex();
/// team.destroy()?;
///
/// match events.next().expect("the iterator never ends")? {
///     LinkEvent::Added(link) => assert_eq!((link.ifindex(), &*link.name()), (ifindex, "team0")),
///     other => panic!("{other:?}"),
/// }
/// while let Some(event) = events.next_timeout(Duration::from_millis(100))? {
///     if let LinkEvent::Removed(link) = event {
///         assert_eq!(link.ifindex(), ifindex);
///     }
/// }
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// The names of all links, kept up to date:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use libteam::link_events::{LinkEvent, LinkEvents};
/// use libteam::rtnl::{LinkFilter, RtnlSocket};
/// use libteam::IfIndex;
///
/// type Names = BTreeMap<IfIndex, String>;
///
/// fn list(rtnl: &mut RtnlSocket) -> libteam::Result<Names> {
///     let links = rtnl.links(&LinkFilter::new())?;
///     Ok(links.iter().map(|link| (link.ifindex(), link.name().into_owned())).collect())
/// }
///
/// fn apply(event: &LinkEvent, names: &mut Names, rtnl: &mut RtnlSocket) -> libteam::Result<()> {
///     match event {
///         LinkEvent::Lost => *names = list(rtnl)?,
///         LinkEvent::Added(link) => {
///             names.insert(link.ifindex(), link.name().into_owned());
///         }
///         LinkEvent::Changed { link, .. } => {
///             // An unknown link is still being created.
///             names.entry(link.ifindex()).and_modify(|name| *name = link.name().into_owned());
///         }
///         LinkEvent::Removed(link) | LinkEvent::Moved { link, .. } => {
///             names.remove(&link.ifindex());
///         }
///         _ => {}
///     }
///     Ok(())
/// }
///
/// # test_netns::enter();
/// let mut events = LinkEvents::new()?;
/// let mut rtnl = RtnlSocket::new()?;
/// let mut names = list(&mut rtnl)?;
/// # let team = libteam::TeamHandle::create("team0")?;
/// while let Some(event) = events.try_next()? {
///     apply(&event, &mut names, &mut rtnl)?;
/// }
/// # assert_eq!(names.into_values().collect::<Vec<_>>(), ["lo", "team0"]);
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `RTNLGRP_LINK`, `linux/rtnetlink.h`; `ENOBUFS`, netlink(7).
pub struct LinkEvents {
    stream: LinkEventStream,
    readiness: ReadyFd,
}

impl LinkEvents {
    /// Subscribes to the link notifications of the calling thread's network namespace.
    ///
    /// The settings are the defaults of [`SocketBuilder`].
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::link_events`].
    ///
    /// # Examples
    ///
    /// See [`LinkEvents`].
    ///
    /// # Source
    ///
    /// `RTNLGRP_LINK`, `linux/rtnetlink.h`.
    pub fn new() -> Result<Self> {
        SocketBuilder::new().link_events()
    }

    /// Subscribes to the link notifications of another network namespace.
    ///
    /// See [`SocketBuilder::in_namespace`] for the descriptor and the permissions.
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::in_namespace`] and [`SocketBuilder::link_events`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::link_events::{LinkEvent, LinkEvents};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, /proc/PID/ns/net, or a pidfd.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// # test_netns::enter();
    /// let mut events = LinkEvents::in_namespace(&there)?;
    /// let team = TeamHandle::builder().in_namespace(&there)?.create("team0")?;
    /// assert!(matches!(events.try_next()?, Some(LinkEvent::Added(link)) if link.name() == "team0"));
    /// # drop(team);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(namespace: impl AsFd) -> Result<Self> {
        SocketBuilder::new().in_namespace(namespace)?.link_events()
    }

    /// Creates an iterator over the events of a socket that has joined the group.
    pub(crate) fn from_socket(socket: Box<dyn Transport>) -> Result<Self> {
        let stream = LinkEventStream::new(MulticastSocket::from_boxed(socket));
        let readiness = ReadyFd::new(&[stream.as_fd()])
            .with_context(|| "preparing to wait for link events".to_owned())?;
        Ok(Self { stream, readiness })
    }

    /// Returns the next event without waiting, or `None` if there is none at the moment.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if a system call fails. No event is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::link_events::{LinkEvent, LinkEvents};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut events = LinkEvents::new()?;
    /// let team = TeamHandle::create("team0")?;
    /// let mut new = Vec::new();
    /// while let Some(event) = events.try_next()? {
    ///     if let LinkEvent::Added(link) = event {
    ///         new.push(link.name().into_owned());
    ///     }
    /// }
    /// assert_eq!(new, ["team0"]);
    /// # drop(team);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn try_next(&mut self) -> Result<Option<LinkEvent>> {
        self.stream.fill();
        let kept = self.readiness.set_pending(&self.stream, self.stream.has_more());
        kept.with_context(|| "keeping link events".to_owned())?;
        self.stream.take().transpose().with_context(|| "reading link events".to_owned())
    }

    /// Waits for the next event, or returns `None` after the timeout.
    ///
    /// A signal does not end the wait.
    ///
    /// # Errors
    ///
    /// Those of [`try_next`](Self::try_next).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::link_events::LinkEvents;
    ///
    /// # test_netns::enter();
    /// let mut events = LinkEvents::new()?;
    /// assert_eq!(events.next_timeout(Duration::from_millis(10))?, None, "nothing happens here");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<LinkEvent>> {
        // `None`, for a timeout beyond the range of the clock, means no limit.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let remaining =
                deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if remaining.is_some_and(|remaining| remaining.is_zero()) {
                return Ok(None);
            }
            self.readiness.wait(remaining).with_context(|| "waiting for link events".to_owned())?;
        }
    }

    /// Returns the size of the receive buffer in bytes, as the kernel counts it.
    ///
    /// On common kernels, a link event uses 2304 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the system call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// let events = libteam::link_events::LinkEvents::new()?;
    /// println!("room for {} events", events.receive_buffer()? / 2304);
    /// # assert!(events.receive_buffer()? >= 2304);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `SO_RCVBUF`, socket(7).
    pub fn receive_buffer(&self) -> Result<usize> {
        self.stream.receive_buffer().with_context(|| "reading the receive buffer's size".to_owned())
    }
}

impl SocketBuilder {
    /// Subscribes to link notifications.
    ///
    /// # Errors
    ///
    /// Those of [`connection`](Self::connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink::SocketBuilder;
    ///
    /// let events = SocketBuilder::new().receive_buffer(4 << 20).link_events()?;
    /// assert_eq!(events.receive_buffer()?, 8 << 20, "the kernel doubles the requested size");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTNLGRP_LINK`, `linux/rtnetlink.h`.
    pub fn link_events(&self) -> Result<LinkEvents> {
        let mut socket = self.listener(Protocol::ROUTE)?;
        socket.join(RTNLGRP_LINK).with_context(|| "joining the group of link events".to_owned())?;
        LinkEvents::from_socket(socket)
    }
}

impl Drop for LinkEvents {
    fn drop(&mut self) {
        // As for the descriptor of a handle, where a forked process has the socket too.
        self.readiness.remove(&[self.stream.as_fd()]);
    }
}

/// Prints how many events were read but not returned yet, without the events.
impl fmt::Debug for LinkEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkEvents").field("queued", &self.stream.queued()).finish_non_exhaustive()
    }
}

impl Iterator for LinkEvents {
    type Item = Result<LinkEvent>;

    /// Waits for the next event. Never returns `None`, not even after an error.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_timeout(Duration::MAX).transpose()
    }
}

/// Returns a descriptor that is readable while an event can be taken.
///
/// [`try_next`](LinkEvents::try_next) takes the event. Do not read from the descriptor. It stays
/// the same as long as the `LinkEvents` exists.
///
/// An edge-triggered loop (`EPOLLET`) has to call [`try_next`](LinkEvents::try_next) until it
/// returns `None`.
impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

/// Returns the same descriptor as [`AsFd`], for event loops that require a raw one.
impl AsRawFd for LinkEvents {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
