//! Neighbours: their values, and listing them.

use std::collections::HashSet;
use std::net::IpAddr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::dump::DumpRequest;
use super::{LinkFilter, RtnlSocket};
use crate::error::Result;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::packet::RTM_NEWNEIGH;
use crate::netlink::dump::Dump;

/// An entry of a neighbour table: the hardware address of a network address on a link.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::netlink_packet_route::neighbour::NeighbourState;
/// use libteam::rtnl::{NeighbourFilter, RtnlSocket};
///
/// # test_netns::enter();
/// # test_netns::run("ip link add d0 up type dummy");
/// # test_netns::run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent");
/// let mut rtnl = RtnlSocket::new()?;
/// let neighbours = rtnl.neighbours(&NeighbourFilter::new())?;
/// let address = Some("192.0.2.9".parse()?);
/// let neighbour = neighbours.items().iter().find(|it| it.destination() == address);
/// let neighbour = neighbour.expect("the entry was added");
/// assert_eq!(neighbour.hwaddr(), Some("02:00:00:00:00:09".parse()?));
/// assert_eq!(neighbour.ifindex(), Some(rtnl.link_by_name("d0")?.ifindex()));
/// assert_eq!(neighbour.state(), NeighbourState::Permanent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `RTM_NEWNEIGH` with `struct ndmsg`, rtnetlink(7), and its attributes, `linux/neighbour.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    message: NeighbourMessage,
}

impl Neighbour {
    /// Returns the address family.
    ///
    /// It is [`AddressFamily::Bridge`] for an entry of a bridge's forwarding table.
    #[must_use]
    pub fn family(&self) -> AddressFamily {
        self.message.header.family
    }

    /// Returns the index of the link, or `None` for a proxy entry that is valid on all links.
    #[must_use]
    pub fn ifindex(&self) -> Option<IfIndex> {
        IfIndex::new(self.message.header.ifindex)
    }

    /// Returns the network address of the neighbour.
    ///
    /// `None` for an entry of a bridge's forwarding table. For an entry of a VXLAN link, it is the
    /// address of the remote end. For IPv4 on a loopback or point-to-point link, the kernel has a
    /// single entry, with the address 0.0.0.0.
    #[doc(alias = "NDA_DST")]
    #[must_use]
    pub fn destination(&self) -> Option<IpAddr> {
        self.find(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some((*ip).into()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some((*ip).into()),
            // netlink-packet-route decodes the addresses of IP neighbours only.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => ip_of(bytes),
            _ => None,
        })
    }

    /// Returns the hardware address, or `None` while it is not resolved.
    #[doc(alias = "NDA_LLADDR")]
    #[must_use]
    pub fn hwaddr(&self) -> Option<HwAddr> {
        self.find(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) if !bytes.is_empty() => HwAddr::new(bytes),
            _ => None,
        })
    }

    /// Returns the state of the entry, e.g. `Reachable` or `Permanent`.
    #[doc(alias = "NUD")]
    #[must_use]
    pub fn state(&self) -> NeighbourState {
        self.message.header.state
    }

    /// Returns the flags, e.g. whether the neighbour is a router.
    #[must_use]
    pub fn flags(&self) -> NeighbourFlags {
        self.message.header.flags
    }

    /// Returns whether this is a proxy entry: an address for which this machine replies.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.flags().contains(NeighbourFlags::Proxy)
    }

    /// Returns the master of the link, which entries of a bridge's forwarding table have.
    #[doc(alias = "NDA_MASTER")]
    #[must_use]
    pub fn master(&self) -> Option<IfIndex> {
        self.find(|attribute| match attribute {
            NeighbourAttribute::Controller(master) => IfIndex::new(*master),
            _ => None,
        })
    }

    /// Returns the VLAN of an entry of a bridge's forwarding table.
    #[doc(alias = "NDA_VLAN")]
    #[must_use]
    pub fn vlan(&self) -> Option<u16> {
        self.find(|attribute| match attribute {
            NeighbourAttribute::Vlan(vlan) => Some(*vlan),
            _ => None,
        })
    }

    /// Returns the whole message.
    #[must_use]
    pub fn message(&self) -> &NeighbourMessage {
        &self.message
    }

    fn find<T>(&self, find: impl Fn(&NeighbourAttribute) -> Option<T>) -> Option<T> {
        self.message.attributes.iter().find_map(find)
    }
}

/// Converts a message that the program received by other means.
impl From<NeighbourMessage> for Neighbour {
    fn from(message: NeighbourMessage) -> Self {
        Self { message }
    }
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A filter for the neighbours that [`RtnlSocket::neighbours`] lists.
///
/// By default, it selects those of all links, without proxy entries and without the forwarding
/// tables of bridges.
///
/// # Examples
///
/// See [`RtnlSocket::neighbours`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct NeighbourFilter {
    link: Option<IfIndex>,
    master: Option<IfIndex>,
    family: Option<AddressFamily>,
    proxies: bool,
}

