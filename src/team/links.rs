//! The team's own link, and names and hardware addresses of other links.

use std::ffi::OsStr;
use std::fmt;

use log::warn;

use crate::error::{Error, Result};
use crate::log_target::RESYNC;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::error::ErrorContext;
use crate::rtnl::Step;
use crate::rtnl::link::LinkSettings;
use crate::team::{CACHE_IS_OUTDATED, TeamHandle};

/// # Links
///
/// These methods send requests.
impl TeamHandle {
    /// Changes the settings of the team's own link: up or down, MTU, hardware address, name, more.
    ///
    /// The method makes all changes or none, in the order of [`RtnlSocket::set_link`].
    /// Afterwards, [`team_link`](Self::team_link) returns the new state of the link, including its
    /// carrier. A change of the MTU also changes the MTU of all ports.
    ///
    /// [`RtnlSocket::set_link`]: crate::rtnl::RtnlSocket::set_link
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] for another network namespace, before anything is changed: a
    ///   team cannot be moved.
    /// - [`Error::DeviceGone`] if the team was deleted.
    /// - The errors of [`RtnlSocket::set_link`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkSettings, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_link(&LinkSettings::new().mtu(1400).hwaddr("02:00:00:00:00:2a".parse()?).up())?;
    ///
    /// let link = team.team_link().expect("the team exists");
    /// assert!(link.is_admin_up());
    /// assert_eq!(link.mtu(), 1400);
    ///
    /// let error = team.set_link(&LinkSettings::new().mtu(40)).unwrap_err();
    /// assert!(error.to_string().contains("setting the MTU of team0 to 40"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK`, `linux/rtnetlink.h`; `NETIF_F_NETNS_LOCAL`, in newer kernels
    /// `netns_immutable`, of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "mtu")]
    #[doc(alias = "up")]
    #[doc(alias = "down")]
    pub fn set_link(&mut self, settings: &LinkSettings) -> Result<()> {
        let team = self.ifindex();
        let op = |team: &str| format!("changing link {team}");
        self.sync(op)?;
        if settings.has_namespace() {
            return Err(Error::InvalidSetting {
                setting: "network namespace of team device",
                value: self.name().to_owned(),
                reason: "expected none, as a team device cannot be moved to another one",
            });
        }
        let result = self.session.rtnl.set_link(team, settings);
        self.sync_after(&result, op)?;
        result?;
        // A cache that cannot be updated is not an error of the command.
        let reread = self.session.reread_team_link().and_then(|()| self.session.update());
        if let Err(error) = reread {
            warn!(target: RESYNC, "{}: {CACHE_IS_OUTDATED}: {error}", self.name());
        }
        self.update_readiness()
    }

    /// Queries the kernel for the index of the link with this name or alternative name.
    ///
    /// # Errors
    ///
    /// Those of [`RtnlSocket::link_by_name`](crate::rtnl::RtnlSocket::link_by_name), e.g.
    /// [`Error::NoSuchDevice`] if no link has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let lo = team.lookup_ifindex("lo")?;
    /// assert_eq!(lo.get(), 1);
    /// assert_eq!(team.lookup_ifname(lo)?, "lo");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK` with `IFLA_IFNAME` or `IFLA_ALT_IFNAME`, `linux/if_link.h`.
    #[doc(alias = "team_ifname2ifindex")]
    pub fn lookup_ifindex(&mut self, name: impl AsRef<OsStr>) -> Result<IfIndex> {
        Ok(self.session.rtnl.link_by_name(name)?.ifindex())
    }

    /// Queries the kernel for the name of the link with this index, as text.
    ///
    /// U+FFFD replaces bytes that are not UTF-8;
    /// [`LinkInfo::name_os`](crate::rtnl::LinkInfo::name_os) returns them unchanged.
    ///
    /// # Errors
    ///
    /// Those of [`RtnlSocket::link_by_index`](crate::rtnl::RtnlSocket::link_by_index), e.g.
    /// [`Error::NoSuchDevice`] if no link has the index.
    ///
    /// # Examples
    ///
    /// See [`lookup_ifindex`](Self::lookup_ifindex).
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `IFLA_IFNAME`.
    #[doc(alias = "team_ifindex2ifname")]
    pub fn lookup_ifname(&mut self, ifindex: IfIndex) -> Result<String> {
        Ok(self.session.rtnl.link_by_index(ifindex)?.name().into_owned())
    }

    /// Queries the kernel for the hardware address of a link; `None` for a link without one.
    ///
    /// # Errors
    ///
    /// Those of [`RtnlSocket::link_by_index`](crate::rtnl::RtnlSocket::link_by_index), e.g.
    /// [`Error::NoSuchDevice`] if no link has the index.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let address = team.lookup_hwaddr(team.ifindex())?;
    /// assert_eq!(address.map(|address| address.len()), Some(6), "a team is an Ethernet device");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `IFLA_ADDRESS`.
    #[doc(alias = "team_hwaddr_get")]
    #[doc(alias = "team_hwaddr_len_get")]
    pub fn lookup_hwaddr(&mut self, ifindex: IfIndex) -> Result<Option<HwAddr>> {
        Ok(self.session.rtnl.link_by_index(ifindex)?.hwaddr())
    }

    /// Sets the hardware address of the team or of any other link.
    ///
    /// Setting the address that the link already has does nothing: the link's neighbours and other
    /// handles get no notification. For this check the method requests the current address; it does
    /// not rely on the cache.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if no link has the index.
    /// - [`Error::InvalidSetting`] for an address that is longer than the link's, which the kernel
    ///   would truncate.
    /// - [`Error::Kernel`] with `EINVAL` for an address that is shorter than the link's, with
    ///   `EADDRNOTAVAIL` for a multicast address or all zeros, or with `EBUSY` or `EOPNOTSUPP` from
    ///   the link's driver.
    /// - [`Error::DeviceGone`] if the team was deleted.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let address = "02:00:00:00:00:2a".parse().expect("an address");
    /// team.set_hwaddr(team.ifindex(), address)?;
    /// assert_eq!(team.lookup_hwaddr(team.ifindex())?, Some(address));
    /// team.set_hwaddr(team.ifindex(), address)?; // does nothing
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK` with `IFLA_ADDRESS`, `linux/if_link.h`.
    #[doc(alias = "team_hwaddr_set")]
    pub fn set_hwaddr(&mut self, ifindex: IfIndex, hwaddr: HwAddr) -> Result<()> {
        let op =
            |link: &dyn fmt::Display| format!("setting the hardware address of {link} to {hwaddr}");
        let by_index = |_: &str| op(&format_args!("link {ifindex}"));
        self.sync(by_index)?;
        let link = self
            .session
            .rtnl
            .link_by_index(ifindex)
            .map_err(|error| error.with_op(by_index(self.name())))?;
        if link.hwaddr() == Some(hwaddr) {
            return Ok(());
        }
        link.check_hwaddr(hwaddr)?;
        let result = self.session.rtnl.step(ifindex, &Step::HwAddr(hwaddr));
        self.sync_after(&result, |_| op(&link.name()))?;
        result.with_context(|| op(&link.name()))
    }
}
