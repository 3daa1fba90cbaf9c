//! The driver's announcements when a port is enabled: the team's addresses and multicast groups.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::option::{OptionId, names};
use crate::team::TeamHandle;

/// # Notifying neighbours
///
/// These options control the announcements that the driver itself sends when a port is enabled.
/// Setters send a request; getters read the cache. Getters return `None` if the team was deleted.
impl TeamHandle {
    /// Returns how often the team announces its addresses after a port was enabled, from the cache.
    ///
    /// 0 means never.
    ///
    /// # Source
    ///
    /// The option `notify_peers_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_notify_peers_count")]
    #[must_use]
    pub fn notify_peers_count(&self) -> Option<u32> {
        self.u32_value(&OptionId::global(names::NOTIFY_PEERS_COUNT))
    }

    /// Sets how often the team announces its addresses after a port was enabled; 0 means never.
    ///
    /// An announcement consists of gratuitous ARP and unsolicited neighbour advertisements.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_notify_peers_count(3)?;
    /// assert_eq!(team.notify_peers_count(), Some(3));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `notify_peers_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_notify_peers_count")]
    pub fn set_notify_peers_count(&mut self, count: u32) -> Result<()> {
        self.set_option(&OptionId::global(names::NOTIFY_PEERS_COUNT), count)
    }

    /// Returns the time between two announcements of the addresses, from the cache.
    ///
    /// # Source
    ///
    /// The option `notify_peers_interval` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_notify_peers_interval")]
    #[must_use]
    pub fn notify_peers_interval(&self) -> Option<Duration> {
        self.u32_value(&OptionId::global(names::NOTIFY_PEERS_INTERVAL))
            .map(|ms| Duration::from_millis(ms.into()))
    }

    /// Sets the time between two announcements of the addresses.
    ///
    /// The time is rounded up to milliseconds, the kernel's unit.
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for more than `u32::MAX` milliseconds (about 49 days), and the errors
    /// of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_notify_peers_interval(Duration::from_micros(1500))?;
    /// assert_eq!(team.notify_peers_interval(), Some(Duration::from_millis(2)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `notify_peers_interval` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_notify_peers_interval")]
    pub fn set_notify_peers_interval(&mut self, interval: Duration) -> Result<()> {
        self.set_millis(&OptionId::global(names::NOTIFY_PEERS_INTERVAL), interval)
    }

    /// Sets how often, and at what interval, the team announces its addresses.
    ///
    /// This is [`set_notify_peers_count`](Self::set_notify_peers_count) and
    /// [`set_notify_peers_interval`](Self::set_notify_peers_interval) in one call. The driver sends
    /// the first announcement at once when a port is added or enabled while the team is up. When
    /// the active port changes, the driver sends none: use [`announce`](Self::announce) for that.
    /// Each announcement is reported as a change of the team's link,
    /// [`LinkChange::NOTIFY_PEERS`](crate::LinkChange::NOTIFY_PEERS).
    ///
    /// # Errors
    ///
    /// Those of the two methods. Nothing is set if the interval is too long.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_notify_peers(3, Duration::from_millis(100))?;
    /// assert_eq!(team.notify_peers_count(), Some(3));
    /// assert_eq!(team.notify_peers_interval(), Some(Duration::from_millis(100)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The options `notify_peers_interval` and `notify_peers_count` of the kernel's
    /// `drivers/net/team/team_core.c`.
    pub fn set_notify_peers(&mut self, count: u32, interval: Duration) -> Result<()> {
        self.set_count_and_interval(
            [names::NOTIFY_PEERS_COUNT, names::NOTIFY_PEERS_INTERVAL],
            count,
            interval,
        )
    }

    /// Returns how often the team rejoins its multicast groups after a port was enabled.
    ///
    /// 0 means never. The method reads the cache.
    ///
    /// # Source
    ///
    /// The option `mcast_rejoin_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_mcast_rejoin_count")]
    #[must_use]
    pub fn mcast_rejoin_count(&self) -> Option<u32> {
        self.u32_value(&OptionId::global(names::MCAST_REJOIN_COUNT))
    }

