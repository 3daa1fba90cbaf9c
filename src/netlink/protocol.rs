/// A netlink protocol: the kernel subsystem that a netlink socket communicates with.
///
/// # Examples
///
/// ```
/// use libteam::netlink::{NetlinkConnection, Protocol};
///
/// let connection = NetlinkConnection::new(Protocol::GENERIC)?;
/// # drop(connection);
/// assert_eq!(Protocol::new(16), Protocol::GENERIC);
/// assert_eq!(Protocol::XFRM.number(), 6);
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `NETLINK_*`, netlink(7) and `linux/netlink.h`.
#[doc(alias = "netlink_family")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(i32);

impl Protocol {
    /// Links, addresses, routes, neighbours, rules and traffic control (`NETLINK_ROUTE`, 0).
    pub const ROUTE: Self = Self(0);
    /// Information about sockets (`NETLINK_SOCK_DIAG`, 4).
    pub const SOCK_DIAG: Self = Self(4);
    /// IPsec (`NETLINK_XFRM`, 6).
    pub const XFRM: Self = Self(6);
    /// Auditing (`NETLINK_AUDIT`, 9).
    pub const AUDIT: Self = Self(9);
    /// Packet filtering and connection tracking (`NETLINK_NETFILTER`, 12).
    pub const NETFILTER: Self = Self(12);
    /// Generic netlink, for families like `team` and `ethtool` (`NETLINK_GENERIC`, 16).
    pub const GENERIC: Self = Self(16);

    /// Returns the protocol with this number; the kernel has numbers from 0 to 31.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Returns the number of the protocol, as socket(2) expects it.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    pub(super) fn as_isize(self) -> isize {
        isize::try_from(self.0).unwrap_or(isize::MAX)
    }
}
