//! Links, addresses, routes, neighbours and the other objects of rtnetlink.
//!
//! [`RtnlSocket`] lists, looks up, creates, changes and deletes them, synchronously. A
//! [`TeamHandle`](crate::TeamHandle) uses the same code for its own links. Messages are of the
//! types of [`netlink_packet_route`].
// The room uses the sockets and the codec of `netlink`. `team` and `link_events` use it.

mod address;
mod dump;
pub(crate) mod link;
mod neighbour;
mod route;
mod rule;
mod tc;

use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_route::RouteNetlinkMessage;

pub use netlink_packet_route;

pub use self::address::{Address, AddressFilter};
pub use self::link::{LinkFilter, LinkInfo, LinkStatistics, NewLink};
pub(crate) use self::link::{LinkPart, Step};
pub use self::neighbour::{Neighbour, NeighbourFilter};
pub use self::route::{NextHop, Route, RouteFilter};
pub use self::rule::RuleFilter;
pub use self::tc::TcSelector;
use crate::error::Result;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::codec::packet;
use crate::netlink::dump::Dump;
use crate::netlink::error::ErrorContext;
use crate::netlink::protocol::Protocol;
use crate::netlink::request::{Request, RequestSocket};

/// rtnetlink numbers its message types in groups of four: `NEW`, `DEL`, `GET`, `SET`.
const OPERATIONS: u16 = 4;
const GET: u16 = 2;

/// A synchronous rtnetlink socket, for links, addresses, routes, neighbours and more.
///
/// The socket belongs to the network namespace in which it was opened, even if the thread that uses
/// it enters another one. Each method sends at least one request; there is no cache.
/// [`NetlinkConnection`](crate::netlink::NetlinkConnection) documents the timeouts and errors that
/// all requests have in common.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{AddressFilter, LinkFilter, NewLink, RtnlSocket};
/// use libteam::LinkSettings;
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
/// rtnl.set_link(eth1, &LinkSettings::new().mtu(1400).up())?;
/// rtnl.add_address(eth1, "192.0.2.1".parse()?, 24)?;
///
/// for link in rtnl.links(&LinkFilter::new().kind("dummy"))? {
///     let addresses = rtnl.addresses(&AddressFilter::new().link(link.ifindex()))?;
///     for address in &addresses {
///         println!("{} has the address {address}", link.name());
///     }
/// }
/// rtnl.delete_link(eth1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// rtnetlink(7).
pub struct RtnlSocket {
    socket: RequestSocket,
}

