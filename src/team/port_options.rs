//! The per-port options of the driver.

use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::team::TeamHandle;

/// # Options of a port
///
/// Setters send a request; getters read the cache and return `None` if the link is not a port.
impl TeamHandle {
    /// Returns whether a port is enabled, i.e. sends and receives, from the cache.
    ///
    /// `None` if the link is not a port.
    ///
    /// # Source
    ///
    /// The option `enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_port_enabled")]
    #[must_use]
    pub fn port_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::ENABLED, port))
    }

    /// Enables or disables a port: a disabled port neither sends nor receives.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// assert_eq!(team.port_enabled(eth1), Some(true), "a new port is enabled");
    ///
    /// team.set_port_enabled(eth1, false)?;
    /// assert_eq!(team.port_enabled(eth1), Some(false));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_port_enabled")]
    pub fn set_port_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::ENABLED, port), enabled)
    }

    /// Returns the priority of a port from the cache; a higher number is preferred.
    ///
    /// `None` if the link is not a port.
    ///
    /// # Source
    ///
    /// The option `priority` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_port_priority")]
    #[must_use]
    pub fn port_priority(&self, port: IfIndex) -> Option<i32> {
        self.i32_value(&OptionId::port(names::PRIORITY, port))
    }

    /// Sets the priority of a port; a higher number is preferred.
    ///
    /// Of several ports with the same [transmit queue](Self::set_port_queue_id), the driver uses
    /// the one with the highest priority.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_priority(eth1, -5)?;
    /// assert_eq!(team.port_priority(eth1), Some(-5));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `priority` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_port_priority")]
    pub fn set_port_priority(&mut self, port: IfIndex, priority: i32) -> Result<()> {
        self.set_option(&OptionId::port(names::PRIORITY, port), priority)
    }

    /// Returns whether a port receives, from the cache.
    ///
    /// `None` if the link is not a port, or the kernel has no such option (it came after 6.12).
    ///
    /// # Source
    ///
    /// The option `rx_enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn port_rx_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::RX_ENABLED, port))
    }

    /// Enables or disables receiving on a port.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; [`Error::UnknownOption`](crate::Error::UnknownOption) if the kernel does not have the
    /// option; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{Error, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    ///
    /// match team.set_port_rx_enabled(eth1, false) {
    ///     Err(Error::UnknownOption { .. }) => println!("the kernel does not have the option"),
    ///     result => {
    ///         result?;
    ///         assert_eq!(team.port_rx_enabled(eth1), Some(false));
    ///     }
    /// }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `rx_enabled` of the kernel's `drivers/net/team/team_core.c`.
    pub fn set_port_rx_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::RX_ENABLED, port), enabled)
    }

    /// Returns whether a port sends, from the cache.
    ///
    /// `None` if the link is not a port, or the kernel has no such option (it came after 6.12).
    ///
    /// # Source
    ///
    /// The option `tx_enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn port_tx_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::TX_ENABLED, port))
    }

    /// Enables or disables sending on a port.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; [`Error::UnknownOption`](crate::Error::UnknownOption) if the kernel does not have the
    /// option; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    ///
    /// // If the kernel has the option, only receive for now.
    /// if team.port_tx_enabled(eth1).is_some() {
    ///     team.set_port_tx_enabled(eth1, false)?;
    ///     assert_eq!(team.port_tx_enabled(eth1), Some(false));
    /// }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `tx_enabled` of the kernel's `drivers/net/team/team_core.c`.
    pub fn set_port_tx_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::TX_ENABLED, port), enabled)
    }

    /// Returns the link state that the user set for a port, from the cache.
    ///
    /// The driver uses it only while [`port_user_linkup_enabled`](Self::port_user_linkup_enabled)
    /// is true. `None` if the link is not a port.
    ///
    /// # Source
    ///
    /// The option `user_linkup` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_port_user_linkup")]
    #[must_use]
    pub fn port_user_linkup(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::USER_LINKUP, port))
    }

    /// Sets the user's link state of a port.
    ///
    /// The driver uses it only while
    /// [`set_port_user_linkup_enabled`](Self::set_port_user_linkup_enabled) is on.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    ///
    /// team.set_port_user_linkup(eth1, true)?;
    /// assert_eq!(team.port_user_linkup(eth1), Some(true));
    /// assert_eq!(team.port_user_linkup_enabled(eth1), Some(false), "not used yet");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `user_linkup` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_port_user_linkup")]
    pub fn set_port_user_linkup(&mut self, port: IfIndex, up: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::USER_LINKUP, port), up)
    }

    /// Returns whether a port uses the user's link state instead of the kernel's, from the cache.
    ///
    /// `None` if the link is not a port.
    ///
    /// # Source
    ///
    /// The option `user_linkup_enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn port_user_linkup_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::USER_LINKUP_ENABLED, port))
    }

    /// Sets whether a port uses the user's link state instead of the kernel's.
    ///
    /// The team's carrier depends on the chosen state;
    /// [`Port::is_link_up`](crate::Port::is_link_up) is always the kernel's.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    /// team; those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_user_linkup(eth1, false)?;
    /// team.set_port_user_linkup_enabled(eth1, true)?;
    /// assert_eq!(team.carrier(), Some(false));
    /// assert!(team.port(eth1).is_some_and(|port| port.is_link_up()), "the kernel's link state");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `user_linkup_enabled` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_port_user_linkup_enabled")]
    pub fn set_port_user_linkup_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::USER_LINKUP_ENABLED, port), enabled)
    }

    /// Returns the transmit queue of the team that is assigned to a port, from the cache.
    ///
    /// The packets of this queue are sent on the port. 0 means no queue; `None` if the link is not
    /// a port.
    ///
    /// # Source
    ///
    /// The option `queue_id` of the kernel's `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn port_queue_id(&self, port: IfIndex) -> Option<u16> {
        u16::try_from(self.u32_value(&OptionId::port(names::QUEUE_ID, port))?).ok()
    }

    /// Assigns a transmit queue of the team to a port, or none for 0.
    ///
    /// The packets of this queue are then sent on the port.
    ///
    /// # Errors
    ///
    /// - [`Error::NotPort`](crate::Error::NotPort) if the link is not a port, or has just left the
    ///   team.
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EINVAL` if the number is not below the
    ///   team's number of transmit queues, 16 by default.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_queue_id(eth1, 2)?;
    /// assert_eq!(team.port_queue_id(eth1), Some(2));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `queue_id` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_port_queue_id")]
    pub fn set_port_queue_id(&mut self, port: IfIndex, queue: u16) -> Result<()> {
        self.set_option(&OptionId::port(names::QUEUE_ID, port), u32::from(queue))
    }
}
