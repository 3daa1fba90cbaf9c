use netlink_packet_core::NLM_F_DUMP_FILTERED;
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::packet::RTM_NEWROUTE;
use crate::netlink::dump::Dump;
use crate::netlink::error::Failure;

/// Which routes to list; by default those of all families and tables.
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
    /// All routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this table: 254 is the main one, 255 the local one.
    pub fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    /// Only those of this family: [`AddressFamily::Inet`] or [`AddressFamily::Inet6`].
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Only those that lead out by this link, be it by one of several next hops.
    pub fn out_link(mut self, link: IfIndex) -> Self {
        self.out_link = Some(link);
        self
    }

    /// Only those that this protocol made: [`RouteProtocol::Kernel`], [`RouteProtocol::Static`] and so on.
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
        // A kernel that checks no request strictly lists what it merely remembers of routes too.
        !route.header.flags.contains(RouteFlags::Cloned)
            && self.family.is_none_or(|family| route.header.address_family == family)
            && self.protocol.is_none_or(|protocol| route.header.protocol == protocol)
            && self.table.is_none_or(|table| table_of(route) == table)
            && self.out_link.is_none_or(|link| uses_out_link(route, link).unwrap_or(frame.has(NLM_F_DUMP_FILTERED)))
    }
}

/// The route's table: the header has room for the first 255 only.
fn table_of(route: &RouteMessage) -> u32 {
    let long = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    long.unwrap_or(route.header.table.into())
}

/// Whether the route leads out by a link; `None` for one that names but the number of a next hop, which the kernel can
/// be told to do (`net.ipv4.nexthop_compat_mode`).
fn uses_out_link(route: &RouteMessage, link: IfIndex) -> Option<bool> {
    let mut answer = Some(false);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(out) => return Some(*out == link.get()),
            RouteAttribute::MultiPath(hops) => return Some(hops.iter().any(|hop| hop.interface_index == link.get())),
            RouteAttribute::NhId(_) => answer = None,
            _ => {}
        }
    }
    answer
}

impl RtnlSocket {
    /// Lists the routes of the namespace. The kernel filters where it can; what it sends is checked again. What the
    /// kernel has learned about a path and only remembers for a while (`RTM_F_CLONED`) is no route here.
    ///
    /// A table that does not exist has no routes: that is no error. The kernel makes tables when a route needs one, and
    /// removes none. Of a family that it does not know it either answers with an error or has no routes.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the filter's link does not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the others of
    ///   [`NetlinkConnection::dump`](crate::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink_packet_route::AddressFamily;
    /// use libteam::netlink_packet_route::route::RouteType;
    /// use libteam::{RouteFilter, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let local = rtnl.routes(&RouteFilter::new().family(AddressFamily::Inet).table(255))?;
    /// assert!(local.items().iter().any(|route| route.header.kind == RouteType::Local));
    /// assert!(rtnl.routes(&RouteFilter::new().table(4711))?.items().is_empty());
    /// # fn enter_namespace() {
    /// #     nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    /// #     let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    /// #     assert!(up.expect("iproute2").success());
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETROUTE`, rtnetlink(7).
    #[doc(alias = "RTM_GETROUTE")]
    pub fn routes(&mut self, filter: &RouteFilter) -> Result<Dump<RouteMessage>> {
        let op = "listing the routes";
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWROUTE };
        let answer = match self.list(request, |route, frame| filter.matches(route, frame)) {
            Err(failure) if filter.table.is_some() && is_no_table(&failure) => Ok(Dump::empty()),
            answer => answer,
        };
        self.check_links_exist(answer, op, filter.out_link)
    }
}

/// Whether the kernel says that there is no such table.
fn is_no_table(failure: &Failure) -> bool {
    failure.is(Errno::ENOENT)
}
