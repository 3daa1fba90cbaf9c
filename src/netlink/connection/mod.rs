//! The public connection for commands, whatever the protocol.

use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_core::{NetlinkDeserializable, NetlinkSerializable};

use crate::error::Result;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::dump::Dump;
use crate::netlink::error::ErrorContext;
use crate::netlink::protocol::Protocol;
use crate::netlink::request::{Request, RequestSocket};

/// A synchronous connection to the kernel for the requests of any netlink protocol.
///
/// It takes the message types of the `netlink-packet-*` crates: whatever implements the traits of
/// netlink-packet-core. Waiting for an answer has a deadline: see
/// [`command_timeout`](crate::netlink::SocketBuilder::command_timeout), also for what the deadline
/// does not cover. Each answer is matched to its request, and what the kernel says of an error is
/// in the [`Error`](crate::Error), its own words and the offending attribute's place included. A
/// dump that was interrupted is asked for again, where the kernel says so: rtnetlink and most of
/// generic netlink mark such a dump, XFRM and connection tracking do not.
///
/// After an error, even after a panic of the message type's decoder, what is left of the answer is
/// read away, and the next request is answered as if nothing had been.
///
/// It is for requests only: no multicast group is joined. Any thread can use it, one at a time.
///
/// # Examples
///
/// ```
/// use libteam::netlink::{NetlinkConnection, Protocol};
/// use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
/// use libteam::rtnl::netlink_packet_route::link::LinkMessage;
///
/// # test_netns::enter();
/// let mut connection = NetlinkConnection::new(Protocol::ROUTE)?;
/// let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
/// let links = connection.dump::<_, RouteNetlinkMessage>(request)?;
/// assert_eq!(links.items().len(), 1, "a new namespace has its loopback");
/// assert!(links.is_consistent());
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// netlink(7); `NLM_F_DUMP_INTR` and `NETLINK_EXT_ACK`, `linux/netlink.h`.
pub struct NetlinkConnection {
    socket: RequestSocket,
}

impl NetlinkConnection {
    /// Opens a connection for the requests of a netlink protocol, with the default settings.
    ///
    /// # Errors
    ///
    /// As [`SocketBuilder::connection`].
    ///
    /// # Examples
    ///
    /// See [`NetlinkConnection`].
    ///
    /// # Source
    ///
    /// netlink(7).
    pub fn new(protocol: Protocol) -> Result<Self> {
        SocketBuilder::new().connection(protocol)
    }

