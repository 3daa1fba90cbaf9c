/// What the kernel says made it announce a link, where it was more than a changed attribute.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LinkEventCause {
    /// The device was reset by its driver.
    Reboot,
    /// What the device can offload was changed.
    Features,
    /// A bond has another active port.
    BondingFailover,
    /// The neighbours are being told of the device's addresses, by gratuitous ARP and unsolicited advertisements: a
    /// team or a bond has failed over, say.
    NotifyPeers,
    /// The device's multicast groups are being joined again.
    ResendIgmp,
    /// An option of a bond was changed.
    BondingOptions,
    /// One that this crate does not know.
    Other(u32),
}

impl LinkEventCause {
    /// What the kernel's number means; `None` for 0, which says that there is no such cause.
    pub(crate) fn of(number: u32) -> Option<Self> {
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
