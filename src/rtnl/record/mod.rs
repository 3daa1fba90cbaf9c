use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;

use netlink_packet_route::link::LinkMessage;

use crate::error::{DecodeError, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{Link, LinkFlags, OperState};
use crate::netlink::codec::attribute::{Attribute, attributes};
use crate::netlink::codec::link::{
    self, Header, IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_CARRIER, IFLA_CARRIER_CHANGES, IFLA_IFALIAS, IFLA_IFNAME,
    IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER,
    IFLA_MTU, IFLA_OPERSTATE, IFLA_PERM_ADDRESS, IFLA_PHYS_PORT_ID, IFLA_PROP_LIST, LinkNews, LinkReport, RTM_NEWLINK,
};
use crate::netlink::codec::packet;
use crate::netlink::error::{During, Failure};

/// The size of `struct ifinfomsg`, which the attributes follow.
const HEADER_LEN: usize = 16;

/// One link as one message of the kernel tells it.
///
/// It is the message itself, checked once: each accessor looks its attribute up in it, so that a dump of many links
/// costs no more than what is read of it. [`message`](Self::message) reads all of it.
///
/// An attribute that the message does not hold is `None`, or the value said at its accessor.
///
/// # Examples
///
/// ```
/// use libteam::RtnlSocket;
///
/// # enter_namespace();
/// let mut rtnl = RtnlSocket::new()?;
/// let lo = rtnl.link_by_name("lo")?;
/// assert_eq!((&*lo.name(), lo.mtu()), ("lo", 65536));
/// assert_eq!(lo.master(), None);
/// assert!(!lo.is_admin_up(), "a new namespace's loopback is down");
///
/// // What has no accessor: IFLA_TXQLEN.
/// let queue: [u8; 4] = lo.attribute(13).expect("every link has it").try_into()?;
/// assert_eq!(u32::from_ne_bytes(queue), 1000);
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// `RTM_NEWLINK` with `struct ifinfomsg`, rtnetlink(7), and its attributes, `linux/if_link.h`:
///
/// | method | where it looks |
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
/// | [`peer`](Self::peer), [`peer_namespace`](Self::peer_namespace) | `IFLA_LINK`, `IFLA_LINK_NETNSID` |
/// | [`kind`](Self::kind), [`is_team`](Self::is_team) | `IFLA_INFO_KIND` in `IFLA_LINKINFO` |
/// | [`port_kind`](Self::port_kind) | `IFLA_INFO_SLAVE_KIND` in `IFLA_LINKINFO` |
/// | [`info_data`](Self::info_data) | `IFLA_INFO_DATA` in `IFLA_LINKINFO` |
/// | [`oper_state`](Self::oper_state) | `IFLA_OPERSTATE` |
/// | [`has_carrier`](Self::has_carrier) | `IFLA_CARRIER`, or `IFF_LOWER_UP` where there is none |
/// | [`carrier_changes`](Self::carrier_changes) | `IFLA_CARRIER_CHANGES` |
/// | [`phys_port_id`](Self::phys_port_id) | `IFLA_PHYS_PORT_ID` |
#[derive(Clone, PartialEq, Eq)]
pub struct LinkRecord {
    /// `struct ifinfomsg` and the attributes.
    payload: Box<[u8]>,
    ifindex: IfIndex,
}

impl LinkRecord {
    /// Keeps the payload of a link message of any type. What the accessors read is checked here, and only here.
    pub(crate) fn new(payload: &[u8]) -> Result<Self, DecodeError> {
        let (Header { ifindex, .. }, body) = Header::split(payload)?;
        for attribute in attributes(body) {
            check(attribute?)?;
        }
        Ok(Self { payload: payload.into(), ifindex })
    }

    /// What a cache of links keeps of the message.
    pub(crate) fn report(&self) -> Result<LinkReport<'_>> {
        match link::decode(RTM_NEWLINK, &self.payload) {
            Ok(LinkNews::Present(report)) => Ok(report),
            Ok(_) => Err(Failure::from(DecodeError::new("the answer is no link"))),
            Err(error) => Err(error.into()),
        }
        .during(|| self.reading())
    }

    /// The interface index.
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// The address family of the message: 0 (`AF_UNSPEC`) where it is about the link itself, 7 (`AF_BRIDGE`) where a
    /// bridge tells of its port.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.header().map_or(0, |header| header.family)
    }

    /// The type of the link layer: `ARPHRD_*` of `linux/if_arp.h`, 1 for Ethernet.
    #[doc(alias = "ifi_type")]
    #[must_use]
    pub fn link_layer_type(&self) -> u16 {
        self.header().map_or(0, |header| header.layer)
    }

    /// All of the link's flags.
    #[must_use]
    pub fn flags(&self) -> LinkFlags {
        self.header().map_or(LinkFlags::empty(), |header| header.flags)
    }

    /// The flags that this message says have changed: all there could be for a link that is new or gone, none where
    /// another thing changed, or where the message is the answer to a question.
    #[doc(alias = "ifi_change")]
    #[must_use]
    pub fn changed_flags(&self) -> LinkFlags {
        self.header().map_or(LinkFlags::empty(), |header| header.changed_flags)
    }

    /// Whether the link was set up by its administrator (`IFF_UP`).
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        self.flags().contains(LinkFlags::UP)
    }

    /// The interface name as text; empty if the message has none. Bytes that are not UTF-8 show as U+FFFD;
    /// [`name_os`](Self::name_os) has them.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.find(IFLA_IFNAME).map(Attribute::text).unwrap_or_default()
    }

    /// The interface name as the kernel has it, which need not be UTF-8; empty if the message has none.
    #[must_use]
    pub fn name_os(&self) -> &OsStr {
        self.find(IFLA_IFNAME).map_or(OsStr::new(""), Attribute::os_text)
    }

    /// Further names by which the kernel finds the link, each up to 127 bytes, as text like [`name`](Self::name).
    pub fn alternative_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.further_names().map(Attribute::text)
    }

    /// The [`alternative_names`](Self::alternative_names) as the kernel has them.
    pub fn alternative_names_os(&self) -> impl Iterator<Item = &OsStr> {
        self.further_names().map(Attribute::os_text)
    }

    fn further_names(&self) -> impl Iterator<Item = Attribute<'_>> {
        nested(self.find(IFLA_PROP_LIST)).filter(|attribute| attribute.kind == IFLA_ALT_IFNAME)
    }

    /// The administrator's description of the link.
    #[doc(alias = "ifalias")]
    #[must_use]
    pub fn alias(&self) -> Option<Cow<'_, str>> {
        self.find(IFLA_IFALIAS).map(Attribute::text)
    }

    /// The hardware address in use, or `None` for a link that has none (a tunnel, say).
    #[must_use]
    pub fn hwaddr(&self) -> Option<HwAddr> {
        self.address(IFLA_ADDRESS)
    }

    /// The hardware address that the device was made with, where it has one that lasts (veth and dummy have none).
    #[must_use]
    pub fn permanent_hwaddr(&self) -> Option<HwAddr> {
        self.address(IFLA_PERM_ADDRESS)
    }

    /// The largest packet that the link sends, in bytes without the link-layer header; 0 if the message does not tell.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.number(IFLA_MTU).unwrap_or_default()
    }

    /// The team, bridge or other master that the link belongs to.
    #[must_use]
    pub fn master(&self) -> Option<IfIndex> {
        self.number(IFLA_MASTER).and_then(IfIndex::new)
    }

    /// The link that this one is tied to: the one below a VLAN, a veth's other end, a tunnel's underlying device.
    ///
    /// Where [`peer_namespace`](Self::peer_namespace) is given, the index is one of that namespace.
    #[doc(alias = "IFLA_LINK")]
    #[must_use]
    pub fn peer(&self) -> Option<IfIndex> {
        self.number(IFLA_LINK).and_then(IfIndex::new)
    }

    /// The namespace of [`peer`](Self::peer), as a number that has a meaning in the link's own namespace only, where
    /// the two are not the same. Negative for one that has no number here.
    #[doc(alias = "IFLA_LINK_NETNSID")]
    #[must_use]
    pub fn peer_namespace(&self) -> Option<i32> {
        self.find(IFLA_LINK_NETNSID)?.i32().ok()
    }

    /// The kind of a virtual link (`team`, `veth`, `vlan`, …), or `None` for most physical ones.
    #[must_use]
    pub fn kind(&self) -> Option<Cow<'_, str>> {
        self.info(IFLA_INFO_KIND).map(Attribute::text)
    }

    /// The kind of the master, as the master's driver names its ports: `team` for a port of a team.
    #[doc(alias = "IFLA_INFO_SLAVE_KIND")]
    #[must_use]
    pub fn port_kind(&self) -> Option<Cow<'_, str>> {
        self.info(IFLA_INFO_SLAVE_KIND).map(Attribute::text)
    }

    /// The attributes that links of this kind have beside those of all links, as bytes.
    #[doc(alias = "IFLA_INFO_DATA")]
    #[must_use]
    pub fn info_data(&self) -> Option<&[u8]> {
        self.info(IFLA_INFO_DATA).map(|attribute| attribute.value)
    }

    /// Whether the link is a team device.
    #[must_use]
    pub fn is_team(&self) -> bool {
        self.kind().as_deref() == Some(Link::TEAM_KIND)
    }

    /// The operational state; [`OperState::Unknown`] if the message does not tell.
    #[must_use]
    pub fn oper_state(&self) -> OperState {
        self.byte(IFLA_OPERSTATE).map(OperState::from).unwrap_or_default()
    }

    /// Whether the driver senses a carrier.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.byte(IFLA_CARRIER).map_or_else(|| self.flags().contains(LinkFlags::LOWER_UP), |carrier| carrier != 0)
    }

    /// How often the carrier came or went since the link was made; 0 if the message does not tell.
    #[must_use]
    pub fn carrier_changes(&self) -> u32 {
        self.number(IFLA_CARRIER_CHANGES).unwrap_or_default()
    }

    /// The driver's identification of the physical port, where it has one: at most 32 bytes.
    #[must_use]
    pub fn phys_port_id(&self) -> Option<&[u8]> {
        self.attribute(IFLA_PHYS_PORT_ID)
    }

    /// The value of any attribute, by its number (`IFLA_*` of `linux/if_link.h`), in the host's byte order.
    #[must_use]
    pub fn attribute(&self, number: u16) -> Option<&[u8]> {
        self.find(number).map(|attribute| attribute.value)
    }

    /// Reads the whole message.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`](crate::Error::Decode) if netlink-packet-route cannot read the header. An attribute that it does
    /// not know, or that has another shape than it expects, is kept as bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::RtnlSocket;
    /// use libteam::netlink_packet_route::link::LinkAttribute;
    ///
    /// # enter_namespace();
    /// let message = RtnlSocket::new()?.link_by_name("lo")?.message()?;
    /// assert!(message.attributes.contains(&LinkAttribute::Mtu(65536)));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn message(&self) -> Result<LinkMessage> {
        packet::read(&self.payload).map_err(Failure::from).during(|| self.reading())
    }

    fn reading(&self) -> String {
        format!("looking up link {}", self.ifindex)
    }

    fn header(&self) -> Option<Header> {
        Header::split(&self.payload).ok().map(|(header, _)| header)
    }

    fn find(&self, number: u16) -> Option<Attribute<'_>> {
        find(self.payload.get(HEADER_LEN..).unwrap_or_default(), number)
    }

    fn info(&self, number: u16) -> Option<Attribute<'_>> {
        find(self.find(IFLA_LINKINFO)?.value, number)
    }

    fn address(&self, number: u16) -> Option<HwAddr> {
        self.find(number).filter(|attribute| !attribute.value.is_empty()).and_then(|found| HwAddr::new(found.value))
    }

    fn number(&self, number: u16) -> Option<u32> {
        self.find(number)?.u32().ok()
    }

    fn byte(&self, number: u16) -> Option<u8> {
        self.find(number)?.u8().ok()
    }
}

impl fmt::Debug for LinkRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkRecord")
            .field("ifindex", &self.ifindex)
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("master", &self.master())
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}

/// Checks what the accessors read of an attribute.
fn check(attribute: Attribute<'_>) -> Result<(), DecodeError> {
    match attribute.kind {
        IFLA_MTU | IFLA_LINK | IFLA_MASTER | IFLA_CARRIER_CHANGES | IFLA_LINK_NETNSID => attribute.u32().map(drop),
        IFLA_OPERSTATE | IFLA_CARRIER => attribute.u8().map(drop),
        IFLA_ADDRESS | IFLA_PERM_ADDRESS if attribute.value.len() > HwAddr::MAX_LEN => {
            Err(DecodeError::new("a hardware address is longer than 32 bytes"))
        }
        IFLA_LINKINFO | IFLA_PROP_LIST => attributes(attribute.value).try_for_each(|inner| inner.map(drop)),
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
