//! The links of the namespace: their names and hardware addresses.

use std::ffi::OsStr;

use crate::error::Result;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::error::ErrorContext;
use crate::rtnl::Step;
use crate::team::TeamHandle;

impl TeamHandle {
    /// Asks the kernel for the index of the link that has this name or alternative name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), or those of the request.
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

    /// Asks the kernel for the name of the link that has this index, as text. Bytes that are not
    /// UTF-8 show as U+FFFD; [`LinkInfo::name_os`](crate::LinkInfo::name_os) has them.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), or those of the request.
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

    /// Asks the kernel for the hardware address of a link; `None` for a link that has none.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), or those of the request.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let address = team.lookup_hwaddr(team.ifindex())?;
    /// assert_eq!(address.map(|address| address.len()), Some(6), "as for any Ethernet device");
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

    /// Sets the hardware address of a link, of the team or of any other one.
    ///
    /// Setting the address that the link has already does nothing: no neighbour of the link is
    /// disturbed, and no handle is notified. The kernel is asked for the link's address; the cache
    /// does not decide.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice).
    /// - [`Error::InvalidSetting`](crate::Error::InvalidSetting) for an address that is longer than
    ///   the link's, which the kernel would cut.
    /// - [`Error::Kernel`](crate::Error::Kernel): `EINVAL` for an address that is shorter than the
    ///   link's, `EADDRNOTAVAIL` for a multicast address or all zeros, `EBUSY` or `EOPNOTSUPP`
    ///   where the link's driver says so.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone).
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
        self.sync()?;
        let link = self.session.rtnl.link_by_index(ifindex)?;
        if link.hwaddr() == Some(hwaddr) {
            return Ok(());
        }
        link.check_hwaddr(hwaddr)?;
        let result = self.execute(|session| session.rtnl.step(ifindex, &Step::HwAddr(hwaddr)))?;
        result
            .with_context(|| format!("setting the hardware address of {} to {hwaddr}", link.name()))
    }
}
