use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::RtnlSocket;
use super::list::Question;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::packet::RTM_NEWADDR;
use crate::netlink::dump::Dump;

/// Which addresses to list; by default all.
///
/// # Examples
///
/// See [`RtnlSocket::addresses`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AddressFilter {
    link: Option<IfIndex>,
    family: Option<AddressFamily>,
}

impl AddressFilter {
    /// All addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Only those of this family: [`AddressFamily::Inet`] or [`AddressFamily::Inet6`].
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    fn request(&self) -> RouteNetlinkMessage {
        let mut message = AddressMessage::default();
        message.header.family = self.family.unwrap_or_default();
        message.header.index = self.link.map_or(0, IfIndex::get);
        RouteNetlinkMessage::GetAddress(message)
    }

    fn matches(&self, address: &AddressMessage) -> bool {
        self.link.is_none_or(|link| address.header.index == link.get())
            && self.family.is_none_or(|family| address.header.family == family)
    }
}

impl RtnlSocket {
    /// Lists the addresses of the namespace's links. The kernel filters where it can; what it sends is checked again.
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
    /// use libteam::netlink_packet_route::address::AddressAttribute;
    /// use libteam::{AddressFilter, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let addresses = rtnl.addresses(&AddressFilter::new().link(lo).family(AddressFamily::Inet))?;
    /// let [loopback] = addresses.items() else { panic!("one address: {addresses:?}") };
    /// assert_eq!(loopback.header.prefix_len, 8);
    /// assert!(loopback.attributes.contains(&AddressAttribute::Local([127, 0, 0, 1].into())));
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
    /// `RTM_GETADDR`, rtnetlink(7).
    #[doc(alias = "RTM_GETADDR")]
    pub fn addresses(&mut self, filter: &AddressFilter) -> Result<Dump<AddressMessage>> {
        let op = "listing the addresses";
        let question = Question { op, request: filter.request(), answer: RTM_NEWADDR };
        let answer = self.list(question, |address, _| filter.matches(address));
        self.name_missing(answer, op, filter.link)
    }
}
