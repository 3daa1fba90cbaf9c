//! IPv4 and IPv6 addresses of links: their values, listing them, adding and deleting them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Nla};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::{DecodeError, Error, Result};
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::attribute::Attribute;
use crate::netlink::codec::packet::RTM_NEWADDR;
use crate::netlink::dump::Dump;
use crate::netlink::error::{ErrorContext, RequestError};

const IFA_LABEL: u16 = 3;

/// An IPv4 or IPv6 address of a link.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{AddressFilter, NewLink, RtnlSocket};
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
/// rtnl.add_address(dummy, "192.0.2.1".parse()?, 24)?;
///
/// let addresses = rtnl.addresses(&AddressFilter::new().link(dummy))?;
/// let [address] = addresses.items() else { panic!("one address: {addresses:?}") };
/// assert_eq!(address.to_string(), "192.0.2.1/24");
/// assert_eq!((address.ifindex(), address.peer()), (dummy, None));
/// assert_eq!(address.label().as_deref(), Some("d0"), "by default an IPv4 address is labelled with the name of its link");
/// assert_eq!(address.valid_lifetime(), None, "the address does not expire");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `RTM_NEWADDR` with `struct ifaddrmsg`, rtnetlink(7), and its attributes, `linux/if_addr.h`.
/// `IFA_LOCAL` is the link's own address, and a different `IFA_ADDRESS` is that of the peer.
/// Without `IFA_LOCAL`, which IPv6 omits, `IFA_ADDRESS` is the link's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    ifindex: IfIndex,
    ip: IpAddr,
    peer: Option<IpAddr>,
    message: AddressMessage,
}

impl Address {
    /// Returns the index of the link that has the address.
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// Returns the link's own address.
    ///
    /// On a point-to-point link, [`peer`](Self::peer) returns the address of the other end.
    #[doc(alias = "IFA_LOCAL")]
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Returns the address of the other end of a point-to-point link.
    ///
    /// `None` if there is none, or if it equals the link's own address.
    #[doc(alias = "IFA_ADDRESS")]
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Returns the length of the network prefix in bits.
    ///
    /// With a [`peer`](Self::peer), the prefix belongs to the peer's address.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.message.header.prefix_len
    }

    /// Returns the scope in which the address is valid.
    #[must_use]
    pub fn scope(&self) -> AddressScope {
        self.message.header.scope
    }

    /// Returns the flags of the address.
    ///
    /// Examples are `Tentative` while duplicate address detection is in progress, and `Dadfailed`
    /// if it has failed.
    #[doc(alias = "IFA_FLAGS")]
    #[must_use]
    pub fn flags(&self) -> AddressFlags {
        // The header has room for the first 8 flags only.
        let first = AddressFlags::from_bits_retain(self.message.header.flags.bits().into());
        self.find(|attribute| match attribute {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        })
        .unwrap_or(first)
    }

    /// Returns the label of an IPv4 address, by default the name of the link.
    ///
    /// `None` for IPv6 addresses. U+FFFD replaces bytes that are not UTF-8.
    #[doc(alias = "IFA_LABEL")]
    #[must_use]
    pub fn label(&self) -> Option<Cow<'_, str>> {
        self.find(|attribute| match attribute {
            AddressAttribute::Label(label) => Some(label.into()),
            // netlink-packet-route decodes valid UTF-8 only.
            AddressAttribute::Other(other) if other.kind() == IFA_LABEL => {
                let mut value = vec![0; other.value_len()];
                other.emit_value(&mut value);
                let label = Attribute { kind: IFA_LABEL, value: &value };
                Some(label.text().into_owned().into())
            }
            _ => None,
        })
    }

    /// Returns the broadcast address of an IPv4 network.
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        self.find(|attribute| match attribute {
            AddressAttribute::Broadcast(broadcast) => Some(*broadcast),
            _ => None,
        })
    }

    /// Returns how long the address remained valid when the kernel sent the message.
    ///
    /// `None` for an address that does not expire.
    #[must_use]
    pub fn valid_lifetime(&self) -> Option<Duration> {
        self.lifetime(|info| info.ifa_valid)
    }

    /// Returns how long the address remained preferred for new connections.
    ///
    /// The time counts from the kernel's message. `None` for an address that does not expire, zero
    /// for a deprecated address.
    #[must_use]
    pub fn preferred_lifetime(&self) -> Option<Duration> {
        self.lifetime(|info| info.ifa_preferred)
    }

    /// Returns the whole message.
    #[must_use]
    pub fn message(&self) -> &AddressMessage {
        &self.message
    }

    fn lifetime(&self, seconds: impl Fn(&CacheInfo) -> u32) -> Option<Duration> {
        let seconds = self.find(|attribute| match attribute {
            AddressAttribute::CacheInfo(info) => Some(seconds(info)),
            _ => None,
        })?;
        // The kernel's `INFINITY_LIFE_TIME`.
        (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
    }

    fn find<'a, T>(&'a self, find: impl Fn(&'a AddressAttribute) -> Option<T>) -> Option<T> {
        self.message.attributes.iter().find_map(find)
    }
}

