//! Routes: their values, and listing them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLM_F_DUMP_FILTERED;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteProtocol,
    RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::packet::RTM_NEWROUTE;
use crate::netlink::dump::Dump;

/// A route of a routing table.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::netlink_packet_route::AddressFamily;
/// use libteam::rtnl::netlink_packet_route::route::RouteProtocol;
/// use libteam::rtnl::{RouteFilter, RtnlSocket};
///
/// # test_netns::enter();
/// # test_netns::run("ip link add d0 type dummy");
/// # test_netns::run("ip addr add 192.0.2.1/24 dev d0");
/// # test_netns::run("ip link set d0 up");
/// # test_netns::run("ip route add default via 192.0.2.2");
/// let mut rtnl = RtnlSocket::new()?;
/// let routes = rtnl.routes(&RouteFilter::new().family(AddressFamily::Inet).table(254))?;
/// let default = routes.items().iter().find(|route| route.is_default()).expect("a default route");
/// assert_eq!(default.gateway(), Some("192.0.2.2".parse()?));
/// assert_eq!(default.out_link(), Some(rtnl.link_by_name("d0")?.ifindex()));
/// assert_eq!((default.table(), default.protocol()), (254, RouteProtocol::Boot));
///
/// let connected = routes.items().iter().find(|route| !route.is_default()).expect("the route of the address");
/// assert_eq!((connected.destination(), connected.prefix_len()), (Some("192.0.2.0".parse()?), 24));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `RTM_NEWROUTE` with `struct rtmsg`, rtnetlink(7), and its attributes, `linux/rtnetlink.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    message: RouteMessage,
}

impl Route {
    /// Returns the address family.
    #[must_use]
    pub fn family(&self) -> AddressFamily {
        self.message.header.address_family
    }

    /// Returns the address of the destination network or host.
    ///
    /// It is the unspecified address for a default route.
    ///
    /// `None` for a route of a family other than IPv4 and IPv6, e.g. an MPLS label.
    #[doc(alias = "RTA_DST")]
    #[must_use]
    pub fn destination(&self) -> Option<IpAddr> {
        let unspecified = match self.family() {
            AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        let destination = self.find(|attribute| match attribute {
            RouteAttribute::Destination(destination) => Some(ip_of(destination)),
            _ => None,
        });
        destination.unwrap_or(Some(unspecified))
    }

    /// Returns the length of the destination's prefix in bits, 0 for a default route.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.message.header.destination_prefix_length
    }

    /// Returns whether this is a default route, which matches every address of the family.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.prefix_len() == 0 && self.destination().is_some()
    }

    /// Returns the gateway, or `None` for a directly connected destination.
    ///
    /// `None` also for a route with several [next hops](Self::next_hops). The gateway of an IPv4
    /// route may be an IPv6 address.
    #[doc(alias = "RTA_GATEWAY")]
    #[doc(alias = "RTA_VIA")]
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        gateway_of(&self.message.attributes)
    }

    /// Returns the index of the output link.
    ///
    /// `None` for a route with several [next hops](Self::next_hops), and for a route without a
    /// link, e.g. an unreachable route.
    #[doc(alias = "RTA_OIF")]
    #[must_use]
    pub fn out_link(&self) -> Option<IfIndex> {
        self.find(|attribute| match attribute {
            RouteAttribute::Oif(link) => IfIndex::new(*link),
            _ => None,
        })
    }

    /// Returns the next hops of a multipath route; none for any other route.
    #[doc(alias = "RTA_MULTIPATH")]
    pub fn next_hops(&self) -> impl Iterator<Item = NextHop> {
        multipath(&self.message).iter().map(|hop| NextHop {
            out_link: IfIndex::new(hop.interface_index),
            gateway: gateway_of(&hop.attributes),
            weight: u16::from(hop.hops) + 1,
        })
    }

    /// Returns the number of the routing table: 254 is `main`, 255 is `local`.
    #[doc(alias = "RTA_TABLE")]
    #[must_use]
    pub fn table(&self) -> u32 {
        table_of(&self.message)
    }

    /// Returns the origin of the route, e.g. [`RouteProtocol::Kernel`].
    #[must_use]
    pub fn protocol(&self) -> RouteProtocol {
        self.message.header.protocol
    }

    /// Returns the type, e.g. `Unicast`, `Local` or `Unreachable`.
    #[must_use]
    pub fn kind(&self) -> RouteType {
        self.message.header.kind
    }

    /// Returns the distance to the destination.
    #[must_use]
    pub fn scope(&self) -> RouteScope {
        self.message.header.scope
    }

    /// Returns the metric, 0 if the message has none.
    ///
    /// The kernel prefers the route to a destination that has the lowest metric.
    #[doc(alias = "RTA_PRIORITY")]
    #[must_use]
    pub fn metric(&self) -> u32 {
        let metric = self.find(|attribute| match attribute {
            RouteAttribute::Priority(metric) => Some(*metric),
            _ => None,
        });
        metric.unwrap_or_default()
    }

    /// Returns the source address that the kernel prefers for packets to the destination.
    #[doc(alias = "RTA_PREFSRC")]
    #[must_use]
    pub fn preferred_source(&self) -> Option<IpAddr> {
        self.find(|attribute| match attribute {
            RouteAttribute::PrefSource(source) => ip_of(source),
            _ => None,
        })
    }

    /// Returns the whole message.
    #[must_use]
    pub fn message(&self) -> &RouteMessage {
        &self.message
    }

    fn find<T>(&self, find: impl Fn(&RouteAttribute) -> Option<T>) -> Option<T> {
        self.message.attributes.iter().find_map(find)
    }
}

