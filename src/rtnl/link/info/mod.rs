use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;

use netlink_packet_route::link::LinkMessage;

use super::statistics::{IFLA_STATS64, LinkStatistics};
use crate::error::{DecodeError, Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{Link, LinkFlags, OperState};
use crate::netlink::codec::attribute::{Attribute, attributes};
use crate::netlink::codec::link::{
    self, IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_CARRIER, IFLA_CARRIER_CHANGES, IFLA_IFALIAS,
    IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND, IFLA_LINK,
    IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_OPERSTATE, IFLA_PERM_ADDRESS,
    IFLA_PHYS_PORT_ID, IFLA_PROP_LIST, IfInfoMsg, LinkAttrs, LinkUpdate, RTM_NEWLINK,
};
use crate::netlink::codec::packet;
use crate::netlink::error::{ErrorContext, RequestError};

/// The size of `struct ifinfomsg`, which precedes the attributes.
const HEADER_LEN: usize = 16;

/// A link as described by one message of the kernel.
///
/// A `LinkInfo` contains the message itself, which is checked once, when it is received. Each
/// method finds its attribute in the message, so that unused attributes cost nothing in a dump of
/// many links. [`message`](Self::message) decodes the whole message. For a link that a
/// [`TeamHandle`](crate::TeamHandle) keeps up to date, see [`Link`].
///
/// If the message lacks the attribute, a method returns `None`, or the value that its documentation
/// names.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::RtnlSocket;
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let lo = rtnl.link_by_name("lo")?;
/// assert_eq!((&*lo.name(), lo.mtu()), ("lo", 65536));
/// assert_eq!(lo.master(), None);
/// assert!(!lo.is_admin_up(), "the loopback of a new namespace is down");
///
/// // An attribute without an accessor: IFLA_TXQLEN.
/// let queue: [u8; 4] = lo.attribute(13).expect("every link has a queue length").try_into()?;
/// assert_eq!(u32::from_ne_bytes(queue), 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `RTM_NEWLINK` with `struct ifinfomsg`, rtnetlink(7), and its attributes, `linux/if_link.h`:
///
/// | method | source |
/// |---|---|
/// | [`ifindex`](Self::ifindex), [`family`](Self::family) | `ifi_index`, `ifi_family` |
/// | [`link_layer_type`](Self::link_layer_type) | `ifi_type` |
/// | [`flags`](Self::flags), [`is_admin_up`](Self::is_admin_up) | `ifi_flags`, its `IFF_UP` |
/// | [`changed_flags`](Self::changed_flags) | `ifi_change` |
/// | [`name`](Self::name), [`name_os`](Self::name_os), [`alias`](Self::alias) | `IFLA_IFNAME`, `IFLA_IFALIAS` |
/// | [`alternative_names`](Self::alternative_names) | `IFLA_ALT_IFNAME` in `IFLA_PROP_LIST` |
/// | [`hwaddr`](Self::hwaddr), [`permanent_hwaddr`](Self::permanent_hwaddr) | `IFLA_ADDRESS`, `IFLA_PERM_ADDRESS` |
/// | [`mtu`](Self::mtu) | `IFLA_MTU` |
/// | [`master`](Self::master) | `IFLA_MASTER` |
/// | [`link_ifindex`](Self::link_ifindex), [`link_netnsid`](Self::link_netnsid) | `IFLA_LINK`, `IFLA_LINK_NETNSID` |
/// | [`kind`](Self::kind), [`is_team`](Self::is_team) | `IFLA_INFO_KIND` in `IFLA_LINKINFO` |
/// | [`port_kind`](Self::port_kind) | `IFLA_INFO_SLAVE_KIND` in `IFLA_LINKINFO` |
/// | [`info_data`](Self::info_data) | `IFLA_INFO_DATA` in `IFLA_LINKINFO` |
/// | [`oper_state`](Self::oper_state) | `IFLA_OPERSTATE` |
/// | [`has_carrier`](Self::has_carrier) | `IFLA_CARRIER`, or `IFF_LOWER_UP` where there is none |
/// | [`carrier_changes`](Self::carrier_changes) | `IFLA_CARRIER_CHANGES` |
/// | [`phys_port_id`](Self::phys_port_id) | `IFLA_PHYS_PORT_ID` |
/// | [`statistics`](Self::statistics) | `IFLA_STATS64` |
#[derive(Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// `struct ifinfomsg` and the attributes.
    payload: Box<[u8]>,
    ifindex: IfIndex,
}

