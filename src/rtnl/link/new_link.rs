use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use netlink_packet_core::Nla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    self as packet, InfoData, InfoKind, InfoNetkit, InfoVeth, InfoVlan, InfoVxcan, LinkAttribute,
    LinkFlags, LinkMessage,
};

use super::namespace::NamespaceFd;
use crate::error::{Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{IFLA_IFNAME, name_attribute};
use crate::netlink::ifname;

/// The length of the longest attribute value in bytes.
///
/// The length field has 16 bits and includes the header of 4 bytes.
const MAX_VALUE_LEN: usize = u16::MAX as usize - 4;

/// The description of a new link.
///
/// [`RtnlSocket::create_link`](crate::rtnl::RtnlSocket::create_link) creates the link.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::IfIndex;
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let team = rtnl.create_link(&NewLink::team("team0").hwaddr("02:00:00:00:00:01".parse()?))?;
/// rtnl.create_link(&NewLink::veth("v0", "v1").mtu(9000).master(team).up())?;
///
/// let bridge = rtnl.create_link(&NewLink::bridge("br0").index(IfIndex::new(70).unwrap()))?;
/// assert_eq!(bridge.get(), 70);
/// rtnl.create_link(&NewLink::vlan("team0.5", team, 5).master(bridge))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A kind without a constructor here, with the attributes of its driver:
///
/// ```
/// use libteam::rtnl::netlink_packet_route::link::{InfoData, InfoKind, InfoMacVlan, LinkAttribute, MacVlanMode};
/// use libteam::rtnl::{NewLink, RtnlSocket};
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let lower = rtnl.create_link(&NewLink::dummy("d0"))?;
/// let private = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
/// let macvlan = NewLink::new(InfoKind::MacVlan, "m0").link(lower).data(private);
/// rtnl.create_link(&macvlan.attribute(LinkAttribute::TxQueueLen(500)))?;
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewLink {
    kind: InfoKind,
    name: OsString,
    data: Option<InfoData>,
    ifindex: Option<IfIndex>,
    up: bool,
    attributes: Vec<LinkAttribute>,
    peer_namespace: Option<NamespaceFd>,
}

impl NewLink {
    /// Describes a link of any kind, by the name that `ip link add type` accepts.
    pub fn new(kind: InfoKind, name: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().to_owned();
        Self {
            kind,
            name,
            data: None,
            ifindex: None,
            up: false,
            attributes: Vec::new(),
            peer_namespace: None,
        }
    }

    /// Describes a team without a mode and without ports.
    pub fn team(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Team, name)
    }

    /// Describes a bridge without ports.
    pub fn bridge(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Bridge, name)
    }

    /// Describes a dummy device, which drops every packet that it should send.
    pub fn dummy(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Dummy, name)
    }

    /// Describes a pair of connected virtual Ethernet devices.
    ///
    /// All other settings apply to the first device, not to its peer.
    pub fn veth(name: impl AsRef<OsStr>, peer: impl AsRef<OsStr>) -> Self {
        let mut message = LinkMessage::default();
        message.attributes.push(name_attribute(IFLA_IFNAME, peer.as_ref()));
        Self::new(InfoKind::Veth, name).data(InfoData::Veth(InfoVeth::Peer(message)))
    }

    /// Describes the VLAN with this ID (0 to 4094) on top of a lower link.
    pub fn vlan(name: impl AsRef<OsStr>, lower: IfIndex, id: u16) -> Self {
        Self::new(InfoKind::Vlan, name).link(lower).data(InfoData::Vlan(vec![InfoVlan::Id(id)]))
    }

    /// Sets the attributes of the link's driver.
    pub fn data(mut self, data: InfoData) -> Self {
        self.data = Some(data);
        self
    }

    /// Sets the index; by default the kernel chooses one.
    pub fn index(mut self, ifindex: IfIndex) -> Self {
        self.ifindex = Some(ifindex);
        self
    }

    /// Sets the MTU in bytes. A master may change the MTU of its new port.
    pub fn mtu(self, bytes: u32) -> Self {
        self.attribute(LinkAttribute::Mtu(bytes))
    }

    /// Sets the hardware address; by default the driver chooses one.
    pub fn hwaddr(self, hwaddr: HwAddr) -> Self {
        self.attribute(LinkAttribute::Address(hwaddr.as_bytes().to_vec()))
    }

    /// Sets the lower link, e.g. that of a VLAN.
    pub fn link(self, lower: IfIndex) -> Self {
        self.attribute(LinkAttribute::Link(lower.get()))
    }

    /// Makes the new link a port of this team, bridge or other device.
    #[doc(alias = "enslave")]
    pub fn master(self, master: IfIndex) -> Self {
        self.attribute(LinkAttribute::Controller(master.get()))
    }

    /// Sets the link up.
    ///
    /// By default it is down, unless its master is a team, which sets up each port.
    pub fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// Creates the peer of a veth, vxcan or netkit device in another network namespace.
    ///
    /// The descriptor is that of a file under `/run/netns` or of a process's `/proc/PID/ns/net`,
    /// not a pidfd; it is duplicated. To create both ends in another namespace, use
    /// [`RtnlSocket::in_namespace`](crate::rtnl::RtnlSocket::in_namespace).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the descriptor cannot be duplicated.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, or /proc/PID/ns/net.
    /// let container = File::open("/proc/thread-self/ns/net")?;
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let veth = rtnl.create_link(&NewLink::veth("veth7", "eth0").peer_namespace(&container)?)?;
    ///
    /// let peer = RtnlSocket::in_namespace(&container)?.link_by_name("eth0")?;
    /// assert_eq!(peer.link_ifindex(), Some(veth));
    /// assert!(peer.link_netnsid().is_some(), "the index belongs to another namespace");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `IFLA_NET_NS_FD`, `linux/if_link.h`, in `VETH_INFO_PEER`, `linux/veth.h`.
    #[doc(alias = "netns")]
    pub fn peer_namespace(mut self, namespace: impl AsFd) -> Result<Self> {
        self.peer_namespace = Some(NamespaceFd::duplicate(namespace)?);
        Ok(self)
    }

    /// Adds any other attribute.
    pub fn attribute(mut self, attribute: LinkAttribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Describes the link for an error message.
    pub(super) fn describe(&self) -> String {
        format!("{} device {}", self.kind, self.name.to_string_lossy())
    }

    /// Rejects names that the kernel would treat otherwise, and attributes that cannot be sent.
    pub(super) fn check(&self) -> Result<()> {
        ifname::validate_ifname(&self.name)?;
        let mut data = self.data.clone();
        let peer = data.as_mut().and_then(peer_of);
        if self.peer_namespace.is_some() && peer.is_none() {
            return Err(Error::InvalidSetting {
                setting: "peer namespace of device",
                value: self.name.to_string_lossy().into_owned(),
                reason: "expected a device that has a peer",
            });
        }
        let of_peer = peer.iter().flat_map(|peer| &peer.attributes);
        self.attributes.iter().chain(of_peer).try_for_each(check_name)?;
        match self
            .all_attributes()
            .iter()
            .map(Nla::value_len)
            .find(|&length| length > MAX_VALUE_LEN)
        {
            Some(length) => Err(Error::InvalidSetting {
                setting: "attribute of a new link",
                value: format!("{length} bytes"),
                reason: "expected at most 65531 bytes",
            }),
            None => Ok(()),
        }
    }

    /// Returns the request that creates the link.
    pub(super) fn request(&self) -> RouteNetlinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = self.ifindex.map_or(0, IfIndex::get);
        if self.up && !self.is_set_up_later() {
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
        }
        message.attributes = self.all_attributes();
        RouteNetlinkMessage::NewLink(message)
    }

    /// Returns whether a second request sets the link up.
    ///
    /// The kernel sets up a new link before it adds the link to the master, and a team rejects a
    /// link that is up.
    pub(super) fn is_set_up_later(&self) -> bool {
        let has_master = self
            .attributes
            .iter()
            .any(|attribute| matches!(attribute, LinkAttribute::Controller(_)));
        self.up && has_master
    }

    fn all_attributes(&self) -> Vec<LinkAttribute> {
        let mut info = vec![packet::LinkInfo::Kind(self.kind.clone())];
        let mut data = self.data.clone();
        if let (Some(namespace), Some(peer)) =
            (&self.peer_namespace, data.as_mut().and_then(peer_of))
        {
            peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        }
        info.extend(data.map(packet::LinkInfo::Data));
        let mut attributes =
            vec![name_attribute(IFLA_IFNAME, &self.name), LinkAttribute::LinkInfo(info)];
        attributes.extend(self.attributes.iter().cloned());
        attributes
    }
}

