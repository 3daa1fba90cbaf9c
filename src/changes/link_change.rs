use bitflags::bitflags;

bitflags! {
    /// What of a link changed; of a new link all that it has.
    ///
    /// # Examples
    ///
    /// See [`Change::changed_fields`](crate::Change::changed_fields).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct LinkChange: u32 {
        /// The link is gone.
        #[doc(alias = "team_is_ifinfo_removed")]
        const REMOVED = 1;
        /// Its name.
        #[doc(alias = "team_is_ifinfo_ifname_changed")]
        const NAME = 1 << 1;
        /// Its hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_changed")]
        const HWADDR = 1 << 2;
        /// The length of its hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_len_changed")]
        const HWADDR_LEN = 1 << 3;
        /// Its hardware address of the time when it has no master.
        const ORIGINAL_HWADDR = 1 << 4;
        /// Its master.
        #[doc(alias = "team_is_ifinfo_master_ifindex_changed")]
        const MASTER = 1 << 5;
        /// Whether its administrator set it up.
        #[doc(alias = "team_is_ifinfo_admin_state_changed")]
        const ADMIN_STATE = 1 << 6;
        /// Any of its flags, the administrative state among them.
        const FLAGS = 1 << 7;
        /// Its carrier, even if it is back again.
        const CARRIER = 1 << 8;
        /// Its operational state.
        const OPER_STATE = 1 << 9;
        /// Its MTU.
        const MTU = 1 << 10;
        /// The identification of its physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_changed")]
        const PHYS_PORT_ID = 1 << 11;
        /// The length of the identification of its physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_len_changed")]
        const PHYS_PORT_ID_LEN = 1 << 12;
        /// Its alternative names.
        const ALTERNATIVE_NAMES = 1 << 13;
        /// Its kind: another link got its index.
        const KIND = 1 << 14;
        /// It is no port of the team any more, and not followed from now on: see
        /// [`Change::is_released`](crate::Change::is_released).
        const RELEASED = 1 << 15;
        /// Its neighbours were told of its addresses, by gratuitous ARP and unsolicited neighbour
        /// advertisements. Where nothing else changed, the link after the change is the one before.
        /// It stands for any number of times; of those that were lost with their notifications
        /// nobody tells.
        ///
        /// # Source
        ///
        /// The kernel's `NETDEV_NOTIFY_PEERS`; `IFLA_EVENT_NOTIFY_PEERS` in `linux/if_link.h`.
        #[doc(alias = "NETDEV_NOTIFY_PEERS")]
        const NOTIFY_PEERS = 1 << 16;
        /// Its multicast groups were joined again. See [`NOTIFY_PEERS`](Self::NOTIFY_PEERS).
        ///
        /// # Source
        ///
        /// The kernel's `NETDEV_RESEND_IGMP`; `IFLA_EVENT_IGMP_RESEND` in `linux/if_link.h`.
        #[doc(alias = "NETDEV_RESEND_IGMP")]
        const MCAST_REJOIN = 1 << 17;
    }
}