impl LinkInfo {
    /// Copies the payload of a link message, and checks each attribute that has a method.
    pub(crate) fn new(payload: &[u8]) -> Result<Self, DecodeError> {
        let (IfInfoMsg { ifindex, .. }, body) = IfInfoMsg::split(payload)?;
        for attribute in attributes(body) {
            check(attribute?)?;
        }
        Ok(Self { payload: payload.into(), ifindex })
    }

    /// Decodes the fields that a cache of links keeps.
    pub(crate) fn decode(&self) -> Result<LinkAttrs<'_>> {
        match link::decode(RTM_NEWLINK, &self.payload) {
            Ok(LinkUpdate::New(attrs)) => Ok(attrs),
            Ok(_) => {
                Err(RequestError::from(DecodeError::new("the reply does not describe a link")))
            }
            Err(error) => Err(error.into()),
        }
        .with_context(|| self.op())
    }

    /// Returns the interface index.
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// Returns the address family of the message.
    ///
    /// It is 0 (`AF_UNSPEC`) for a message about the link itself, and 7 (`AF_BRIDGE`) for a message
    /// of a bridge about its port.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.header().map_or(0, |header| header.family)
    }

    /// Returns the link-layer type: `ARPHRD_*` of `linux/if_arp.h`, 1 for Ethernet.
    #[doc(alias = "ifi_type")]
    #[must_use]
    pub fn link_layer_type(&self) -> u16 {
        self.header().map_or(0, |header| header.if_type)
    }

    /// Returns the flags of the link.
    #[doc(alias = "promisc")]
    #[must_use]
    pub fn flags(&self) -> LinkFlags {
        self.header().map_or(LinkFlags::empty(), |header| header.flags)
    }

    /// Returns the flags that changed, according to the message.
    ///
    /// All bits are set for a link that was added or removed. No bit is set if something else
    /// changed, or if the message replies to a request.
    #[doc(alias = "ifi_change")]
    #[must_use]
    pub fn changed_flags(&self) -> LinkFlags {
        self.header().map_or(LinkFlags::empty(), |header| header.changed_flags)
    }

    /// Returns whether the link is administratively up (`IFF_UP`).
    #[doc(alias = "up")]
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        self.flags().contains(LinkFlags::UP)
    }

    /// Returns the interface name as text, empty if the message has none.
    ///
    /// U+FFFD replaces bytes that are not UTF-8; [`name_os`](Self::name_os) returns them unchanged.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.find(IFLA_IFNAME).map(Attribute::text).unwrap_or_default()
    }

    /// Returns the interface name as the kernel spells it, empty if the message has none.
    ///
    /// It need not be UTF-8.
    #[must_use]
    pub fn name_os(&self) -> &OsStr {
        self.find(IFLA_IFNAME).map_or(OsStr::new(""), Attribute::os_text)
    }

    /// Returns the alternative names of the link, as text like [`name`](Self::name).
    ///
    /// Each has up to 127 bytes.
    #[doc(alias = "altname")]
    pub fn alternative_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.further_names().map(Attribute::text)
    }

    /// Returns the [`alternative_names`](Self::alternative_names) as the kernel spells them.
    pub fn alternative_names_os(&self) -> impl Iterator<Item = &OsStr> {
        self.further_names().map(Attribute::os_text)
    }

    fn further_names(&self) -> impl Iterator<Item = Attribute<'_>> {
        nested(self.find(IFLA_PROP_LIST)).filter(|attribute| attribute.kind == IFLA_ALT_IFNAME)
    }

    /// Returns the description that an administrator gave the link.
    #[doc(alias = "ifalias")]
    #[must_use]
    pub fn alias(&self) -> Option<Cow<'_, str>> {
        self.find(IFLA_IFALIAS).map(Attribute::text)
    }

    /// Returns the current hardware address, or `None` for a link without one, e.g. some tunnels.
    #[must_use]
    pub fn hwaddr(&self) -> Option<HwAddr> {
        self.address(IFLA_ADDRESS)
    }

    /// Returns the permanent hardware address of the device.
    ///
    /// `None` for virtual devices like veth and dummy.
    #[must_use]
    pub fn permanent_hwaddr(&self) -> Option<HwAddr> {
        self.address(IFLA_PERM_ADDRESS)
    }

    /// Returns the MTU: the largest packet in bytes, without the link-layer header.
    ///
    /// 0 if the message has no MTU.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.number(IFLA_MTU).unwrap_or_default()
    }

    /// Returns the index of the team, bridge or other master of the link.
    #[must_use]
    pub fn master(&self) -> Option<IfIndex> {
        self.number(IFLA_MASTER).and_then(IfIndex::new)
    }

    /// Returns the index of the related link.
    ///
    /// That is the lower device of a VLAN, the other end of a veth pair, or the underlying device
    /// of a tunnel.
    ///
    /// If [`link_netnsid`](Self::link_netnsid) is `Some`, the index belongs to that namespace.
    #[doc(alias = "IFLA_LINK")]
    #[must_use]
    pub fn link_ifindex(&self) -> Option<IfIndex> {
        self.number(IFLA_LINK).and_then(IfIndex::new)
    }

    /// Returns the namespace ID of the [related link](Self::link_ifindex), if it is in another one.
    ///
    /// The ID is valid in the namespace of this link only. It is negative if the other namespace
    /// has no ID here.
    #[doc(alias = "IFLA_LINK_NETNSID")]
    #[must_use]
    pub fn link_netnsid(&self) -> Option<i32> {
        self.find(IFLA_LINK_NETNSID)?.i32().ok()
    }

    /// Returns the kind of a virtual link (`team`, `veth`, `vlan`, …).
    ///
    /// `None` for links without a kind, which most physical links are.
    #[must_use]
    pub fn kind(&self) -> Option<Cow<'_, str>> {
        self.info(IFLA_INFO_KIND).map(Attribute::text)
    }

    /// Returns the kind of the link's master, e.g. `team` for a port of a team.
    #[doc(alias = "IFLA_INFO_SLAVE_KIND")]
    #[must_use]
    pub fn port_kind(&self) -> Option<Cow<'_, str>> {
        self.info(IFLA_INFO_SLAVE_KIND).map(Attribute::text)
    }

    /// Returns the attributes that are specific to the link's kind, as bytes.
    #[doc(alias = "IFLA_INFO_DATA")]
    #[must_use]
    pub fn info_data(&self) -> Option<&[u8]> {
        self.info(IFLA_INFO_DATA).map(|attribute| attribute.value)
    }

    /// Returns whether the link is a team device.
    #[must_use]
    pub fn is_team(&self) -> bool {
        self.kind().as_deref() == Some(Link::TEAM_KIND)
    }

    /// Returns the operational state, or [`OperState::Unknown`] if the message has none.
    #[must_use]
    pub fn oper_state(&self) -> OperState {
        self.byte(IFLA_OPERSTATE).map(OperState::from).unwrap_or_default()
    }

    /// Returns whether the driver reports a carrier.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.byte(IFLA_CARRIER)
            .map_or_else(|| self.flags().contains(LinkFlags::LOWER_UP), |carrier| carrier != 0)
    }

    /// Returns how often the carrier changed since the link was created.
    ///
    /// 0 if the message has no such count.
    #[must_use]
    pub fn carrier_changes(&self) -> u32 {
        self.number(IFLA_CARRIER_CHANGES).unwrap_or_default()
    }

    /// Returns the driver's identifier of the physical port, of up to 32 bytes.
    #[must_use]
    pub fn phys_port_id(&self) -> Option<&[u8]> {
        self.attribute(IFLA_PHYS_PORT_ID)
    }

    /// Returns the packet and byte counters at the time of the message.
    ///
    /// `None` for links of a list without
    /// [`LinkFilter::with_statistics`](crate::rtnl::LinkFilter::with_statistics), unless the kernel
    /// ignores the request to leave them out. A link that was looked up alone has its counters.
    ///
    /// # Examples
    ///
    /// See [`LinkStatistics`].
    #[doc(alias = "IFLA_STATS64")]
    #[must_use]
    pub fn statistics(&self) -> Option<LinkStatistics> {
        self.attribute(IFLA_STATS64).and_then(|value| LinkStatistics::read(value).ok())
    }

    /// Returns the value of any attribute by its number, in native byte order.
    ///
    /// The numbers are `IFLA_*` of `linux/if_link.h`.
    #[must_use]
    pub fn attribute(&self, number: u16) -> Option<&[u8]> {
        self.find(number).map(|attribute| attribute.value)
    }

    /// Decodes the whole message.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if netlink-packet-route cannot decode the header. An attribute that
    /// netlink-packet-route does not know, or cannot decode, is kept as bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::RtnlSocket;
    /// use libteam::rtnl::netlink_packet_route::link::LinkAttribute;
    ///
    /// # test_netns::enter();
    /// let message = RtnlSocket::new()?.link_by_name("lo")?.message()?;
    /// assert!(message.attributes.contains(&LinkAttribute::Mtu(65536)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn message(&self) -> Result<LinkMessage> {
        packet::read(&self.payload).map_err(RequestError::from).with_context(|| self.op())
    }

    /// Rejects a hardware address that the kernel would silently truncate to the link's length.
    pub(crate) fn check_hwaddr(&self, hwaddr: HwAddr) -> Result<()> {
        if self.hwaddr().is_some_and(|own| own.len() < hwaddr.len()) {
            let (setting, value) = ("hardware address", hwaddr.to_string());
            return Err(Error::InvalidSetting {
                setting,
                value,
                reason: "expected an address as long as the link's own",
            });
        }
        Ok(())
    }

    fn op(&self) -> String {
        format!("looking up link {}", self.ifindex)
    }

    fn header(&self) -> Option<IfInfoMsg> {
        IfInfoMsg::split(&self.payload).ok().map(|(header, _)| header)
    }

    fn find(&self, number: u16) -> Option<Attribute<'_>> {
        find(self.payload.get(HEADER_LEN..).unwrap_or_default(), number)
    }

    fn info(&self, number: u16) -> Option<Attribute<'_>> {
        find(self.find(IFLA_LINKINFO)?.value, number)
    }

    fn address(&self, number: u16) -> Option<HwAddr> {
        self.find(number)
            .filter(|attribute| !attribute.value.is_empty())
            .and_then(|found| HwAddr::new(found.value))
    }

    fn number(&self, number: u16) -> Option<u32> {
        self.find(number)?.u32().ok()
    }

    fn byte(&self, number: u16) -> Option<u8> {
        self.find(number)?.u8().ok()
    }
}

