use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use netlink_packet_core::Nla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoNetkit, InfoVeth, InfoVlan, InfoVxcan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use crate::error::{Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{IFLA_IFNAME, name_attribute};
use crate::netlink::ifname;

/// The longest value of an attribute in bytes: its length field has 16 bits and counts its 4 bytes of header too.
const MAX_VALUE_LEN: usize = u16::MAX as usize - 4;

/// A link that is to be created by [`RtnlSocket::create_link`](crate::RtnlSocket::create_link).
///
/// # Examples
///
/// ```
/// use libteam::{IfIndex, NewLink, RtnlSocket};
///
/// # enter_namespace();
/// let mut rtnl = RtnlSocket::new()?;
/// let team = rtnl.create_link(&NewLink::team("team0").hwaddr("02:00:00:00:00:01".parse()?))?;
/// rtnl.create_link(&NewLink::veth("v0", "v1").mtu(9000).master(team).up())?;
///
/// let bridge = rtnl.create_link(&NewLink::bridge("br0").index(IfIndex::new(70).unwrap()))?;
/// assert_eq!(bridge.get(), 70);
/// rtnl.create_link(&NewLink::vlan("team0.5", team, 5).master(bridge))?;
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A kind that has no constructor here, with what its driver wants to know:
///
/// ```
/// use libteam::netlink_packet_route::link::{InfoData, InfoKind, InfoMacVlan, LinkAttribute, MacVlanMode};
/// use libteam::{NewLink, RtnlSocket};
///
/// # enter_namespace();
/// let mut rtnl = RtnlSocket::new()?;
/// let lower = rtnl.create_link(&NewLink::dummy("d0"))?;
/// let private = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
/// let macvlan = NewLink::new(InfoKind::MacVlan, "m0").link(lower).data(private);
/// rtnl.create_link(&macvlan.attribute(LinkAttribute::TxQueueLen(500)))?;
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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
}

impl NewLink {
    /// A link of this kind: the name that `ip link add type` takes, as netlink-packet-route has it.
    pub fn new(kind: InfoKind, name: impl AsRef<OsStr>) -> Self {
        Self { kind, name: name.as_ref().to_owned(), data: None, ifindex: None, up: false, attributes: Vec::new() }
    }

    /// A team device without mode and ports.
    pub fn team(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Team, name)
    }

    /// A bridge without ports.
    pub fn bridge(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Bridge, name)
    }

    /// A link to nowhere, which takes every packet.
    pub fn dummy(name: impl AsRef<OsStr>) -> Self {
        Self::new(InfoKind::Dummy, name)
    }

    /// A virtual cable and the link at its far end. What else is set here is for the near end.
    pub fn veth(name: impl AsRef<OsStr>, peer: impl AsRef<OsStr>) -> Self {
        let mut far_end = LinkMessage::default();
        far_end.attributes.push(name_attribute(IFLA_IFNAME, peer.as_ref()));
        Self::new(InfoKind::Veth, name).data(InfoData::Veth(InfoVeth::Peer(far_end)))
    }

    /// The VLAN of this number, 0 to 4094, on a lower link.
    pub fn vlan(name: impl AsRef<OsStr>, lower: IfIndex, id: u16) -> Self {
        Self::new(InfoKind::Vlan, name).link(lower).data(InfoData::Vlan(vec![InfoVlan::Id(id)]))
    }

    /// What its driver wants to know.
    pub fn data(mut self, data: InfoData) -> Self {
        self.data = Some(data);
        self
    }

    /// The index that it gets; the kernel chooses one by default.
    pub fn index(mut self, ifindex: IfIndex) -> Self {
        self.ifindex = Some(ifindex);
        self
    }

    /// The largest packet that it takes, in bytes. A master may set its own when it takes the link.
    pub fn mtu(self, bytes: u32) -> Self {
        self.attribute(LinkAttribute::Mtu(bytes))
    }

    /// Its hardware address; the driver chooses one by default.
    pub fn hwaddr(self, hwaddr: HwAddr) -> Self {
        self.attribute(LinkAttribute::Address(hwaddr.as_bytes().to_vec()))
    }

    /// The lower link: that of a VLAN, say.
    pub fn link(self, lower: IfIndex) -> Self {
        self.attribute(LinkAttribute::Link(lower.get()))
    }

    /// The team, bridge or other device that it becomes a port of.
    pub fn master(self, master: IfIndex) -> Self {
        self.attribute(LinkAttribute::Controller(master.get()))
    }

    /// Sets it up; it is down by default, but a team sets its ports up by itself.
    pub fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// Any other attribute.
    pub fn attribute(mut self, attribute: LinkAttribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Says what it is, for an error.
    pub(super) fn describe(&self) -> String {
        format!("{} device {}", self.kind, self.name.to_string_lossy())
    }

    /// Finds what the kernel would misunderstand, or what cannot even be sent.
    pub(super) fn check(&self) -> Result<()> {
        ifname::check(&self.name)?;
        self.attributes.iter().chain(self.peer()).try_for_each(check_name)?;
        match self.all_attributes().iter().map(Nla::value_len).find(|&length| length > MAX_VALUE_LEN) {
            Some(length) => Err(Error::InvalidSetting {
                setting: "an attribute of a new link",
                value: format!("{length} bytes"),
                reason: "no attribute can be longer than 65531 bytes",
            }),
            None => Ok(()),
        }
    }

    /// The request that creates it.
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

    /// Whether setting it up takes a request of its own: the kernel sets a new link up before the master gets it, and
    /// a team takes no link that is up.
    pub(super) fn is_set_up_later(&self) -> bool {
        let has_master = self.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Controller(_)));
        self.up && has_master
    }

    fn all_attributes(&self) -> Vec<LinkAttribute> {
        let mut info = vec![LinkInfo::Kind(self.kind.clone())];
        info.extend(self.data.clone().map(LinkInfo::Data));
        let mut attributes = vec![name_attribute(IFLA_IFNAME, &self.name), LinkAttribute::LinkInfo(info)];
        attributes.extend(self.attributes.iter().cloned());
        attributes
    }

    /// The attributes of the far end of a cable.
    fn peer(&self) -> &[LinkAttribute] {
        let peer = match &self.data {
            Some(InfoData::Veth(InfoVeth::Peer(peer)) | InfoData::Vxcan(InfoVxcan::Peer(peer))) => Some(peer),
            Some(InfoData::Netkit(infos)) => infos.iter().find_map(|info| match info {
                InfoNetkit::Peer(peer) => Some(peer),
                _ => None,
            }),
            _ => None,
        };
        peer.map_or(&[], |peer| &peer.attributes)
    }
}

