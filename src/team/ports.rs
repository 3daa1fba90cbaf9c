//! Adding and removing ports.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::model::ifindex::IfIndex;
use crate::netlink::error::{ErrorContext, RequestError};
use crate::rtnl::Step;
use crate::team::TeamHandle;

/// # Adding and removing ports
impl TeamHandle {
    /// Adds a link to the team as a port.
    ///
    /// The link has to be down. The driver sets it up, gives it the team's MTU and, in some modes,
    /// the team's hardware address.
    ///
    /// Adding a link that is already a port of this team does nothing: the port keeps its options
    /// and its state, and the link may be up. The kernel decides that, not the cache.
    ///
    /// A link with another master is released from it. If this team then rejects the link, it gets
    /// its old master back, but without its per-port settings there.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if no link has this index.
    /// - [`Error::Kernel`] with the driver's message, e.g. with `EBUSY` "Device is up. Set it down
    ///   before adding it as a team port", or with `EINVAL` for the loopback link or the team
    ///   itself.
    /// - [`Error::DeviceGone`] if the team was deleted.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{ErrorKind, LinkSettings, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// assert!(team.is_port(eth1));
    /// team.add_port(eth1)?; // does nothing
    ///
    /// let eth2 = rtnl.create_link(&NewLink::dummy("eth2"))?;
    /// rtnl.set_link(eth2, &LinkSettings::new().up())?;
    /// let error = team.add_port(eth2).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "adding port eth2 to team0: device or resource busy (EBUSY): \
    ///      Device is up. Set it down before adding it as a team port",
    /// );
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK` with `IFLA_MASTER`, `linux/if_link.h`; `team_port_add` in the kernel's
    /// `drivers/net/team/team_core.c`.
    #[doc(alias = "team_port_add")]
    #[doc(alias = "enslave")]
    #[doc(alias = "slave")]
    pub fn add_port(&mut self, ifindex: IfIndex) -> Result<()> {
        let team = self.ifindex();
        let op = |team: &str| format!("adding port {ifindex} to {team}");
        self.sync(op)?;
        let link = self
            .session
            .rtnl
            .link_by_index(ifindex)
            .map_err(|error| error.with_op(op(self.name())))?;
        let op = |team: &str| format!("adding port {} to {team}", link.name());
        // Send the request even for a port of this team, for which the kernel does nothing: after
        // its acknowledgement, the port's events have been queued.
        self.session.begin_enslave(&link);
        let result = self.session.rtnl.enslave(&link, team);
        let synced = self.sync_after(&result, op);
        self.session.end_enslave();
        synced?;
        check_port_command(result, ifindex, || op(self.name()))
    }

    /// Removes a port from the team.
    ///
    /// The link is down afterwards, with the hardware address and MTU that it had before.
    ///
    /// # Errors
    ///
    /// - [`Error::NotPort`] if the link is not a port of this team, before anything is sent.
    /// - [`Error::Kernel`] if the kernel rejects the request (`EPERM` without `CAP_NET_ADMIN`).
    /// - [`Error::DeviceGone`] if the team was deleted.
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
    /// assert!(rtnl.link_by_index(eth1)?.is_admin_up());
    ///
    /// team.remove_port(eth1)?;
    /// assert!(!team.is_port(eth1));
    /// assert!(!rtnl.link_by_index(eth1)?.is_admin_up());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK` with `IFLA_MASTER` 0, `linux/if_link.h`; `team_port_del` in the kernel's
    /// `drivers/net/team/team_core.c`.
    #[doc(alias = "team_port_remove")]
    #[doc(alias = "release")]
    pub fn remove_port(&mut self, ifindex: IfIndex) -> Result<()> {
        let op = |team: &str| format!("removing port {ifindex} from {team}");
        self.sync(op)?;
        if !self.is_port(ifindex) {
            return Err(self.not_port(op(self.name()), ifindex));
        }
        let name =
            self.link(ifindex).map_or_else(|| ifindex.to_string(), |link| link.name().to_owned());
        let op = |team: &str| format!("removing port {name} from {team}");
        let result = self.session.rtnl.step(ifindex, &Step::Release);
        self.sync_after(&result, op)?;
        check_port_command(result, ifindex, || op(self.name()))
    }
}

/// Adds the operation to an error, and replaces `ENODEV` by [`Error::NoSuchDevice`].
fn check_port_command(
    result: Result<(), RequestError>,
    ifindex: IfIndex,
    op: impl FnOnce() -> String,
) -> Result<()> {
    match result {
        Err(error) if error.is(Errno::ENODEV) => {
            Err(Error::NoSuchDevice { op: op(), device: format!("index {ifindex}") })
        }
        result => result.with_context(op),
    }
}
