use bitflags::bitflags;

bitflags! {
    /// The set of fields of a link that changed; for a new link, all fields that it has.
    ///
    /// # Examples
    ///
    /// See [`Change::changed_fields`](crate::Change::changed_fields).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct LinkChange: u32 {
        /// The link was removed; no other flag is set.
        #[doc(alias = "team_is_ifinfo_removed")]
        const REMOVED = 1;
        /// The name.
        #[doc(alias = "team_is_ifinfo_ifname_changed")]
        const NAME = 1 << 1;
        /// The hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_changed")]
        const HWADDR = 1 << 2;
        /// The length of the hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_len_changed")]
        const HWADDR_LEN = 1 << 3;
        /// The [original hardware address](crate::Link::original_hwaddr).
        const ORIGINAL_HWADDR = 1 << 4;
        /// The master.
        #[doc(alias = "team_is_ifinfo_master_ifindex_changed")]
        const MASTER = 1 << 5;
        /// The administrative state (`IFF_UP`).
        #[doc(alias = "team_is_ifinfo_admin_state_changed")]
        const ADMIN_STATE = 1 << 6;
        /// One of the flags, including the administrative state.
        const FLAGS = 1 << 7;
        /// The carrier, also if it is the same again after a change.
        const CARRIER = 1 << 8;
        /// The operational state.
        const OPER_STATE = 1 << 9;
        /// The MTU.
        const MTU = 1 << 10;
        /// The identification of the physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_changed")]
        const PHYS_PORT_ID = 1 << 11;
        /// The length of the identification of the physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_len_changed")]
        const PHYS_PORT_ID_LEN = 1 << 12;
        /// The alternative names.
        const ALTERNATIVE_NAMES = 1 << 13;
        /// The kind, which means that another link got the index.
        const KIND = 1 << 14;
        /// The link is no longer tracked: see [`Change::is_released`](crate::Change::is_released).
        const RELEASED = 1 << 15;
        /// The kernel announced the link's addresses to its neighbours.
        ///
        /// It does so by gratuitous ARP and unsolicited neighbour advertisements, which change no
        /// field of the link. The flag stands for one or more announcements in the batch.
        /// Announcements whose notification was lost are not reported.
        ///
        /// # Source
        ///
        /// The kernel's `NETDEV_NOTIFY_PEERS`; `IFLA_EVENT_NOTIFY_PEERS` in `linux/if_link.h`.
        #[doc(alias = "NETDEV_NOTIFY_PEERS")]
        const NOTIFY_PEERS = 1 << 16;
        /// The kernel joined the link's multicast groups again.
        ///
        /// Like [`NOTIFY_PEERS`](Self::NOTIFY_PEERS), the event changes no field of the link.
        ///
        /// # Source
        ///
        /// The kernel's `NETDEV_RESEND_IGMP`; `IFLA_EVENT_IGMP_RESEND` in `linux/if_link.h`.
        #[doc(alias = "NETDEV_RESEND_IGMP")]
        const MCAST_REJOIN = 1 << 17;
    }
}
