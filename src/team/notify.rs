//! What the driver tells the neighbours when a port is enabled: the team's addresses and its
//! multicast groups.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::option::{OptionId, names};
use crate::team::TeamHandle;

/// # Notifying neighbours
///
/// The driver's own announcements when a port is enabled. Setters send a request; getters read the
/// cache.
impl TeamHandle {
    /// Returns how often the team announces its addresses after a port was enabled, from the cache.
    ///
    /// 0 for never.
    ///
    /// # Source
    ///
    /// The option `notify_peers_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_notify_peers_count")]
    #[must_use]
    pub fn notify_peers_count(&self) -> Option<u32> {
        self.u32_value(&OptionId::global(names::NOTIFY_PEERS_COUNT))
    }

    /// Sets how often the team announces its addresses (gratuitous ARP, unsolicited neighbour
    /// advertisements) after a port was enabled; 0 for never.
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

    /// Returns the time between these announcements, from the cache.
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

    /// Sets the time between these announcements.
    ///
    /// The kernel counts in milliseconds; what is left of one is rounded up.
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for more than `u32::MAX` milliseconds, some 49 days; those of
    /// [`set_option`](Self::set_option).
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

    /// Sets how often the team announces its addresses after a port was enabled, 0 for never, and
    /// the time between these announcements: see
    /// [`set_notify_peers_count`](Self::set_notify_peers_count) and
    /// [`set_notify_peers_interval`](Self::set_notify_peers_interval).
    ///
    /// The first announcement comes at once. The driver announces when a port is added or enabled
    /// while the team is up, and not when the active port changes: for that there is
    /// [`announce`](Self::announce). Each of its announcements is a change of the team's link,
    /// [`LinkChange::NOTIFY_PEERS`](crate::LinkChange::NOTIFY_PEERS).
    ///
    /// # Errors
    ///
    /// As the two. An interval that is too long is told before anything is set.
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

    /// Returns how often the team rejoins its multicast groups after a port was enabled, from the
    /// cache.
    ///
    /// 0 for never.
    ///
    /// # Source
    ///
    /// The option `mcast_rejoin_count` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_mcast_rejoin_count")]
    #[must_use]
    pub fn mcast_rejoin_count(&self) -> Option<u32> {
        self.u32_value(&OptionId::global(names::MCAST_REJOIN_COUNT))
    }

    /// Sets how often the team joins its multicast groups again after a port was enabled; 0 for
    /// never.
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

    /// Returns the time between these joins, from the cache.
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

    /// Sets the time between these joins.
    ///
    /// The kernel counts in milliseconds; what is left of one is rounded up.
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for more than `u32::MAX` milliseconds, some 49 days; those of
    /// [`set_option`](Self::set_option).
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

    /// Sets how often the team joins its multicast groups again after a port was enabled, 0 for
    /// never, and the time between these joins. The first comes at once. Each is a change of the
    /// team's link, [`LinkChange::MCAST_REJOIN`](crate::LinkChange::MCAST_REJOIN).
    ///
    /// # Errors
    ///
    /// As [`set_notify_peers`](Self::set_notify_peers).
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
        // The interval first: a port that is enabled meanwhile begins to count with the new one.
        self.set_options([
            (interval_id, millis.into()),
            (OptionId::global(count_name), count.into()),
        ])
    }

    /// Converts a time to the unit of an option.
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