    /// Sets how often the team rejoins its multicast groups after a port was enabled.
    ///
    /// 0 means never.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mcast_rejoin_count(2)?;
    /// assert_eq!(team.mcast_rejoin_count(), Some(2));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `mcast_rejoin_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_mcast_rejoin_count")]
    pub fn set_mcast_rejoin_count(&mut self, count: u32) -> Result<()> {
        self.set_option(&OptionId::global(names::MCAST_REJOIN_COUNT), count)
    }

    /// Returns the time between two rejoins of the multicast groups, from the cache.
    ///
    /// # Source
    ///
    /// The option `mcast_rejoin_interval` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_mcast_rejoin_interval")]
    #[must_use]
    pub fn mcast_rejoin_interval(&self) -> Option<Duration> {
        self.u32_value(&OptionId::global(names::MCAST_REJOIN_INTERVAL))
            .map(|ms| Duration::from_millis(ms.into()))
    }

    /// Sets the time between two rejoins of the multicast groups.
    ///
    /// The time is rounded up to milliseconds, the kernel's unit.
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for more than `u32::MAX` milliseconds (about 49 days), and the errors
    /// of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mcast_rejoin_interval(Duration::from_millis(500))?;
    /// assert_eq!(team.mcast_rejoin_interval(), Some(Duration::from_millis(500)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `mcast_rejoin_interval` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_mcast_rejoin_interval")]
    pub fn set_mcast_rejoin_interval(&mut self, interval: Duration) -> Result<()> {
        self.set_millis(&OptionId::global(names::MCAST_REJOIN_INTERVAL), interval)
    }

    /// Sets how often, and at what interval, the team rejoins its multicast groups.
    ///
    /// The team rejoins its groups for the first time as soon as a port is enabled. Each rejoin is
    /// reported as a change of the team's link,
    /// [`LinkChange::MCAST_REJOIN`](crate::LinkChange::MCAST_REJOIN).
    ///
    /// # Errors
    ///
    /// Those of [`set_notify_peers`](Self::set_notify_peers).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mcast_rejoin(2, Duration::from_millis(500))?;
    /// assert_eq!(team.mcast_rejoin_count(), Some(2));
    /// assert_eq!(team.mcast_rejoin_interval(), Some(Duration::from_millis(500)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The options `mcast_rejoin_interval` and `mcast_rejoin_count` of the kernel's
    /// `drivers/net/team/team_core.c`.
    pub fn set_mcast_rejoin(&mut self, count: u32, interval: Duration) -> Result<()> {
        self.set_count_and_interval(
            [names::MCAST_REJOIN_COUNT, names::MCAST_REJOIN_INTERVAL],
            count,
            interval,
        )
    }

    fn set_millis(&mut self, id: &OptionId, time: Duration) -> Result<()> {
        let millis = self.millis(id, time)?;
        self.set_option(id, millis)
    }

    fn set_count_and_interval(
        &mut self,
        [count_name, interval_name]: [&'static str; 2],
        count: u32,
        interval: Duration,
    ) -> Result<()> {
        let interval_id = OptionId::global(interval_name);
        let millis = self.millis(&interval_id, interval)?;
        // The interval first, so that a port that is enabled in between uses the new one.
        self.set_options([
            (interval_id, millis.into()),
            (OptionId::global(count_name), count.into()),
        ])
    }

    /// Converts a time to milliseconds, rounded up.
    fn millis(&self, id: &OptionId, time: Duration) -> Result<u32> {
        let millis = time.as_nanos().div_ceil(1_000_000);
        u32::try_from(millis).map_err(|_| Error::OptionValue {
            team: self.name().to_owned(),
            id: id.clone(),
            value: format!("{time:?}"),
            reason: "expected at most 4294967295ms",
        })
    }
}