impl NeighbourFilter {
    /// Selects all neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the neighbours of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Selects the neighbours of the ports of this master.
    ///
    /// With [`AddressFamily::Bridge`], it also selects those of the master itself.
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Some(master);
        self
    }

    /// Selects the neighbours of this family.
    ///
    /// It is [`AddressFamily::Inet`], [`AddressFamily::Inet6`], or [`AddressFamily::Bridge`] for
    /// the forwarding tables of bridges and similar links.
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Selects proxy entries, the addresses for which this machine replies, instead of neighbours.
    pub fn proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    fn request(&self) -> RouteNetlinkMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = self.family.unwrap_or_default();
        if self.proxies {
            message.header.flags = NeighbourFlags::Proxy;
        }
        message.attributes.extend(self.link.map(|link| NeighbourAttribute::IfIndex(link.get())));
        message
            .attributes
            .extend(self.master.map(|master| NeighbourAttribute::Controller(master.get())));
        RouteNetlinkMessage::GetNeighbour(message)
    }

    /// Returns whether the filter selects a neighbour; `ports` are those of the filter's master.
    fn matches(&self, neighbour: &NeighbourMessage, ports: &HashSet<u32>) -> bool {
        let header = &neighbour.header;
        header.flags.contains(NeighbourFlags::Proxy) == self.proxies
            && self.link.is_none_or(|link| header.ifindex == link.get())
            && self.family.is_none_or(|family| header.family == family)
            && self.master.is_none_or(|_| ports.contains(&header.ifindex))
    }
}

impl RtnlSocket {
    /// Lists the neighbours: network addresses with their hardware addresses.
    ///
    /// Sends one dump request. The kernel filters as far as it can, and the method filters the
    /// rest. A filter by master takes a second request, for the ports of the master, because the
    /// message of a neighbour does not contain the master. The result is then consistent only if
    /// both dumps are.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the filter's link or master does
    ///   not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::AddressFamily;
    /// use libteam::rtnl::{NeighbourFilter, RtnlSocket};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link add d0 up type dummy");
    /// # test_netns::run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let d0 = rtnl.link_by_name("d0")?.ifindex();
    /// let neighbours = rtnl.neighbours(&NeighbourFilter::new().link(d0).family(AddressFamily::Inet))?;
    /// let [neighbour] = neighbours.items() else { panic!("one neighbour: {neighbours:?}") };
    /// assert_eq!(neighbour.destination(), Some([192, 0, 2, 9].into()));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETNEIGH`, rtnetlink(7).
    #[doc(alias = "RTM_GETNEIGH")]
    pub fn neighbours(&mut self, filter: &NeighbourFilter) -> Result<Dump<Neighbour>> {
        let op = "listing the neighbours";
        let ports = filter
            .master
            .map(|master| self.links(&LinkFilter::new().master(master)))
            .transpose()?;
        let mut port_numbers: HashSet<u32> =
            ports.iter().flat_map(Dump::items).map(|port| port.ifindex().get()).collect();
        if filter.family == Some(AddressFamily::Bridge) {
            port_numbers.extend(filter.master.map(IfIndex::get));
        }
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWNEIGH };
        let mut reply = self.list(request, |neighbour, _| filter.matches(neighbour, &port_numbers));
        if let (Ok(neighbours), Some(ports)) = (&mut reply, &ports) {
            neighbours.merge_status(ports);
        }
        let reply = reply.map(|neighbours| neighbours.map(Neighbour::from));
        self.check_links_exist(reply, op, filter.link.into_iter().chain(filter.master))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(link: u32, attributes: Vec<NeighbourAttribute>) -> Neighbour {
        let mut message = NeighbourMessage::default();
        (message.header.ifindex, message.attributes) = (link, attributes);
        message.into()
    }

    #[test]
    fn accessors_read_their_attributes() {
        let full = neighbour(
            3,
            vec![
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(
                    "2001:db8::1".parse().unwrap(),
                )),
                NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]),
                NeighbourAttribute::Controller(7),
                NeighbourAttribute::Vlan(5),
            ],
        );
        assert_eq!(full.destination(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(
            (full.ifindex(), full.hwaddr()),
            (IfIndex::new(3), HwAddr::new(&[2, 0, 0, 0, 0, 9]))
        );
        assert_eq!(
            (full.master(), full.vlan(), full.is_proxy()),
            (IfIndex::new(7), Some(5), false)
        );
        let empty = neighbour(0, vec![]);
        assert_eq!((empty.ifindex(), empty.destination(), empty.hwaddr()), (None, None, None));
        assert_eq!((empty.master(), empty.vlan()), (None, None));
    }

    #[test]
    fn destination_of_bridge_entry_is_decoded_by_length() {
        let with = |bytes: &[u8]| {
            neighbour(
                3,
                vec![NeighbourAttribute::Destination(NeighbourAddress::Other(bytes.to_vec()))],
            )
            .destination()
        };
        assert_eq!(with(&[192, 0, 2, 7]), Some([192, 0, 2, 7].into()));
        assert_eq!(with(&[0; 16]), Some("::".parse().unwrap()));
        assert_eq!((with(&[]), with(&[1; 5])), (None, None));
    }

    #[test]
    fn invalid_hardware_address_is_none() {
        for bytes in [vec![], vec![1; 33]] {
            assert_eq!(
                neighbour(3, vec![NeighbourAttribute::LinkLayerAddress(bytes)]).hwaddr(),
                None
            );
        }
    }
}