impl RtnlSocket {
    /// Opens an rtnetlink socket in the calling thread's network namespace.
    ///
    /// The settings are the defaults of [`SocketBuilder`].
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::rtnl`].
    ///
    /// # Examples
    ///
    /// See [`RtnlSocket`].
    ///
    /// # Source
    ///
    /// `NETLINK_ROUTE`, netlink(7).
    pub fn new() -> Result<Self> {
        SocketBuilder::new().rtnl()
    }

    /// Opens an rtnetlink socket in another network namespace: see [`SocketBuilder::in_namespace`].
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::in_namespace`] and [`SocketBuilder::rtnl`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, /proc/PID/ns/net, or a pidfd.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::in_namespace(&there)?;
    /// let team = rtnl.create_link(&NewLink::team("team0"))?;
    ///
    /// let here = RtnlSocket::new()?.delete_link(team);
    /// assert_eq!(here.unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(namespace: impl AsFd) -> Result<Self> {
        SocketBuilder::new().in_namespace(namespace)?.rtnl()
    }

    pub(crate) fn from_socket(socket: RequestSocket) -> Self {
        Self { socket }
    }

    /// See [`RequestSocket::interrupted_dumps`].
    pub(crate) fn interrupted_dumps(&self) -> u64 {
        self.socket.interrupted_dumps()
    }

    /// Sends a request, and returns the messages that the kernel sent before its acknowledgement.
    ///
    /// `flags` are added to `NLM_F_REQUEST` and `NLM_F_ACK`. The request is sent unchanged. An
    /// attribute of the reply that netlink-packet-route cannot decode is returned as bytes
    /// (`Other`).
    ///
    /// # Errors
    ///
    /// Those of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request). A query
    /// (`RTM_GET…`) whose reply does not fit the receive buffer is repeated with a larger one.
    ///
    /// # Examples
    ///
    /// Looking up the route of a packet:
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use libteam::rtnl::RtnlSocket;
    /// use libteam::rtnl::netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
    /// use libteam::rtnl::netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let mut query = RouteMessage::default();
    /// query.header.address_family = AddressFamily::Inet;
    /// query.header.destination_prefix_length = 32;
    /// let destination = RouteAddress::Inet(Ipv4Addr::LOCALHOST);
    /// query.attributes.push(RouteAttribute::Destination(destination));
    /// let reply = rtnl.request(RouteNetlinkMessage::GetRoute(query), 0)?;
    /// let [RouteNetlinkMessage::NewRoute(route)] = &reply[..] else { panic!("one route: {reply:?}") };
    /// assert!(route.attributes.contains(&RouteAttribute::Oif(1)), "the output link is lo");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_ACK`, netlink(7).
    pub fn request(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let op = format!("netlink request of type {}", request.message_type());
        let request = match request.message_type() % OPERATIONS {
            GET => Request::query(request, flags),
            _ => Request::command(request, flags),
        };
        let replies = self.socket.collect(request, |frame| packet::read_any(frame).map(Some));
        Ok(replies.with_context(|| op)?.items)
    }

    /// Requests a dump of any type, and returns all messages of the reply.
    ///
    /// The kernel checks dump requests strictly (`NETLINK_GET_STRICT_CHK`, since Linux 4.20), and
    /// rejects filters that it does not support. The methods for one type of object, e.g.
    /// [`routes`](Self::routes), also filter the reply themselves.
    ///
    /// # Errors
    ///
    /// Those of [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::RtnlSocket;
    /// use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
    /// use libteam::rtnl::netlink_packet_route::neighbour_table::NeighbourTableMessage;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let request = RouteNetlinkMessage::GetNeighbourTable(NeighbourTableMessage::default());
    /// let tables = rtnl.dump(request)?;
    /// assert!(tables.items().iter().all(|table| matches!(table, RouteNetlinkMessage::NewNeighbourTable(_))));
    /// assert!(!tables.items().is_empty());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP`, netlink(7); `NETLINK_GET_STRICT_CHK`, `linux/netlink.h`.
    pub fn dump(&mut self, request: RouteNetlinkMessage) -> Result<Dump<RouteNetlinkMessage>> {
        let op = format!("netlink request of type {}", request.message_type());
        self.socket
            .collect(Request::dump(&op, request), |frame| packet::read_any(frame).map(Some))
            .with_context(|| op)
    }
}

impl fmt::Debug for RtnlSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt_as("RtnlSocket", f)
    }
}

impl SocketBuilder {
    /// Opens an rtnetlink socket.
    ///
    /// # Errors
    ///
    /// Those of [`connection`](Self::connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use libteam::netlink::SocketBuilder;
    ///
    /// # test_netns::enter();
    /// let attempts = NonZeroU32::new(20).expect("20 is not 0");
    /// let mut rtnl = SocketBuilder::new().dump_attempts(attempts).rtnl()?;
    /// assert_eq!(rtnl.link_by_name("lo")?.ifindex().get(), 1);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NETLINK_ROUTE`, netlink(7).
    pub fn rtnl(&self) -> Result<RtnlSocket> {
        self.connect(Protocol::ROUTE, |socket| Ok(socket.enable_strict_check()))
            .map(RtnlSocket::from_socket)
    }
}

#[cfg(test)]
mod tests;
