use std::ffi::{OsStr, OsString};

use crate::error::Result;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::ifname;

/// What [`RtnlSocket::set_link`](crate::RtnlSocket::set_link) changes of a link. What is not named here stays as it is.
///
/// # Examples
///
/// ```
/// use libteam::{LinkSettings, NewLink, RtnlSocket};
///
/// # enter_namespace();
/// let mut rtnl = RtnlSocket::new()?;
/// let team = rtnl.create_link(&NewLink::team("team0"))?;
/// let uplink = rtnl.create_link(&NewLink::dummy("d0").up())?;
/// rtnl.set_link(uplink, &LinkSettings::new().down().name("uplink").master(team))?;
/// rtnl.set_link(uplink, &LinkSettings::new().no_master().mtu(1400).hwaddr("02:00:00:00:00:01".parse()?).up())?;
/// rtnl.set_link(uplink, &LinkSettings::new().carrier(false))?;
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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
}

/// What becomes of a link's master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Master {
    #[default]
    Stays,
    None,
    Is(IfIndex),
}

impl LinkSettings {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the link up, after everything else.
    pub fn up(mut self) -> Self {
        self.up = Some(true);
        self
    }

    /// Sets the link down, before everything else. A team that is named as its [`master`](Self::master) then sets it
    /// up again, as it does with all its ports.
    pub fn down(mut self) -> Self {
        self.up = Some(false);
        self
    }

    /// The largest packet that it takes, in bytes. A team keeps its ports from having another than its own.
    pub fn mtu(mut self, bytes: u32) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Its hardware address.
    pub fn hwaddr(mut self, hwaddr: HwAddr) -> Self {
        self.hwaddr = Some(hwaddr);
        self
    }

    /// Gives it a carrier, or takes it, where its driver leaves that to its user.
    pub fn carrier(mut self, up: bool) -> Self {
        self.carrier = Some(up);
        self
    }

    /// Its name. Kernels before 6.2 rename only links that are down.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// The team, bridge or other device that it becomes a port of, leaving the one that it has. A team takes only a link
    /// that is [`down`](Self::down), and sets it up.
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Master::Is(master);
        self
    }

    /// Releases it from its master. A team leaves its port down, with the MTU and hardware address that it had before.
    pub fn no_master(mut self) -> Self {
        self.master = Master::None;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        self.name.as_deref().map_or(Ok(()), ifname::check)
    }
}
