use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use bitflags::bitflags;

use super::hwaddr::HwAddr;
use super::ifindex::IfIndex;
use super::name::Name;

/// A network interface of the namespace, as rtnetlink reports it; the C library's ifinfo.
///
/// A `Link` is a snapshot of the handle's cache: its methods send no request.
///
/// # Examples
///
/// ```
/// use libteam::{OperState, TeamHandle};
///
/// # test_netns::enter();
/// let team = TeamHandle::create("team0")?;
/// let link = team.team_link().expect("the team's own link is cached");
/// assert_eq!((link.name(), link.kind(), link.mtu()), ("team0", Some("team"), 1500));
/// assert!(!link.is_admin_up() && !link.has_carrier(), "a new device is down");
/// assert_eq!((link.oper_state(), link.master()), (OperState::Down, None));
/// println!("{} has the address {}", link.name(), link.hwaddr().expect("an Ethernet device"));
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `RTM_NEWLINK`, rtnetlink(7). [`LinkInfo`](crate::rtnl::LinkInfo) names the attribute of each
/// method, except for [`original_hwaddr`](Self::original_hwaddr), which is what `IFLA_ADDRESS` was
/// before the link had a master, or else `IFLA_PERM_ADDRESS`.
#[doc(alias = "team_ifinfo")]
#[doc(alias = "team_ifinfo_str")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub(crate) ifindex: IfIndex,
    pub(crate) name: Name,
    pub(crate) hwaddr: Option<HwAddr>,
    pub(crate) original_hwaddr: Option<HwAddr>,
    pub(crate) master: Option<IfIndex>,
    pub(crate) flags: LinkFlags,
    pub(crate) carrier: bool,
    pub(crate) carrier_changes: u32,
    pub(crate) oper_state: OperState,
    pub(crate) mtu: u32,
    pub(crate) kind: Option<Arc<str>>,
    pub(crate) rare: Option<Box<RareAttrs>>,
}

/// The attributes that few links have, in an allocation of their own to save memory.
///
/// It exists only for a link with at least one of these attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RareAttrs {
    pub(crate) phys_port_id: Option<Box<[u8]>>,
    pub(crate) alternative_names: Vec<Name>,
}

impl Link {
    /// Returns the interface index.
    #[doc(alias = "team_get_ifinfo_ifindex")]
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// Returns the interface name as text.
    ///
    /// U+FFFD replaces bytes that are not UTF-8; [`name_os`](Self::name_os) returns them unchanged.
    #[doc(alias = "team_get_ifinfo_ifname")]
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns the interface name as the kernel spells it, which need not be UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ffi::OsStr;
    /// use std::os::unix::ffi::OsStrExt;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let latin1 = OsStr::from_bytes(b"t\xe9am");
    /// let team = TeamHandle::create(latin1)?;
    /// let link = team.team_link().expect("the team's own link is cached");
    /// assert_eq!((link.name_os(), link.name()), (latin1, "t\u{fffd}am"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[must_use]
    pub fn name_os(&self) -> &OsStr {
        self.name.as_os_str()
    }

    /// Returns the hardware address in use, or `None` for a link without one, e.g. a tunnel.
    #[doc(alias = "team_get_ifinfo_hwaddr")]
    #[must_use]
    pub fn hwaddr(&self) -> Option<HwAddr> {
        self.hwaddr
    }

    /// Returns the hardware address that the link gets back when its master releases it.
    ///
    /// For a link that already had a master when the handle first saw it, this is the permanent
    /// address of the device, or `None` if the device has none (veth and dummy links).
    ///
    /// After lost notifications the address can be outdated: if a port was released, got another
    /// address and was added again in that time, this is still the address from before.
    #[doc(alias = "team_get_ifinfo_orig_hwaddr")]
    #[must_use]
    pub fn original_hwaddr(&self) -> Option<HwAddr> {
        self.original_hwaddr
    }

    /// Returns the team, bridge or other master that the link belongs to.
    #[doc(alias = "team_get_ifinfo_master_ifindex")]
    #[must_use]
    pub fn master(&self) -> Option<IfIndex> {
        self.master
    }

    /// Returns all flags of the link.
    #[must_use]
    pub fn flags(&self) -> LinkFlags {
        self.flags
    }

