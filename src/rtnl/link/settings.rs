use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;

use super::namespace::NamespaceFd;
use crate::error::{Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::ifname;

/// The settings of a link to change; all other settings are kept.
///
/// [`RtnlSocket::set_link`](crate::rtnl::RtnlSocket::set_link) applies them to any link,
/// [`TeamHandle::set_link`](crate::TeamHandle::set_link) to the team's own.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::LinkSettings;
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let team = rtnl.create_link(&NewLink::team("team0"))?;
/// let uplink = rtnl.create_link(&NewLink::dummy("d0").up())?;
/// rtnl.set_link(uplink, &LinkSettings::new().down().name("uplink").master(team))?;
/// rtnl.set_link(uplink, &LinkSettings::new().no_master().mtu(1400).hwaddr("02:00:00:00:00:01".parse()?).up())?;
/// rtnl.set_link(uplink, &LinkSettings::new().carrier(false))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LinkSettings {
    pub(super) up: Option<bool>,
    pub(super) master: Master,
    pub(super) mtu: Option<u32>,
    pub(super) hwaddr: Option<HwAddr>,
    pub(super) carrier: Option<bool>,
    pub(super) name: Option<OsString>,
    pub(super) namespace: Option<NamespaceFd>,
}

/// The change of a link's master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Master {
    #[default]
    Keep,
    Clear,
    Set(IfIndex),
}

impl LinkSettings {
    /// Returns settings that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the link up, after all other changes.
    #[doc(alias = "IFF_UP")]
    pub fn up(mut self) -> Self {
        self.up = Some(true);
        self
    }

    /// Sets the link down, before all other changes.
    ///
    /// A team that becomes the link's [`master`](Self::master) sets the link up again: it sets up
    /// each new port.
    pub fn down(mut self) -> Self {
        self.up = Some(false);
        self
    }

    /// Sets the MTU in bytes. The MTU of a team's port cannot be changed.
    pub fn mtu(mut self, bytes: u32) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Sets the hardware address.
    pub fn hwaddr(mut self, hwaddr: HwAddr) -> Self {
        self.hwaddr = Some(hwaddr);
        self
    }

    /// Sets the carrier, if the driver lets user space control it.
    pub fn carrier(mut self, up: bool) -> Self {
        self.carrier = Some(up);
        self
    }

    /// Renames the link. Kernels before 6.2 rename only links that are down.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// Makes the link a port of this team, bridge or other device.
    ///
    /// The link leaves its old master first. A team accepts only a link that is
    /// [`down`](Self::down), and sets it up.
    #[doc(alias = "enslave")]
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Master::Set(master);
        self
    }

    /// Releases the link from its master.
    ///
    /// A team leaves the port down, with its former MTU and hardware address.
    pub fn no_master(mut self) -> Self {
        self.master = Master::Clear;
        self
    }

    /// Moves the link to another network namespace.
    ///
    /// The move comes after all other changes except [`name`](Self::name) and [`up`](Self::up),
    /// which take effect in the other namespace; a new name only has to be free there. The move
    /// releases the link from its master and sets it down; with [`up`](Self::up), the link is set
    /// up again. The index of the link may change.
    ///
    /// The descriptor is one of a file under `/run/netns` or of `/proc/PID/ns/net`, not a pidfd; it
    /// is duplicated.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the descriptor cannot be duplicated.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::LinkSettings;
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, or /proc/PID/ns/net.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
    /// rtnl.set_link(dummy, &LinkSettings::new().mtu(1400).namespace(&there)?.name("eth0").up())?;
    ///
    /// let eth0 = RtnlSocket::in_namespace(&there)?.link_by_name("eth0")?;
    /// assert!(eth0.is_admin_up() && eth0.mtu() == 1400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `IFLA_NET_NS_FD`, `linux/if_link.h`.
    #[doc(alias = "netns")]
    pub fn namespace(mut self, namespace: impl AsFd) -> Result<Self> {
        self.namespace = Some(NamespaceFd::duplicate(namespace)?);
        Ok(self)
    }

    /// Returns whether the settings move the link to another network namespace.
    pub(crate) fn has_namespace(&self) -> bool {
        self.namespace.is_some()
    }

    pub(super) fn check(&self) -> Result<()> {
        if let (Some(_), Master::Set(master)) = (&self.namespace, self.master) {
            let (setting, value) = ("master", format!("link {master}"));
            return Err(Error::InvalidSetting {
                setting,
                value,
                reason: "expected no master for a link that is moved to another namespace",
            });
        }
        self.name.as_deref().map_or(Ok(()), ifname::validate_ifname)
    }
}