/// Returns the message that describes the peer of a pair of devices.
fn peer_of(data: &mut InfoData) -> Option<&mut LinkMessage> {
    match data {
        InfoData::Veth(InfoVeth::Peer(peer)) | InfoData::Vxcan(InfoVxcan::Peer(peer)) => Some(peer),
        InfoData::Netkit(infos) => infos.iter_mut().find_map(|info| match info {
            InfoNetkit::Peer(peer) => Some(peer),
            _ => None,
        }),
        _ => None,
    }
}

fn check_name(attribute: &LinkAttribute) -> Result<()> {
    if attribute.kind() != IFLA_IFNAME {
        return Ok(());
    }
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    ifname::validate_ifname(OsStr::from_bytes(value.strip_suffix(&[0]).unwrap_or(&value)))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{
        DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST,
    };

    use super::*;
    use crate::netlink::codec::frame::serialize;
    use crate::testing::golden::{REQUEST_CREATE, bytes};

    fn header(link: &NewLink) -> (u32, LinkFlags, LinkFlags) {
        let RouteNetlinkMessage::NewLink(message) = link.request() else {
            panic!("the request for {link:?} is not RTM_NEWLINK")
        };
        (message.header.index, message.header.flags, message.header.change_mask)
    }

    #[test]
    fn request_for_a_team_equals_recorded_one() {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        assert_eq!(
            serialize(NewLink::team("team0").request(), flags).unwrap(),
            bytes(REQUEST_CREATE)
        );
    }

    #[test]
    fn link_is_created_up_unless_it_has_a_master() {
        let seven = IfIndex::new(7).unwrap();
        let none = LinkFlags::empty();
        let link = NewLink::dummy("d0").index(seven);
        assert_eq!(header(&link), (7, none, none));
        let link = link.up();
        assert_eq!(
            (header(&link), link.is_set_up_later()),
            ((7, LinkFlags::Up, LinkFlags::Up), false)
        );
        let link = link.master(seven);
        assert_eq!((header(&link), link.is_set_up_later()), ((7, none, none), true));
        assert!(!NewLink::dummy("d0").master(seven).is_set_up_later());
    }

    #[test]
    fn invalid_names_are_rejected() {
        let peer = |name: &str| NewLink::veth("v0", name);
        let text =
            |name: &str| NewLink::dummy("d0").attribute(LinkAttribute::IfName(name.to_owned()));
        let raw = |name: &str| {
            NewLink::dummy("d0").attribute(name_attribute(IFLA_IFNAME, OsStr::new(name)))
        };
        for bad in ["", "a/b", "x%d", "sixteen-bytes-xx"] {
            for link in [NewLink::dummy(bad), peer(bad), text(bad), raw(bad)] {
                assert!(
                    matches!(link.check(), Err(Error::InvalidName { name, .. }) if name == bad),
                    "{link:?} is rejected for the name {bad:?}"
                );
            }
        }
        peer("v1").check().unwrap();
    }

    #[test]
    fn attribute_over_65531_bytes_is_rejected() {
        let with = |length: usize| {
            NewLink::dummy("d0")
                .attribute(LinkAttribute::Other(DefaultNla::new(20, vec![0; length])))
        };
        with(65_531).check().unwrap();
        let error = with(65_532).check().unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid attribute of a new link \"65532 bytes\": expected at most 65531 bytes"
        );
        with(200_000).check().unwrap_err();
        NewLink::dummy("d0").data(InfoData::Other(vec![0; 65_532])).check().unwrap_err();
    }

    #[test]
    fn peer_namespace_is_an_attribute_of_the_peer() {
        let link = NewLink::veth("v0", "v1").peer_namespace(std::io::stderr()).unwrap();
        link.check().unwrap();
        let RouteNetlinkMessage::NewLink(message) = link.request() else {
            panic!("the request for {link:?} is not RTM_NEWLINK")
        };
        let is_fd =
            |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::NetNsFd(fd) if *fd > 2);
        assert!(!message.attributes.iter().any(is_fd), "the first device has the descriptor");
        let Some(LinkAttribute::LinkInfo(info)) = message.attributes.get(1) else {
            panic!("{message:?} has no link info")
        };
        let Some(packet::LinkInfo::Data(data)) = info.get(1) else { panic!("no data in {info:?}") };
        let peer = peer_of(&mut data.clone()).unwrap().clone();
        assert_eq!(peer.attributes.len(), 2);
        assert!(peer.attributes.iter().any(is_fd), "{peer:?} has no descriptor");
    }

    #[test]
    fn peer_namespace_without_a_peer_is_rejected() {
        let link = NewLink::dummy("d0").peer_namespace(std::io::stderr()).unwrap();
        assert!(matches!(link.check(), Err(Error::InvalidSetting { .. })));
    }
}