/// Converts a message that the program received by other means.
impl From<RouteMessage> for Route {
    fn from(message: RouteMessage) -> Self {
        Self { message }
    }
}

/// A next hop of a multipath route.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{RouteFilter, RtnlSocket};
///
/// # test_netns::enter();
/// # test_netns::run("ip link add d0 type dummy");
/// # test_netns::run("ip addr add 192.0.2.1/24 dev d0");
/// # test_netns::run("ip link set d0 up");
/// # let hops = "nexthop via 192.0.2.2 nexthop via 192.0.2.3";
/// # test_netns::run(&format!("ip route add 198.51.100.0/24 {hops}"));
/// let mut rtnl = RtnlSocket::new()?;
/// let routes = rtnl.routes(&RouteFilter::new().table(254))?;
/// let multipath = routes.items().iter().find(|route| route.next_hops().count() == 2);
/// let multipath = multipath.expect("the route was added");
/// let gateways: Vec<_> = multipath.next_hops().filter_map(|hop| hop.gateway()).collect();
/// assert_eq!(gateways, ["192.0.2.2".parse::<std::net::IpAddr>()?, "192.0.2.3".parse()?]);
/// assert!(multipath.next_hops().all(|hop| hop.weight() == 1 && hop.out_link().is_some()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `struct rtnexthop` in `RTA_MULTIPATH`, `linux/rtnetlink.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    out_link: Option<IfIndex>,
    gateway: Option<IpAddr>,
    weight: u16,
}

impl NextHop {
    /// Returns the index of the output link.
    #[must_use]
    pub fn out_link(&self) -> Option<IfIndex> {
        self.out_link
    }

    /// Returns the gateway, or `None` for a directly connected destination.
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Returns the weight, 1 to 256: the share of the packets that take this next hop.
    #[must_use]
    pub fn weight(&self) -> u16 {
        self.weight
    }
}

/// A filter for the routes that [`RtnlSocket::routes`] lists; by default, all of them.
///
/// # Examples
///
/// See [`RtnlSocket::routes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RouteFilter {
    table: Option<u32>,
    family: Option<AddressFamily>,
    out_link: Option<IfIndex>,
    protocol: Option<RouteProtocol>,
}

impl RouteFilter {
    /// Selects all routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the routes of this table: 254 is `main`, 255 is `local`.
    pub fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    /// Selects the routes of this family: [`AddressFamily::Inet`] or [`AddressFamily::Inet6`].
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Selects the routes with this output link, including multipath routes with such a next hop.
    pub fn out_link(mut self, link: IfIndex) -> Self {
        self.out_link = Some(link);
        self
    }

    /// Selects the routes of this protocol, e.g. [`RouteProtocol::Static`].
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    fn request(&self) -> RouteNetlinkMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = self.family.unwrap_or_default();
        message.header.protocol = self.protocol.unwrap_or_default();
        message.attributes.extend(self.table.map(RouteAttribute::Table));
        message.attributes.extend(self.out_link.map(|link| RouteAttribute::Oif(link.get())));
        RouteNetlinkMessage::GetRoute(message)
    }

    fn matches(&self, route: &RouteMessage, frame: Frame<'_>) -> bool {
        // A kernel without strict checking lists the routes of its cache too.
        !route.header.flags.contains(RouteFlags::Cloned)
            && self.family.is_none_or(|family| route.header.address_family == family)
            && self.protocol.is_none_or(|protocol| route.header.protocol == protocol)
            && self.table.is_none_or(|table| table_of(route) == table)
            && self.out_link.is_none_or(|link| {
                uses_out_link(route, link).unwrap_or(frame.has(NLM_F_DUMP_FILTERED))
            })
    }
}

/// Returns the table of a route; the header holds only numbers up to 255.
fn table_of(route: &RouteMessage) -> u32 {
    let attribute = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    attribute.unwrap_or(route.header.table.into())
}

/// Returns whether a link is an output link of the route.
///
/// `None` for a route that has only the ID of a next-hop object, which is what the kernel sends if
/// `net.ipv4.nexthop_compat_mode` is 0.
fn uses_out_link(route: &RouteMessage, link: IfIndex) -> Option<bool> {
    let mut result = Some(false);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(out) => return Some(*out == link.get()),
            RouteAttribute::MultiPath(hops) => {
                return Some(hops.iter().any(|hop| hop.interface_index == link.get()));
            }
            RouteAttribute::NhId(_) => result = None,
            _ => {}
        }
    }
    result
}