impl fmt::Debug for LinkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkInfo")
            .field("ifindex", &self.ifindex)
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("master", &self.master())
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}

/// Checks the attributes that the accessors read.
fn check(attribute: Attribute<'_>) -> Result<(), DecodeError> {
    match attribute.kind {
        IFLA_MTU | IFLA_LINK | IFLA_MASTER | IFLA_CARRIER_CHANGES | IFLA_LINK_NETNSID => {
            attribute.u32().map(drop)
        }
        IFLA_OPERSTATE | IFLA_CARRIER => attribute.u8().map(drop),
        IFLA_ADDRESS | IFLA_PERM_ADDRESS if attribute.value.len() > HwAddr::MAX_LEN => {
            Err(DecodeError::new("a hardware address is longer than 32 bytes"))
        }
        IFLA_LINKINFO | IFLA_PROP_LIST => {
            attributes(attribute.value).try_for_each(|inner| inner.map(drop))
        }
        IFLA_STATS64 => LinkStatistics::read(attribute.value).map(drop),
        _ => Ok(()),
    }
}

fn find(bytes: &[u8], number: u16) -> Option<Attribute<'_>> {
    attributes(bytes).map_while(Result::ok).find(|attribute| attribute.kind == number)
}

fn nested(nest: Option<Attribute<'_>>) -> impl Iterator<Item = Attribute<'_>> {
    attributes(nest.map_or(&[], |nest| nest.value)).map_while(Result::ok)
}

#[cfg(test)]
mod tests;
