use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use bitflags::bitflags;

use super::hwaddr::HwAddr;
use super::ifindex::IfIndex;
use super::name::Name;

/// One network interface of the namespace, as rtnetlink reports it. What the C library calls
/// ifinfo.
///
/// # Examples
///
/// ```
/// use libteam::{OperState, TeamHandle};
///
/// # test_netns::enter();
/// let team = TeamHandle::create("team0")?;
/// let link = team.team_link().expect("it is there");
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

/// What few links have: kept apart, for there may be very many links. Never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RareAttrs {
    pub(crate) phys_port_id: Option<Box<[u8]>>,
    pub(crate) alternative_names: Vec<Name>,
}

impl Link {
    /// The interface index.
    #[doc(alias = "team_get_ifinfo_ifindex")]
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// The interface name as text. Bytes that are not UTF-8 show as U+FFFD;
    /// [`name_os`](Self::name_os) has them.
    #[doc(alias = "team_get_ifinfo_ifname")]
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The interface name as the kernel has it, which need not be UTF-8.
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
    /// let link = team.team_link().expect("it is there");
    /// assert_eq!((link.name_os(), link.name()), (latin1, "t\u{fffd}am"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[must_use]
    pub fn name_os(&self) -> &OsStr {
        self.name.as_os_str()
    }

    /// The hardware address in use, or `None` for a link that has none (a tunnel, say).
    #[doc(alias = "team_get_ifinfo_hwaddr")]
    #[must_use]
    pub fn hwaddr(&self) -> Option<HwAddr> {
        self.hwaddr
    }

    /// The hardware address that the link has when it belongs to no master: what it goes back to on
    /// release.
    ///
    /// For a link that already had a master when the handle first saw it this is its permanent
    /// address, or `None` where it has no such address (veth and dummy have none). What happened
    /// while notifications were lost nobody tells: a port that was released, given another address,
    /// and added again meanwhile still has the old one here.
    #[doc(alias = "team_get_ifinfo_orig_hwaddr")]
    #[must_use]
    pub fn original_hwaddr(&self) -> Option<HwAddr> {
        self.original_hwaddr
    }

    /// The team, bridge or other master that the link belongs to.
    #[doc(alias = "team_get_ifinfo_master_ifindex")]
    #[must_use]
    pub fn master(&self) -> Option<IfIndex> {
        self.master
    }

    /// All of the link's flags.
    #[must_use]
    pub fn flags(&self) -> LinkFlags {
        self.flags
    }

    /// Whether the link was set up by its administrator (`IFF_UP`).
    #[doc(alias = "team_get_ifinfo_admin_state")]
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// Whether the driver senses a carrier. The kernel does not announce a change of it while the
    /// link is down: then this is as old as the kernel's last message about the link.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.carrier
    }

    /// How often the carrier came or went since the link was made: shows a flap that was over
    /// before it was read. Not announced while the link is down, as
    /// [`has_carrier`](Self::has_carrier).
    #[must_use]
    pub fn carrier_changes(&self) -> u32 {
        self.carrier_changes
    }

    /// The operational state.
    #[must_use]
    pub fn oper_state(&self) -> OperState {
        self.oper_state
    }

    /// The largest packet that the link sends, in bytes without the link-layer header.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// The kind of a virtual link (`team`, `veth`, `vlan`, …), or `None` for most physical ones.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Whether the link is a team device.
    #[must_use]
    pub fn is_team(&self) -> bool {
        self.kind() == Some(Self::TEAM_KIND)
    }

    /// The driver's identification of the physical port, where it has one: at most 32 bytes.
    #[doc(alias = "team_get_ifinfo_phys_port_id")]
    #[doc(alias = "team_get_ifinfo_phys_port_id_len")]
    #[must_use]
    pub fn phys_port_id(&self) -> Option<&[u8]> {
        self.rare.as_ref()?.phys_port_id.as_deref()
    }

    /// Further names by which the kernel finds the link, each up to 127 bytes, as text like
    /// [`name`](Self::name). Not announced while the link is down, as
    /// [`has_carrier`](Self::has_carrier).
    pub fn alternative_names(&self) -> impl Iterator<Item = &str> {
        self.further_names().iter().map(Name::as_str)
    }

    /// The [`alternative_names`](Self::alternative_names) as the kernel has them.
    pub fn alternative_names_os(&self) -> impl Iterator<Item = &OsStr> {
        self.further_names().iter().map(Name::as_os_str)
    }

    pub(crate) fn further_names(&self) -> &[Name] {
        self.rare.as_ref().map_or(&[], |rare| &rare.alternative_names)
    }

    pub(crate) const TEAM_KIND: &'static str = "team";
}

/// As the C library's `team_ifinfo_str` prints a link that did not change: index, name, hardware
/// address, and the index of the master or 0. [`Change`](crate::Change) prints the marks.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hwaddr = self.hwaddr.map(|hwaddr| hwaddr.to_string()).unwrap_or_default();
        let master = self.master.map_or(0, IfIndex::get);
        write!(f, " {}: {}: {hwaddr}: {master}", self.ifindex, self.name)
    }
}

bitflags! {
    /// The flags of a link: `IFF_*` of netdevice(7).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::LinkFlags;
    ///
    /// let flags = LinkFlags::UP | LinkFlags::from_bits_retain(1 << 31);
    /// assert!(flags.contains(LinkFlags::UP) && !flags.contains(LinkFlags::LOWER_UP));
    /// assert_eq!(flags.bits(), 0x8000_0001, "what has no name here is kept");
    /// ```
    ///
    /// # Source
    ///
    /// `IFF_*`, netdevice(7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct LinkFlags: u32 {
        /// Set up by its administrator.
        const UP = 1;
        /// Has a valid broadcast address.
        const BROADCAST = 1 << 1;
        /// Is a loopback.
        const LOOPBACK = 1 << 3;
        /// Joins two ends.
        const POINT_TO_POINT = 1 << 4;
        /// Operational state is up.
        const RUNNING = 1 << 6;
        /// Does without ARP.
        const NO_ARP = 1 << 7;
        /// Takes every packet.
        #[doc(alias = "promisc")]
        const PROMISCUOUS = 1 << 8;
        /// Takes every multicast packet.
        const ALL_MULTICAST = 1 << 9;
        /// Has ports.
        const MASTER = 1 << 10;
        /// Is the port of a master.
        const SLAVE = 1 << 11;
        /// Takes part in multicast.
        const MULTICAST = 1 << 12;
        /// The driver signals that its lower layer is up.
        const LOWER_UP = 1 << 16;
        /// Waits for an event before it is up.
        const DORMANT = 1 << 17;
        /// Echoes what it sends.
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
    /// The driver does not tell; taken for up.
    #[default]
    Unknown,
    /// Some part of the hardware is missing.
    NotPresent,
    /// Cannot pass packets.
    Down,
    /// Down because of the link beneath it.
    LowerLayerDown,
    /// In test.
    Testing,
    /// Waits for an external event, authentication say.
    Dormant,
    /// Passes packets.
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

impl fmt::Display for OperState {
    /// As `ip link` prints it.
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