fn multipath(route: &RouteMessage) -> &[RouteNextHop] {
    let hops = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops.as_slice()),
        _ => None,
    });
    hops.unwrap_or_default()
}

fn gateway_of(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(gateway) => ip_of(gateway),
        RouteAttribute::Via(RouteVia::Inet(gateway)) => Some((*gateway).into()),
        RouteAttribute::Via(RouteVia::Inet6(gateway)) => Some((*gateway).into()),
        _ => None,
    })
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

impl RtnlSocket {
    /// Lists the routes of the namespace.
    ///
    /// Sends one dump request. The kernel filters as far as it can, and the method filters the
    /// rest. Cached routes (`RTM_F_CLONED`), in which the kernel remembers e.g. the MTU of a path
    /// for some time, are left out.
    ///
    /// For a table that does not exist, the result is empty: the kernel creates a table with its
    /// first route. For a family that the kernel does not support, the result is an error or empty.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the filter's link does not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::AddressFamily;
    /// use libteam::rtnl::netlink_packet_route::route::RouteType;
    /// use libteam::rtnl::{RouteFilter, RtnlSocket};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let local = rtnl.routes(&RouteFilter::new().family(AddressFamily::Inet).table(255))?;
    /// assert!(local.items().iter().any(|route| route.kind() == RouteType::Local));
    /// assert!(rtnl.routes(&RouteFilter::new().table(4711))?.items().is_empty());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETROUTE`, rtnetlink(7).
    #[doc(alias = "RTM_GETROUTE")]
    pub fn routes(&mut self, filter: &RouteFilter) -> Result<Dump<Route>> {
        let op = "listing the routes";
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWROUTE };
        let reply = match self.list(request, |route, frame| filter.matches(route, frame)) {
            // The kernel's error for a table that does not exist.
            Err(error) if filter.table.is_some() && error.is(Errno::ENOENT) => Ok(Dump::empty()),
            reply => reply.map(|routes| routes.map(Route::from)),
        };
        self.check_links_exist(reply, op, filter.out_link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(family: AddressFamily, prefix_len: u8, attributes: Vec<RouteAttribute>) -> Route {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.destination_prefix_length = prefix_len;
        message.attributes = attributes;
        message.into()
    }

    fn ip(ip: &str) -> IpAddr {
        ip.parse().unwrap()
    }

    #[test]
    fn default_route_has_unspecified_destination() {
        for (family, any) in [(AddressFamily::Inet, "0.0.0.0"), (AddressFamily::Inet6, "::")] {
            let route = route(family, 0, vec![]);
            assert_eq!(
                (route.destination(), route.prefix_len(), route.is_default()),
                (Some(ip(any)), 0, true)
            );
        }
        let network = RouteAttribute::Destination(RouteAddress::from(ip("192.0.2.0")));
        let network = route(AddressFamily::Inet, 24, vec![network]);
        assert_eq!((network.destination(), network.is_default()), (Some(ip("192.0.2.0")), false));
    }

    #[test]
    fn route_of_other_family_has_no_destination() {
        let label = RouteAttribute::Destination(RouteAddress::Other(vec![0; 4]));
        for attributes in [vec![], vec![label]] {
            let route = route(AddressFamily::Mpls, 0, attributes);
            assert_eq!((route.destination(), route.is_default()), (None, false));
        }
    }

    #[test]
    fn gateway_may_be_of_the_other_family() {
        let via = RouteAttribute::Via(RouteVia::Inet6("2001:db8::9".parse().unwrap()));
        assert_eq!(route(AddressFamily::Inet, 24, vec![via]).gateway(), Some(ip("2001:db8::9")));
        let gateway = RouteAttribute::Gateway(RouteAddress::from(ip("192.0.2.1")));
        assert_eq!(route(AddressFamily::Inet, 24, vec![gateway]).gateway(), Some(ip("192.0.2.1")));
        assert_eq!(route(AddressFamily::Inet, 24, vec![]).gateway(), None);
    }

    #[test]
    fn table_attribute_is_preferred_to_the_header() {
        let mut message = route(AddressFamily::Inet, 0, vec![]).message().clone();
        message.header.table = 252;
        assert_eq!(Route::from(message.clone()).table(), 252);
        message.attributes.push(RouteAttribute::Table(1000));
        assert_eq!(Route::from(message).table(), 1000);
    }

    #[test]
    fn next_hops_have_weights_from_1_to_256() {
        let hop = |link, hops| {
            let mut hop = RouteNextHop::default();
            (hop.interface_index, hop.hops) = (link, hops);
            hop
        };
        let hops = RouteAttribute::MultiPath(vec![hop(3, 0), hop(0, 255)]);
        let route = route(AddressFamily::Inet, 24, vec![hops]);
        let hops: Vec<_> =
            route.next_hops().map(|hop| (hop.out_link(), hop.gateway(), hop.weight())).collect();
        assert_eq!(hops, [(IfIndex::new(3), None, 1), (None, None, 256)]);
        assert_eq!((route.out_link(), route.gateway()), (None, None));
    }
}
