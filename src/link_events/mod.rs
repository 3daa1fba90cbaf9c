//! The links of a network namespace, as the kernel announces them, one event after the other.

mod cause;
mod event;
mod stream;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

pub use self::cause::LinkEventCause;
pub use self::event::LinkEvent;
use self::stream::LinkEventStream;
use crate::error::Result;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::codec::link::RTNLGRP_LINK;
use crate::netlink::error::During;
use crate::netlink::multicast::EventSocket;
use crate::netlink::protocol::Protocol;
use crate::netlink::ready_fd::Readiness;
use crate::netlink::socket::NetlinkSocket;

/// What the kernel announces of the links of a network namespace: an iterator that waits for the next event and never
/// ends.
///
/// There is no state behind it, and it never asks the kernel anything: an event is what the kernel said, in the order
/// in which it said it. Events come from the moment on when this is opened. Only the kernel is believed: what another
/// process sends to the multicast group is ignored. [`TeamHandle`](crate::TeamHandle) is what keeps the state of a team
/// and its links by such events.
///
/// For an event loop, wait until the descriptor ([`AsFd`]) is readable, then call [`try_next`](Self::try_next) until
/// it returns `None`.
///
/// # Lost events
///
/// A receive buffer that is full loses events. The kernel then keeps those that were queued before, loses all others
/// until they are read, and says so once. So do the events here: all that came before the loss, then one
/// [`LinkEvent::Lost`], then what is new. Under a constant stream of changes a few new ones may stand before `Lost`;
/// no old one ever stands behind it.
///
/// Whoever keeps a state by these events has to ask for all links again at each `Lost`, by another socket, and to go
/// on with the events that follow. Some of them are older than the answer, and tell what was the case for a short
/// while; but whatever is wrong then, a later event mends, or a later `Lost` does. The same holds for the beginning: open
/// this first, then ask.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use libteam::{LinkEvent, LinkEvents, TeamHandle};
///
/// # enter_namespace();
/// let mut events = LinkEvents::new()?;
/// let team = TeamHandle::create("team0")?;
/// let ifindex = team.team_ifindex();
/// team.destroy()?;
///
/// match events.next().expect("it never ends")? {
///     LinkEvent::Added(link) => assert_eq!((link.ifindex(), &*link.name()), (ifindex, "team0")),
///     other => panic!("{other:?}"),
/// }
/// while let Some(event) = events.next_timeout(Duration::from_millis(100))? {
///     if let LinkEvent::Removed(link) = event {
///         assert_eq!(link.ifindex(), ifindex);
///     }
/// }
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// The names of all links, kept true:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use libteam::netlink_packet_route::RouteNetlinkMessage;
/// use libteam::netlink_packet_route::link::{LinkAttribute, LinkMessage};
/// use libteam::{LinkEvent, LinkEvents, RtnlSocket};
///
/// type Names = BTreeMap<u32, String>;
///
/// fn ask(rtnl: &mut RtnlSocket) -> libteam::Result<Names> {
///     let mut names = Names::new();
///     for answer in rtnl.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
///         let RouteNetlinkMessage::NewLink(link) = answer else { continue };
///         for attribute in link.attributes {
///             if let LinkAttribute::IfName(name) = attribute {
///                 names.insert(link.header.index, name);
///             }
///         }
///     }
///     Ok(names)
/// }
///
/// fn hear(event: &LinkEvent, names: &mut Names, rtnl: &mut RtnlSocket) -> libteam::Result<()> {
///     match event {
///         LinkEvent::Lost => *names = ask(rtnl)?,
///         LinkEvent::Added(link) => {
///             names.insert(link.ifindex().get(), link.name().into_owned());
///         }
///         LinkEvent::Changed { link, .. } => {
///             // A link that is not known yet is still being made.
///             names.entry(link.ifindex().get()).and_modify(|name| *name = link.name().into_owned());
///         }
///         LinkEvent::Removed(link) | LinkEvent::Moved { link, .. } => {
///             names.remove(&link.ifindex().get());
///         }
///         _ => {}
///     }
///     Ok(())
/// }
///
/// # enter_namespace();
/// let mut events = LinkEvents::new()?;
/// let mut rtnl = RtnlSocket::new()?;
/// let mut names = ask(&mut rtnl)?;
/// # let team = libteam::TeamHandle::create("team0")?;
/// while let Some(event) = events.try_next()? {
///     hear(&event, &mut names, &mut rtnl)?;
/// }
/// # assert_eq!(names.into_values().collect::<Vec<_>>(), ["lo", "team0"]);
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `RTNLGRP_LINK`, `linux/rtnetlink.h`; `ENOBUFS`, netlink(7).
#[derive(Debug)]
pub struct LinkEvents {
    stream: LinkEventStream,
    readiness: Readiness,
}