fn check_name(attribute: &LinkAttribute) -> Result<()> {
    if attribute.kind() != IFLA_IFNAME {
        return Ok(());
    }
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    ifname::check(OsStr::from_bytes(value.strip_suffix(&[0]).unwrap_or(&value)))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST};

    use super::*;
    use crate::netlink::codec::frame::serialize;
    use crate::testing::golden::{REQUEST_CREATE, bytes};

    fn header(link: &NewLink) -> (u32, LinkFlags, LinkFlags) {
        let RouteNetlinkMessage::NewLink(message) = link.request() else { panic!("it creates") };
        (message.header.index, message.header.flags, message.header.change_mask)
    }

    #[test]
    fn the_request_for_a_team_is_what_the_kernel_takes() {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        assert_eq!(serialize(NewLink::team("team0").request(), flags).unwrap(), bytes(REQUEST_CREATE));
    }

    #[test]
    fn a_link_is_created_up_unless_it_has_a_master() {
        let seven = IfIndex::new(7).unwrap();
        let none = LinkFlags::empty();
        let link = NewLink::dummy("d0").index(seven);
        assert_eq!(header(&link), (7, none, none));
        let link = link.up();
        assert_eq!((header(&link), link.is_set_up_later()), ((7, LinkFlags::Up, LinkFlags::Up), false));
        let link = link.master(seven);
        assert_eq!((header(&link), link.is_set_up_later()), ((7, none, none), true));
        assert!(!NewLink::dummy("d0").master(seven).is_set_up_later());
    }

    #[test]
    fn every_name_is_checked() {
        let peer = |name: &str| NewLink::veth("v0", name);
        let text = |name: &str| NewLink::dummy("d0").attribute(LinkAttribute::IfName(name.to_owned()));
        let raw = |name: &str| NewLink::dummy("d0").attribute(name_attribute(IFLA_IFNAME, OsStr::new(name)));
        for bad in ["", "a/b", "x%d", "sixteen-bytes-xx"] {
            for link in [NewLink::dummy(bad), peer(bad), text(bad), raw(bad)] {
                assert!(matches!(link.check(), Err(Error::InvalidName { name, .. }) if name == bad), "{link:?}");
            }
        }
        peer("v1").check().unwrap();
    }

    #[test]
    fn an_attribute_that_is_too_long_is_refused() {
        let with =
            |length: usize| NewLink::dummy("d0").attribute(LinkAttribute::Other(DefaultNla::new(20, vec![0; length])));
        with(65_531).check().unwrap();
        let error = with(65_532).check().unwrap_err().to_string();
        assert!(error.contains("65532 bytes"), "{error}");
        with(200_000).check().unwrap_err();
        NewLink::dummy("d0").data(InfoData::Other(vec![0; 65_532])).check().unwrap_err();
    }
}
