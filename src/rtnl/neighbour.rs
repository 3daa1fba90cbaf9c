use std::collections::HashSet;

use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::LinkFilter;
use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::packet::RTM_NEWNEIGH;
use crate::netlink::dump::Dump;

/// Which neighbours to list; by default those of all links, but neither proxy entries nor those of bridges.
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
    /// All neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Only those of links that are ports of this master; of a bridge's family its own too.
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Some(master);
        self
    }

    /// Only those of this family: [`AddressFamily::Inet`], [`AddressFamily::Inet6`], or [`AddressFamily::Bridge`] for
    /// the hardware addresses that bridges and their like forward to.
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Proxy entries instead: the addresses that this machine answers for.
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
        message.attributes.extend(self.master.map(|master| NeighbourAttribute::Controller(master.get())));
        RouteNetlinkMessage::GetNeighbour(message)
    }

    /// `ports` are those of the filter's master.
    fn matches(&self, neighbour: &NeighbourMessage, ports: &HashSet<u32>) -> bool {
        let header = &neighbour.header;
        header.flags.contains(NeighbourFlags::Proxy) == self.proxies
            && self.link.is_none_or(|link| header.ifindex == link.get())
            && self.family.is_none_or(|family| header.family == family)
            && self.master.is_none_or(|_| ports.contains(&header.ifindex))
    }
}

impl RtnlSocket {
    /// Lists the neighbours: which hardware address stands for which network address. The kernel filters where it can;
    /// what it sends is checked again.
    ///
    /// A neighbour does not tell its link's master. With a filter by master the master's ports are asked for first; the
    /// result is consistent only if both answers are.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the filter's link or master does not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the others of
    ///   [`NetlinkConnection::dump`](crate::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink_packet_route::AddressFamily;
    /// use libteam::netlink_packet_route::neighbour::NeighbourState;
    /// use libteam::{NeighbourFilter, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let neighbours = rtnl.neighbours(&NeighbourFilter::new().link(lo).family(AddressFamily::Inet))?;
    /// let [neighbour] = neighbours.items() else { panic!("one: {neighbours:?}") };
    /// assert_eq!(neighbour.header.state, NeighbourState::Permanent);
    /// # fn enter_namespace() {
    /// #     nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    /// #     let commands = [
    /// #         "link set lo up",
    /// #         "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev lo nud permanent",
    /// #     ];
    /// #     for words in commands {
    /// #         let status = std::process::Command::new("ip").args(words.split(' ')).status();
    /// #         assert!(status.expect("iproute2").success());
    /// #     }
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETNEIGH`, rtnetlink(7).
    #[doc(alias = "RTM_GETNEIGH")]
    pub fn neighbours(&mut self, filter: &NeighbourFilter) -> Result<Dump<NeighbourMessage>> {
        let op = "listing the neighbours";
        let ports = filter.master.map(|master| self.links(&LinkFilter::new().master(master))).transpose()?;
        let mut port_numbers: HashSet<u32> =
            ports.iter().flat_map(Dump::items).map(|port| port.ifindex().get()).collect();
        if filter.family == Some(AddressFamily::Bridge) {
            port_numbers.extend(filter.master.map(IfIndex::get));
        }
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWNEIGH };
        let mut answer = self.list(request, |neighbour, _| filter.matches(neighbour, &port_numbers));
        if let (Ok(neighbours), Some(ports)) = (&mut answer, &ports) {
            neighbours.merge_status(ports);
        }
        self.check_links_exist(answer, op, filter.link.into_iter().chain(filter.master))
    }
}