impl LinkEvents {
    /// Opens a stream of what the kernel announces of links, from now on, with the default settings.
    ///
    /// # Errors
    ///
    /// As [`SocketBuilder::link_events`].
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

    /// Opens a stream of what the kernel announces of the links of another network namespace: see
    /// [`SocketBuilder::in_namespace`].
    ///
    /// # Errors
    ///
    /// As [`SocketBuilder::in_namespace`] and [`SocketBuilder::link_events`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::{LinkEvent, LinkEvents, TeamHandle};
    ///
    /// # enter_namespace();
    /// // Or that of a file under /run/netns, of /proc/PID/ns/net, or a pidfd.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// # enter_namespace();
    /// let mut events = LinkEvents::in_namespace(&there)?;
    /// let team = TeamHandle::builder().in_namespace(&there)?.create("team0")?;
    /// assert!(matches!(events.try_next()?, Some(LinkEvent::Added(link)) if link.name() == "team0"));
    /// # drop(team);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(namespace: impl AsFd) -> Result<Self> {
        SocketBuilder::new().in_namespace(namespace)?.link_events()
    }

    /// Takes over a socket that has joined the group.
    pub(crate) fn over(socket: NetlinkSocket) -> Result<Self> {
        let preparing = || "preparing to wait for link events".to_owned();
        let stream = LinkEventStream::new(EventSocket::new(socket));
        let readiness = Readiness::over(&[stream.as_fd()]).during(preparing)?;
        Ok(Self { stream, readiness })
    }

    /// Takes the next event if there is one now. Does not wait.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if a system call fails. No event is lost by that.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkEvent, LinkEvents, TeamHandle};
    ///
    /// # enter_namespace();
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
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn try_next(&mut self) -> Result<Option<LinkEvent>> {
        self.stream.fill();
        let kept = self.readiness.set_pending(&self.stream, self.stream.has_more());
        kept.during(|| "keeping link events".to_owned())?;
        self.stream.take().transpose().during(|| "reading link events".to_owned())
    }

    /// Takes the next event, and waits for it as long as this; `None` if none came. A signal does not end the wait.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::LinkEvents;
    ///
    /// # enter_namespace();
    /// let mut events = LinkEvents::new()?;
    /// assert_eq!(events.next_timeout(Duration::from_millis(10))?, None, "nobody does anything here");
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<LinkEvent>> {
        // What is too long for the clock is longer than anybody waits: as good as no limit.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            self.readiness.wait(left).during(|| "waiting for link events".to_owned())?;
        }
    }

    /// The receive buffer's size in bytes, as the kernel counts it. A link event takes 2304 bytes of it on common
    /// kernels.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the system call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// let events = libteam::LinkEvents::new()?;
    /// println!("room for {} events", events.receive_buffer()? / 2304);
    /// # assert!(events.receive_buffer()? >= 2304);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `SO_RCVBUF`, socket(7).
    pub fn receive_buffer(&self) -> Result<usize> {
        self.stream.receive_buffer().during(|| "reading the receive buffer's size".to_owned())
    }
}

impl SocketBuilder {
    /// Opens a stream of what the kernel announces of links, from now on.
    ///
    /// # Errors
    ///
    /// As [`connection`](Self::connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::SocketBuilder;
    ///
    /// let events = SocketBuilder::new().receive_buffer(4 << 20).link_events()?;
    /// assert_eq!(events.receive_buffer()?, 8 << 20, "the kernel doubles what it is asked for");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTNLGRP_LINK`, `linux/rtnetlink.h`.
    pub fn link_events(&self) -> Result<LinkEvents> {
        let socket = self.listener(Protocol::ROUTE)?.join(RTNLGRP_LINK);
        LinkEvents::over(socket.during(|| "joining the group of link events".to_owned())?)
    }
}

impl Iterator for LinkEvents {
    type Item = Result<LinkEvent>;

    /// Waits for the next event. It is never `None`; an error does not end it either.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_timeout(Duration::MAX).transpose()
    }
}

/// Readable while there is an event to take. Do not read from it; it stays the same as long as this lasts.
///
/// A loop that is told of each event once (`EPOLLET`) takes until there is none: see
/// [`try_next`](LinkEvents::try_next).
impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

/// For event loops that take nothing else.
impl AsRawFd for LinkEvents {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