/// Converts a message that the program received by other means.
impl TryFrom<AddressMessage> for Address {
    type Error = DecodeError;

    fn try_from(message: AddressMessage) -> Result<Self, DecodeError> {
        let find = |find: fn(&AddressAttribute) -> Option<IpAddr>| {
            message.attributes.iter().find_map(find)
        };
        let local = find(|attribute| match attribute {
            AddressAttribute::Local(ip) => Some(*ip),
            _ => None,
        });
        let address = find(|attribute| match attribute {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        });
        let ifindex = IfIndex::new(message.header.index)
            .ok_or(DecodeError::new("the interface index of an address is out of range"))?;
        let ip =
            local.or(address).ok_or(DecodeError::new("an address message has no IP address"))?;
        Ok(Self { ifindex, ip, peer: address.filter(|address| *address != ip), message })
    }
}

/// Prints the address like `ip address`: `192.0.2.1/24`, or `192.0.2.1 peer 192.0.2.2/32`.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ip, prefix_len) = (self.ip, self.prefix_len());
        match self.peer {
            Some(peer) => write!(f, "{ip} peer {peer}/{prefix_len}"),
            None => write!(f, "{ip}/{prefix_len}"),
        }
    }
}

/// A filter for the addresses that [`RtnlSocket::addresses`] lists; by default, all of them.
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
    /// Selects all addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the addresses of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Selects the addresses of this family: [`AddressFamily::Inet`] or [`AddressFamily::Inet6`].
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
        // For all families, the kernel also sends the addresses of protocols other than IP.
        matches!(address.header.family, AddressFamily::Inet | AddressFamily::Inet6)
            && self.link.is_none_or(|link| address.header.index == link.get())
            && self.family.is_none_or(|family| address.header.family == family)
    }
}

impl RtnlSocket {
    /// Lists the IPv4 and IPv6 addresses of the namespace's links.
    ///
    /// Sends one dump request. The kernel filters as far as it can, and the method filters the
    /// rest.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if the filter's link does not exist.
    /// - [`Error::Interrupted`] and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::AddressFamily;
    /// use libteam::rtnl::{AddressFilter, RtnlSocket};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let addresses = rtnl.addresses(&AddressFilter::new().link(lo).family(AddressFamily::Inet))?;
    /// let [loopback] = addresses.items() else { panic!("one address: {addresses:?}") };
    /// assert_eq!(loopback.to_string(), "127.0.0.1/8");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETADDR`, rtnetlink(7).
    #[doc(alias = "RTM_GETADDR")]
    pub fn addresses(&mut self, filter: &AddressFilter) -> Result<Dump<Address>> {
        let op = "listing the addresses";
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWADDR };
        let reply = self.list(request, |address, _| filter.matches(address));
        let reply =
            reply.and_then(|dump| dump.try_map(Address::try_from).map_err(RequestError::from));
        self.check_links_exist(reply, op, filter.link)
    }

    /// Adds an IPv4 or IPv6 address to a link.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] for 0.0.0.0; nothing is sent.
    /// - [`Error::Kernel`]: [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if the link has the
    ///   address; [`NotFound`](crate::ErrorKind::NotFound) if the link does not exist;
    ///   [`InvalidInput`](crate::ErrorKind::InvalidInput) for a prefix that is longer than the
    ///   address, or an address that a link cannot have;
    ///   [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if IPv6 is disabled on the link.
    /// - The errors of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0").up())?;
    /// rtnl.add_address(dummy, "192.0.2.1".parse()?, 24)?;
    /// rtnl.add_address(dummy, "2001:db8::1".parse()?, 64)?;
    ///
    /// let error = rtnl.add_address(dummy, "192.0.2.1".parse()?, 24).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWADDR` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7).
    pub fn add_address(&mut self, ifindex: IfIndex, address: IpAddr, prefix_len: u8) -> Result<()> {
        if address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            // The kernel would ignore the request and report success.
            let (setting, value) = ("address", format!("{address}/{prefix_len}"));
            return Err(Error::InvalidSetting {
                setting,
                value,
                reason: "expected an address that a link can have",
            });
        }
        let message = RouteNetlinkMessage::NewAddress(message(ifindex, address, prefix_len));
        let result = self.socket.execute(message, NLM_F_CREATE | NLM_F_EXCL);
        let link = self.describe_link(&result, ifindex);
        result.with_context(|| format!("adding address {address}/{prefix_len} to {link}"))
    }

    /// Deletes an address of a link.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchAddress`] if the link does not have the address with this prefix.
    /// - [`Error::Kernel`] with `ENODEV` if the link does not exist.
    /// - The errors of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
    /// let address = "192.0.2.1".parse()?;
    /// rtnl.add_address(dummy, address, 24)?;
    /// rtnl.delete_address(dummy, address, 24)?;
    /// assert_eq!(rtnl.delete_address(dummy, address, 24).unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELADDR`, rtnetlink(7).
    pub fn delete_address(
        &mut self,
        ifindex: IfIndex,
        address: IpAddr,
        prefix_len: u8,
    ) -> Result<()> {
        let message = RouteNetlinkMessage::DelAddress(message(ifindex, address, prefix_len));
        let result = self.socket.execute(message, 0);
        let link = self.describe_link(&result, ifindex);
        let op = format!("deleting address {address}/{prefix_len} of {link}");
        match result {
            Err(RequestError::Kernel(error)) if error.errno == Errno::EADDRNOTAVAIL as i32 => {
                Err(Error::NoSuchAddress { op, message: error.message })
            }
            result => result.with_context(|| op),
        }
    }
}

