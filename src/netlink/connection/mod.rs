//! The public connection for requests of any protocol.

use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_core::{NetlinkDeserializable, NetlinkSerializable};

use crate::error::Result;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::dump::Dump;
use crate::netlink::error::ErrorContext;
use crate::netlink::protocol::Protocol;
use crate::netlink::request::{Request, RequestSocket};

/// A synchronous connection to the kernel for requests of any netlink protocol.
///
/// - A message is of any type that implements the traits of netlink-packet-core, e.g. a type of the
///   `netlink-packet-*` crates.
/// - Waiting for a reply has a timeout:
///   [`command_timeout`](crate::netlink::SocketBuilder::command_timeout) also says what the timeout
///   does not cover.
/// - Replies are matched to their request by sequence number.
/// - An [`Error`](crate::Error) contains the kernel's own message and the position of the attribute
///   in question, if the kernel sends them.
/// - A dump that the kernel marks as interrupted by changes is requested again. rtnetlink and most
///   of generic netlink mark such dumps; XFRM and connection tracking do not.
/// - After an error, and after a panic of a message type's decoder, the rest of the reply is
///   discarded, so that the connection remains usable.
///
/// The connection is for requests only and joins no multicast group. It can be moved to another
/// thread.
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
/// assert_eq!(links.items().len(), 1, "a new namespace has only the loopback link");
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
    /// Opens a connection for requests of a netlink protocol, with the default settings.
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::connection`].
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

    /// Opens a connection in another network namespace, with the default settings.
    ///
    /// See [`SocketBuilder::in_namespace`] for the descriptor and the permissions.
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::in_namespace`] and [`SocketBuilder::connection`].
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

    /// Sends a request, and returns the messages that the kernel sent before its acknowledgement.
    ///
    /// `flags` are added to `NLM_F_REQUEST` and `NLM_F_ACK`, e.g. `NLM_F_CREATE`, `NLM_F_EXCL` or
    /// `NLM_F_ECHO`. `NLM_F_REPLACE` and `NLM_F_EXCL` have the same values as the two flags of
    /// `NLM_F_DUMP`: with a message that queries state, they request a dump. Use
    /// [`dump`](Self::dump) for that instead, which repeats an interrupted dump.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`](crate::Error::Kernel) if the kernel rejects the request.
    /// - [`Error::Timeout`](crate::Error::Timeout) if the kernel does not reply in time.
    /// - [`Error::Decode`](crate::Error::Decode) if a message of the reply is not an `R`.
    /// - [`Error::Overrun`](crate::Error::Overrun) if the reply does not fit the receive buffer. A
    ///   request that changes nothing may be sent again; the buffer is then large enough for a
    ///   message that was too long.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) if the flags requested a dump, and it
    ///   was interrupted.
    /// - [`Error::Io`](crate::Error::Io) if a system call fails, or with `InvalidInput`, before
    ///   anything is sent, if the request is longer than 65535 bytes.
    ///
    /// After `Timeout`, `Decode` and `Overrun`, the kernel may or may not have executed the
    /// request.
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
    /// let mut query = LinkMessage::default();
    /// query.header.index = 1;
    /// let query = RouteNetlinkMessage::GetLink(query);
    /// let reply: Vec<RouteNetlinkMessage> = connection.request(query, 0)?;
    /// let [RouteNetlinkMessage::NewLink(lo)] = &reply[..] else { panic!("found {reply:?}") };
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

    /// Sends a request and waits for its acknowledgement; other messages of the reply are ignored.
    ///
    /// # Errors
    ///
    /// Those of [`request`](Self::request), except for `Decode` of a message's contents.
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

    /// Requests a dump: a list that the kernel sends in many messages.
    ///
    /// A dump that changes interrupted is requested again, up to the number of
    /// [`dump_attempts`](SocketBuilder::dump_attempts); the result contains only the last attempt.
    /// If the last attempt was interrupted too, the setting
    /// [`InterruptedDump`](crate::netlink::InterruptedDump) decides. The method sets
    /// `NLM_F_REQUEST` and `NLM_F_DUMP`. Each attempt has the whole command timeout.
    ///
    /// # Errors
    ///
    /// Those of [`request`](Self::request), and [`Error::Interrupted`](crate::Error::Interrupted)
    /// with [`InterruptedDump::Fail`](crate::netlink::InterruptedDump::Fail).
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
    /// let mut query = RuleMessage::default();
    /// query.header.family = AddressFamily::Inet;
    /// let rules = connection.dump::<_, RouteNetlinkMessage>(RouteNetlinkMessage::GetRule(query))?;
    /// assert!(rules.is_consistent());
    /// assert_eq!(rules.items().len(), 3, "the rules for the tables local, main and default");
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

/// Prints the settings without the socket.
impl fmt::Debug for NetlinkConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt_as("NetlinkConnection", f)
    }
}

impl SocketBuilder {
    /// Opens a connection for requests of a netlink protocol.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) with `EPROTONOSUPPORT` if the kernel does not support the
    /// protocol, with `EINVAL` if the descriptor is not a network namespace, or with `EPERM` if the
    /// caller may not enter the namespace.
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
    /// assert_eq!(error.kind(), ErrorKind::Unsupported, "no protocol has the number 31");
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

/// Describes a request by its type, for errors.
fn describe(message: &impl NetlinkSerializable) -> String {
    format!("netlink request of type {}", message.message_type())
}

#[cfg(test)]
mod tests;