    /// Returns whether the link is administratively up (`IFF_UP`).
    #[doc(alias = "team_get_ifinfo_admin_state")]
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// Returns whether the link has a carrier.
    ///
    /// While the link is administratively down, the kernel reports no change of the carrier. The
    /// value is then that of the kernel's last message about the link.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.carrier
    }

    /// Returns how often the carrier changed since the link was created.
    ///
    /// The counter reveals a carrier that was lost and restored between two messages. Like
    /// [`has_carrier`](Self::has_carrier), it is not reported while the link is down.
    #[must_use]
    pub fn carrier_changes(&self) -> u32 {
        self.carrier_changes
    }

    /// Returns the operational state.
    #[must_use]
    pub fn oper_state(&self) -> OperState {
        self.oper_state
    }

    /// Returns the MTU: the largest packet in bytes, without the link-layer header.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Returns the kind of a virtual link (`team`, `veth`, `vlan`, …).
    ///
    /// `None` for links without a kind, which most physical links are.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns whether the link is a team device.
    #[must_use]
    pub fn is_team(&self) -> bool {
        self.kind() == Some(Self::TEAM_KIND)
    }

    /// Returns the driver's identification of the physical port, at most 32 bytes.
    ///
    /// `None` if the driver does not report one.
    #[doc(alias = "team_get_ifinfo_phys_port_id")]
    #[doc(alias = "team_get_ifinfo_phys_port_id_len")]
    #[must_use]
    pub fn phys_port_id(&self) -> Option<&[u8]> {
        self.rare.as_ref()?.phys_port_id.as_deref()
    }

    /// Returns the alternative names (`altname` of `ip link`), as text like [`name`](Self::name).
    ///
    /// The kernel finds the link by each of these names too. A name has up to 127 bytes. Like
    /// [`has_carrier`](Self::has_carrier), a change is not reported while the link is down.
    pub fn alternative_names(&self) -> impl Iterator<Item = &str> {
        self.further_names().iter().map(Name::as_str)
    }

    /// Returns the [`alternative_names`](Self::alternative_names) as the kernel spells them.
    pub fn alternative_names_os(&self) -> impl Iterator<Item = &OsStr> {
        self.further_names().iter().map(Name::as_os_str)
    }

    pub(crate) fn further_names(&self) -> &[Name] {
        self.rare.as_ref().map_or(&[], |rare| &rare.alternative_names)
    }

    pub(crate) const TEAM_KIND: &'static str = "team";
}

/// Prints index, name, hardware address, and the index of the master or 0.
///
/// The format is that of the C library's `team_ifinfo_str` for a link that did not change.
/// [`Change`](crate::Change) prints the marks of changed fields.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hwaddr = self.hwaddr.map(|hwaddr| hwaddr.to_string()).unwrap_or_default();
        let master = self.master.map_or(0, IfIndex::get);
        write!(f, " {}: {}: {hwaddr}: {master}", self.ifindex, self.name)
    }
}

bitflags! {
    /// The flags of a link (`IFF_*`).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::LinkFlags;
    ///
    /// let flags = LinkFlags::UP | LinkFlags::from_bits_retain(1 << 31);
    /// assert!(flags.contains(LinkFlags::UP) && !flags.contains(LinkFlags::LOWER_UP));
    /// assert_eq!(flags.bits(), 0x8000_0001, "bits without a name are kept");
    /// ```
    ///
    /// # Source
    ///
    /// `IFF_*`, netdevice(7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct LinkFlags: u32 {
        /// The link is administratively up.
        const UP = 1;
        /// The link has a valid broadcast address.
        const BROADCAST = 1 << 1;
        /// The link is a loopback link.
        const LOOPBACK = 1 << 3;
        /// The link connects two end points.
        const POINT_TO_POINT = 1 << 4;
        /// The operational state is up (or unknown).
        const RUNNING = 1 << 6;
        /// The link uses no ARP.
        const NO_ARP = 1 << 7;
        /// The link receives every packet.
        #[doc(alias = "promisc")]
        const PROMISCUOUS = 1 << 8;
        /// The link receives every multicast packet.
        const ALL_MULTICAST = 1 << 9;
        /// The link is a master with ports.
        const MASTER = 1 << 10;
        /// The link is the port of a master.
        const SLAVE = 1 << 11;
        /// The link supports multicast.
        const MULTICAST = 1 << 12;
        /// The driver reports that the lower layer is up (the carrier).
        const LOWER_UP = 1 << 16;
        /// The driver waits for an external event before the link is up.
        const DORMANT = 1 << 17;
        /// The link echoes the packets that it sends.
        const ECHO = 1 << 18;
        // The kernel's other bits are kept as they are.
        const _ = !0;
    }
}

/// The operational state of a link (RFC 2863).
///
/// # Examples
///
/// ```
/// use libteam::OperState;
///
/// assert_eq!(OperState::from(6), OperState::Up);
/// assert_eq!(OperState::from(77), OperState::Other(77));
/// assert_eq!(OperState::LowerLayerDown.to_string(), "LOWERLAYERDOWN");
/// ```
///
/// # Source
///
/// `IF_OPER_*`, `linux/if.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OperState {
    /// The driver does not report the state; the kernel treats the link as up.
    #[default]
    Unknown,
    /// Part of the hardware is missing.
    NotPresent,
    /// The link cannot pass packets.
    Down,
    /// The link is down because a link below it is down.
    LowerLayerDown,
    /// The link is being tested.
    Testing,
    /// The link waits for an external event, e.g. 802.1X authentication.
    Dormant,
    /// The link passes packets.
    Up,
    /// A state that this version of the crate does not know.
    Other(u8),
}

impl From<u8> for OperState {
    fn from(state: u8) -> Self {
        match state {
            0 => Self::Unknown,
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            other => Self::Other(other),
        }
    }
}

/// Prints the state as `ip link` does.
impl fmt::Display for OperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.pad("UNKNOWN"),
            Self::NotPresent => f.pad("NOTPRESENT"),
            Self::Down => f.pad("DOWN"),
            Self::LowerLayerDown => f.pad("LOWERLAYERDOWN"),
            Self::Testing => f.pad("TESTING"),
            Self::Dormant => f.pad("DORMANT"),
            Self::Up => f.pad("UP"),
            Self::Other(state) => write!(f, "{state}"),
        }
    }
}
