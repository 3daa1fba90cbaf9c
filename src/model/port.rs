use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use super::ifindex::IfIndex;
use super::name::Name;

/// One port of the team, as the team driver reports it.
///
/// The link under the port has its own state (name, carrier, address): see
/// [`TeamHandle::link`](crate::TeamHandle::link).
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::{Duplex, TeamHandle};
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
/// let mut team = TeamHandle::create("team0")?;
/// team.add_port(eth1)?;
/// let port = team.port(eth1).expect("it was added");
/// assert_eq!((port.ifindex(), port.name(), port.is_link_up()), (eth1, Some("eth1"), true));
/// assert_eq!((port.speed_mbps(), port.duplex()), (None, Duplex::Unknown), "a dummy has none");
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `TEAM_ATTR_PORT_IFINDEX`, `TEAM_ATTR_PORT_LINKUP`, `TEAM_ATTR_PORT_SPEED` and
/// `TEAM_ATTR_PORT_DUPLEX`, `linux/if_team.h`; the name is that of
/// [`TeamHandle::link`](crate::TeamHandle::link).
#[doc(alias = "team_port")]
#[doc(alias = "team_port_str")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Port {
    pub(crate) ifindex: IfIndex,
    pub(crate) name: Option<Arc<Name>>,
    pub(crate) link_up: bool,
    pub(crate) raw_speed: u32,
    pub(crate) raw_duplex: u8,
}

const SPEED_UNKNOWN: u32 = u32::MAX;
const DUPLEX_HALF: u8 = 0;
const DUPLEX_FULL: u8 = 1;

impl Port {
    /// The interface index of the port's link.
    #[doc(alias = "team_get_port_ifindex")]
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// The name of the port's link as text, or `None` while the link's own message has not arrived.
    /// Bytes that are not UTF-8 show as U+FFFD; [`name_os`](Self::name_os) has them.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(Name::as_str)
    }

    /// The name of the port's link as the kernel has it: that of
    /// [`Link::name_os`](crate::Link::name_os).
    #[must_use]
    pub fn name_os(&self) -> Option<&OsStr> {
        self.name.as_deref().map(Name::as_os_str)
    }

    /// Whether the driver sees the port's link up: its operational state is up or unknown.
    ///
    /// This is the kernel's view; a link state set by hand (the option `user_linkup`) does not show
    /// here.
    #[doc(alias = "team_is_port_link_up")]
    #[must_use]
    pub fn is_link_up(&self) -> bool {
        self.link_up
    }

    /// The port's speed in Mbit/s, or `None` while the kernel does not know it.
    ///
    /// The driver tells the speed when the link goes up or down; a change of speed alone sends no
    /// event.
    #[doc(alias = "team_get_port_speed")]
    #[must_use]
    pub fn speed_mbps(&self) -> Option<u32> {
        Some(self.raw_speed).filter(|speed| !matches!(*speed, 0 | SPEED_UNKNOWN))
    }

    /// Returns the speed as the kernel sends it: 0 or `SPEED_UNKNOWN` (4294967295) where it is not
    /// known.
    ///
    /// # Source
    ///
    /// `TEAM_ATTR_PORT_SPEED`, `linux/if_team.h`; `SPEED_*`, `linux/ethtool.h`.
    #[must_use]
    pub fn raw_speed(&self) -> u32 {
        self.raw_speed
    }

    /// Whether the port sends and receives at the same time.
    #[doc(alias = "team_get_port_duplex")]
    #[must_use]
    pub fn duplex(&self) -> Duplex {
        match self.raw_duplex {
            // Where there is no speed the driver leaves the duplex at 0, which would read as half.
            _ if self.speed_mbps().is_none() => Duplex::Unknown,
            DUPLEX_HALF => Duplex::Half,
            DUPLEX_FULL => Duplex::Full,
            _ => Duplex::Unknown,
        }
    }

    /// Returns the duplex as the kernel sends it: 0 for half, 1 for full, 255 for unknown. It is 0
    /// too where there is no speed.
    ///
    /// # Source
    ///
    /// `TEAM_ATTR_PORT_DUPLEX`, `linux/if_team.h`; `DUPLEX_*`, `linux/ethtool.h`.
    #[must_use]
    pub fn raw_duplex(&self) -> u8 {
        self.raw_duplex
    }
}

impl Port {
    pub(crate) fn fmt_marked(&self, mark: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().unwrap_or("(removed)");
        let state = if self.link_up { "up" } else { "down" };
        let speed = self.speed_mbps().unwrap_or(0);
        write!(f, "{mark}{}: {name}: {state} {speed}Mbit {}", self.ifindex, self.duplex())
    }
}

/// As the C library's `team_port_str` prints a port that did not change: a blank where
/// [`Change`](crate::Change) has its mark, index, name, link state, speed (0 where it is unknown)
/// and duplex.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_marked(' ', f)
    }
}

/// Whether a port sends and receives in turn or at the same time.
///
/// # Examples
///
/// See [`Port`].
///
/// # Source
///
/// `DUPLEX_*`, `linux/ethtool.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Duplex {
    /// In turn.
    Half,
    /// At the same time.
    Full,
    /// The kernel does not know.
    Unknown,
}

/// `FD` for full, `HD` for everything else, as the C library has it.
impl fmt::Display for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "FD",
            Self::Half | Self::Unknown => "HD",
        })
    }
}
