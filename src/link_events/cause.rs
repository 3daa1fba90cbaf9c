/// The cause of a link notification, if it was more than a changed attribute.
///
/// # Examples
///
/// See [`LinkEvent::cause`](super::LinkEvent::cause).
///
/// # Source
///
/// `IFLA_EVENT_*`, `linux/if_link.h`.
#[doc(alias = "IFLA_EVENT")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum LinkEventCause {
    /// The driver reset the device.
    Reboot,
    /// The offload features of the device changed.
    Features,
    /// The active port of a bond changed.
    BondingFailover,
    /// The kernel announces the device's addresses to its neighbours.
    ///
    /// It does so by gratuitous ARP and unsolicited neighbour advertisements, e.g. after a failover
    /// of a bond or when a port of a team is enabled.
    NotifyPeers,
    /// The device rejoins its multicast groups.
    ResendIgmp,
    /// An option of a bond changed.
    BondingOptions,
    /// A cause that this version of the crate does not know.
    Other(u32),
}

impl LinkEventCause {
    /// Converts the kernel's number; 0 (`IFLA_EVENT_NONE`) is `None`.
    pub(crate) fn from_raw(number: u32) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Reboot),
            2 => Some(Self::Features),
            3 => Some(Self::BondingFailover),
            4 => Some(Self::NotifyPeers),
            5 => Some(Self::ResendIgmp),
            6 => Some(Self::BondingOptions),
            other => Some(Self::Other(other)),
        }
    }
}
