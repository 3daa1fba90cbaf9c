use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use super::ifindex::IfIndex;
use super::name::Name;

/// A port of the team, as the team driver reports it.
///
/// The port's link has a state of its own (name, carrier, address): see
/// [`TeamHandle::link`](crate::TeamHandle::link). A `Port` is a snapshot of the handle's cache: its
/// methods send no request.
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
/// let port = team.port(eth1).expect("eth1 was added");
/// assert_eq!((port.ifindex(), port.name(), port.is_link_up()), (eth1, Some("eth1"), true));
/// assert_eq!((port.speed_mbps(), port.duplex()), (None, Duplex::Unknown), "a dummy has no speed");
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `TEAM_ATTR_PORT_IFINDEX`, `TEAM_ATTR_PORT_LINKUP`, `TEAM_ATTR_PORT_SPEED` and
/// `TEAM_ATTR_PORT_DUPLEX`, `linux/if_team.h`; the name comes from the port's link.
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
    /// Returns the interface index of the port's link.
    #[doc(alias = "team_get_port_ifindex")]
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.ifindex
    }

    /// Returns the name of the port's link as text, or `None` before the first message of the link.
    ///
    /// U+FFFD replaces bytes that are not UTF-8; [`name_os`](Self::name_os) returns them unchanged.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(Name::as_str)
    }

    /// Returns the name of the port's link as the kernel spells it.
    ///
    /// It is the same as [`Link::name_os`](crate::Link::name_os) of the port's link.
    #[must_use]
    pub fn name_os(&self) -> Option<&OsStr> {
        self.name.as_deref().map(Name::as_os_str)
    }

    /// Returns whether the driver reports the port's link as up.
    ///
    /// The driver does so while the link's operational state is up or unknown. A state that was set
    /// by the option `user_linkup` has no influence here.
    #[doc(alias = "team_is_port_link_up")]
    #[must_use]
    pub fn is_link_up(&self) -> bool {
        self.link_up
    }

    /// Returns the speed in Mbit/s, or `None` while the kernel does not know it.
    ///
    /// The driver reports the speed when the link goes up or down. A change of the speed alone
    /// causes no event.
    #[doc(alias = "team_get_port_speed")]
    #[must_use]
    pub fn speed_mbps(&self) -> Option<u32> {
        Some(self.raw_speed).filter(|speed| !matches!(*speed, 0 | SPEED_UNKNOWN))
    }

    /// Returns the speed as the kernel sends it, in Mbit/s.
    ///
    /// 0 and `SPEED_UNKNOWN` (4294967295) stand for an unknown speed.
    ///
    /// # Source
    ///
    /// `TEAM_ATTR_PORT_SPEED`, `linux/if_team.h`; `SPEED_*`, `linux/ethtool.h`.
    #[must_use]
    pub fn raw_speed(&self) -> u32 {
        self.raw_speed
    }

    /// Returns the duplex of the port's link: [`Duplex::Unknown`] while the speed is not known.
    #[doc(alias = "team_get_port_duplex")]
    #[must_use]
    pub fn duplex(&self) -> Duplex {
        match self.raw_duplex {
            // Without a speed the driver leaves the duplex at 0, which would be half duplex.
            _ if self.speed_mbps().is_none() => Duplex::Unknown,
            DUPLEX_HALF => Duplex::Half,
            DUPLEX_FULL => Duplex::Full,
            _ => Duplex::Unknown,
        }
    }

    /// Returns the duplex as the kernel sends it: 0 for half, 1 for full, 255 for unknown.
    ///
    /// It is also 0 while the speed is not known.
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

/// Prints a blank, then index, name, link state, speed (0 if unknown) and duplex.
///
/// The format is that of the C library's `team_port_str` for a port that did not change.
/// [`Change`](crate::Change) prints a mark instead of the blank.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_marked(' ', f)
    }
}

/// The duplex of a port's link.
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
    /// Half duplex: the link sends and receives in turn.
    Half,
    /// Full duplex: the link sends and receives at the same time.
    Full,
    /// The kernel does not know the duplex.
    Unknown,
}

/// Prints `FD` for full duplex and `HD` for everything else, like the C library.
impl fmt::Display for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "FD",
            Self::Half | Self::Unknown => "HD",
        })
    }
}