fn message(ifindex: IfIndex, address: IpAddr, prefix_len: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = ifindex.get();
    message.header.prefix_len = prefix_len;
    message.attributes.push(AddressAttribute::Address(address));
    match address {
        IpAddr::V4(v4) => {
            message.header.family = AddressFamily::Inet;
            // The kernel determines the scope of an IPv6 address by itself.
            message.header.scope =
                if v4.is_loopback() { AddressScope::Host } else { AddressScope::Universe };
            message.attributes.push(AddressAttribute::Local(address));
        }
        IpAddr::V6(_) => message.header.family = AddressFamily::Inet6,
    }
    message
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::address::AddressHeaderFlags;

    use super::*;

    fn address(attributes: Vec<AddressAttribute>) -> Result<Address, DecodeError> {
        let mut message = AddressMessage::default();
        (message.header.index, message.header.prefix_len) = (3, 24);
        message.header.flags = AddressHeaderFlags::Permanent;
        message.attributes = attributes;
        Address::try_from(message)
    }

    fn local(ip: &str) -> AddressAttribute {
        AddressAttribute::Local(ip.parse().unwrap())
    }

    fn far(ip: &str) -> AddressAttribute {
        AddressAttribute::Address(ip.parse().unwrap())
    }

    #[test]
    fn own_address_is_local_or_the_only_one() {
        for (attributes, ip, peer) in [
            (vec![far("192.0.2.1"), local("192.0.2.1")], "192.0.2.1", None),
            (vec![far("192.0.2.2"), local("192.0.2.1")], "192.0.2.1", Some("192.0.2.2")),
            (vec![local("192.0.2.1"), far("192.0.2.2")], "192.0.2.1", Some("192.0.2.2")),
            (vec![local("192.0.2.1")], "192.0.2.1", None),
            (vec![far("2001:db8::1")], "2001:db8::1", None),
            (vec![far("2001:db8::2"), local("2001:db8::1")], "2001:db8::1", Some("2001:db8::2")),
        ] {
            let address = address(attributes).unwrap();
            let expected = (ip.parse().unwrap(), peer.map(|peer: &str| peer.parse().unwrap()));
            assert_eq!((address.ip(), address.peer()), expected, "own and peer of {address:?}");
        }
    }

    #[test]
    fn display_equals_that_of_ip_address() {
        assert_eq!(address(vec![local("192.0.2.1")]).unwrap().to_string(), "192.0.2.1/24");
        let both = address(vec![local("192.0.2.1"), far("192.0.2.2")]).unwrap();
        assert_eq!(both.to_string(), "192.0.2.1 peer 192.0.2.2/24");
    }

    #[test]
    fn flags_attribute_is_preferred_to_header() {
        let few = address(vec![local("192.0.2.1")]).unwrap();
        assert_eq!(few.flags(), AddressFlags::Permanent);
        let all = AddressFlags::Permanent | AddressFlags::Noprefixroute;
        let many = address(vec![local("192.0.2.1"), AddressAttribute::Flags(all)]).unwrap();
        assert_eq!(many.flags(), all);
    }

    #[test]
    fn infinite_lifetime_is_none() {
        let with = |valid, preferred| {
            let mut info = CacheInfo::default();
            (info.ifa_valid, info.ifa_preferred) = (valid, preferred);
            let address =
                address(vec![local("192.0.2.1"), AddressAttribute::CacheInfo(info)]).unwrap();
            (address.valid_lifetime(), address.preferred_lifetime())
        };
        assert_eq!(with(u32::MAX, u32::MAX), (None, None));
        assert_eq!(
            with(u32::MAX - 1, 0),
            (Some(Duration::from_secs(0xffff_fffe)), Some(Duration::ZERO))
        );
    }

    #[test]
    fn message_without_address_or_link_is_rejected() {
        address(vec![]).unwrap_err();
        let mut message = address(vec![local("192.0.2.1")]).unwrap().message().clone();
        message.header.index = 0;
        Address::try_from(message).unwrap_err();
    }
}