    /// Opens a connection in another network namespace, with the default settings: see
    /// [`SocketBuilder::in_namespace`].
    ///
    /// # Errors
    ///
    /// Like [`SocketBuilder::in_namespace`] and [`SocketBuilder::connection`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
    /// use libteam::rtnl::netlink_packet_route::link::LinkMessage;
    /// use libteam::netlink::{NetlinkConnection, Protocol};
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, /proc/PID/ns/net, or a pidfd.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// RtnlSocket::new()?.create_link(&NewLink::dummy("d0"))?;
    /// # test_netns::enter();
    /// let mut connection = NetlinkConnection::in_namespace(&there, Protocol::ROUTE)?;
    /// let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    /// let links = connection.dump::<_, RouteNetlinkMessage>(request)?;
    /// assert_eq!(links.items().len(), 2, "lo and d0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(namespace: impl AsFd, protocol: Protocol) -> Result<Self> {
        SocketBuilder::new().in_namespace(namespace)?.connection(protocol)
    }

    pub(crate) fn from_socket(socket: RequestSocket) -> Self {
        Self { socket }
    }

    /// Sends one request, waits for its acknowledgement, and returns the messages that came before
    /// it.
    ///
    /// `flags` are added to `NLM_F_REQUEST` and `NLM_F_ACK`: `NLM_F_CREATE`, `NLM_F_EXCL`,
    /// `NLM_F_ECHO` and so on. The kernel has the same numbers for `NLM_F_REPLACE` and `NLM_F_EXCL`
    /// as for the two flags of `NLM_F_DUMP`: with a message that asks for something they make a
    /// dump of it, which [`dump`](Self::dump) does better, as it tries again.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses.
    /// - [`Error::Timeout`](crate::Error::Timeout) if it does not answer.
    /// - [`Error::Decode`](crate::Error::Decode) if its answer is no `R`.
    /// - [`Error::Overrun`](crate::Error::Overrun) if its answer does not fit: whether the request
    ///   may be sent again is not known here. One that only asks may be, and what was too long the
    ///   first time then has room.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) if the flags made a dump of it, and that
    ///   was interrupted.
    /// - [`Error::Io`](crate::Error::Io) if a system call fails, or with `InvalidInput` if the
    ///   request is longer than 65535 bytes; nothing was sent then.
    ///
    /// After `Timeout`, `Decode` and `Overrun` it is not known whether the kernel did what was
    /// asked.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink::{NetlinkConnection, Protocol};
    /// use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
    /// use libteam::rtnl::netlink_packet_route::link::{LinkAttribute, LinkMessage};
    ///
    /// # test_netns::enter();
    /// let mut connection = NetlinkConnection::new(Protocol::ROUTE)?;
    /// let mut question = LinkMessage::default();
    /// question.header.index = 1;
    /// let answer: Vec<RouteNetlinkMessage> = connection.request(RouteNetlinkMessage::GetLink(question), 0)?;
    /// let [RouteNetlinkMessage::NewLink(lo)] = &answer[..] else { panic!("one link: {answer:?}") };
    /// assert!(lo.attributes.contains(&LinkAttribute::IfName("lo".to_owned())));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_ACK`, netlink(7).
    pub fn request<M, R>(&mut self, message: M, flags: u16) -> Result<Vec<R>>
    where
        M: NetlinkSerializable,
        R: NetlinkDeserializable,
    {
        let op = describe(&message);
        let replies =
            self.socket.collect(Request::command(message, flags), |frame| frame.parse().map(Some));
        Ok(replies.with_context(|| op)?.items)
    }

    /// Sends one request and waits for its acknowledgement; what may come before it is not looked
    /// at.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink::netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
    /// use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
    /// use libteam::rtnl::netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
    /// use libteam::netlink::{NetlinkConnection, Protocol};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// let mut connection = NetlinkConnection::new(Protocol::ROUTE)?;
    /// let mut dummy = LinkMessage::default();
    /// dummy.attributes.push(LinkAttribute::IfName("d0".to_owned()));
    /// dummy.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Dummy)]));
    /// let request = RouteNetlinkMessage::NewLink(dummy);
    /// connection.execute(request.clone(), NLM_F_CREATE | NLM_F_EXCL)?;
    ///
    /// let again = connection.execute(request, NLM_F_CREATE | NLM_F_EXCL);
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_ACK`, netlink(7).
    pub fn execute<M: NetlinkSerializable>(&mut self, message: M, flags: u16) -> Result<()> {
        let op = describe(&message);
        self.socket.execute(message, flags).with_context(|| op)
    }

    /// Asks for a dump: many messages that the kernel lists one after the other while things may
    /// change.
    ///
    /// A dump that was interrupted by changes is asked for again, up to the configured number of
    /// attempts; nothing of an abandoned attempt is kept. What becomes of the last one the
    /// [`InterruptedDump`](crate::netlink::InterruptedDump) setting says. `NLM_F_REQUEST` and
    /// `NLM_F_DUMP` are set here. Each attempt has the whole command timeout.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request), and [`Error::Interrupted`](crate::Error::Interrupted).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink::{NetlinkConnection, Protocol};
    /// use libteam::rtnl::netlink_packet_route::rule::RuleMessage;
    /// use libteam::rtnl::netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
    ///
    /// # test_netns::enter();
    /// let mut connection = NetlinkConnection::new(Protocol::ROUTE)?;
    /// let mut question = RuleMessage::default();
    /// question.header.family = AddressFamily::Inet;
    /// let rules = connection.dump::<_, RouteNetlinkMessage>(RouteNetlinkMessage::GetRule(question))?;
    /// assert!(rules.is_consistent());
    /// assert_eq!(rules.items().len(), 3, "those for the tables local, main and default");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP`, netlink(7); `NLM_F_DUMP_INTR`, `linux/netlink.h`.
    pub fn dump<M, R>(&mut self, message: M) -> Result<Dump<R>>
    where
        M: NetlinkSerializable,
        R: NetlinkDeserializable,
    {
        let op = describe(&message);
        self.socket
            .collect(Request::dump(&op, message), |frame| frame.parse().map(Some))
            .with_context(|| op)
    }
}

/// The settings, without the socket.
impl fmt::Debug for NetlinkConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt_as("NetlinkConnection", f)
    }
}

impl SocketBuilder {
    /// Opens a connection for the requests of a netlink protocol.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): `EPROTONOSUPPORT` if the kernel does not support the
    /// protocol; `EINVAL` if the namespace's descriptor is not that of a namespace; `EPERM` without
    /// the right to enter the namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink::{Protocol, SocketBuilder};
    /// use libteam::ErrorKind;
    ///
    /// let builder = SocketBuilder::new().receive_buffer(4 << 20);
    /// let connection = builder.connection(Protocol::GENERIC)?;
    /// # drop(connection);
    ///
    /// let error = builder.connection(Protocol::new(31)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unsupported, "there is no such protocol");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// netlink(7).
    pub fn connection(&self, protocol: Protocol) -> Result<NetlinkConnection> {
        self.connect(protocol, Ok).map(NetlinkConnection::from_socket)
    }
}

/// Names a request of which nothing but its type is known.
fn describe(message: &impl NetlinkSerializable) -> String {
    format!("netlink request of type {}", message.message_type())
}

#[cfg(test)]
mod tests;
