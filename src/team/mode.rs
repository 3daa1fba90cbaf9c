//! The mode, the active port and the carrier of a team.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::mode::Mode;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::error::ErrorContext;
use crate::rtnl::Step;
use crate::team::TeamHandle;
use crate::team::set_results::setting_op;

/// # Mode, active port and carrier
///
/// Setters send requests; getters read the cache.
impl TeamHandle {
    /// Returns the mode (how the team spreads traffic) from the cache.
    ///
    /// `None` if the team was deleted.
    ///
    /// # Source
    ///
    /// The option `mode` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_get_mode_name")]
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self.value(&OptionId::global(names::MODE))? {
            OptionValue::String(name) => Some(Mode::from_kernel_name(name)),
            _ => None,
        }
    }

    /// Sets the mode: how the team spreads traffic.
    ///
    /// The kernel loads the mode's module if necessary. Setting the current mode does nothing, also
    /// while the team has ports: the options of the mode keep their values. The method queries the
    /// kernel for the current mode, and does not rely on the cache.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`] with `EBUSY` for another mode while the team has ports, or with `EINVAL`
    ///   for a mode that the kernel does not have.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{ErrorKind, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::ActiveBackup)?;
    /// team.add_port(eth1)?;
    ///
    /// team.set_mode(Mode::ActiveBackup)?; // does nothing
    /// let error = team.set_mode(Mode::Random).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `mode` of the kernel's `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_mode_name")]
    #[expect(clippy::needless_pass_by_value, reason = "callers pass a literal")]
    pub fn set_mode(&mut self, mode: Mode) -> Result<()> {
        let (id, value) = (OptionId::global(names::MODE), OptionValue::from(mode.as_str()));
        let op = |team: &str| setting_op(team, &id, &value);
        self.sync(op)?;
        if self.is_already(&id, &value) {
            return Ok(());
        }
        let result = self.set_known_options(&[(id.clone(), value.clone())]);
        // The driver rejects the current mode, which another process may have set just now.
        if matches!(result, Err(Error::Kernel { .. })) && self.session.kernel_has(&id, &value) {
            self.sync(op)?;
            if self.value(&id) != Some(&value) {
                self.session.refresh(true)?;
                self.update_readiness()?;
            }
            return Ok(());
        }
        result
    }

    /// Returns the active port of the mode [`Mode::ActiveBackup`] from the cache.
    ///
    /// The active port carries the traffic. `None` while no port is active, and in other modes.
    ///
    /// # Source
    ///
    /// The option `activeport` of the kernel's `drivers/net/team/team_mode_activebackup.c`.
    #[doc(alias = "team_get_active_port")]
    #[must_use]
    pub fn active_port(&self) -> Option<IfIndex> {
        IfIndex::new(self.u32_value(&OptionId::global(names::ACTIVE_PORT))?)
    }

    /// Sets the port that carries the traffic in the mode [`Mode::ActiveBackup`].
    ///
    /// The driver does not notify the neighbours: see [`announce`](Self::announce). Setting the
    /// port that is already active does nothing, and other handles get no notification. The method
    /// queries the kernel for the active port, and does not rely on the cache.
    ///
    /// # Errors
    ///
    /// - [`Error::NotPort`] if the link is not a port of the team.
    /// - [`Error::UnknownOption`] in other modes.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::ActiveBackup)?;
    /// team.add_port(eth1)?;
    /// assert_eq!(team.active_port(), None, "no port was set as active yet");
    ///
    /// team.set_active_port(eth1)?;
    /// assert_eq!(team.active_port(), Some(eth1));
    /// team.set_active_port(eth1)?; // does nothing
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `activeport` of the kernel's `drivers/net/team/team_mode_activebackup.c`.
    #[doc(alias = "team_set_active_port")]
    pub fn set_active_port(&mut self, port: IfIndex) -> Result<()> {
        let (id, value) = (OptionId::global(names::ACTIVE_PORT), OptionValue::from(port.get()));
        self.sync(|team| setting_op(team, &id, &value))?;
        if self.is_already(&id, &value) {
            return Ok(());
        }
        self.set_known_options(&[(id, value)]).map_err(|error| match error {
            Error::Kernel { op, errno, .. } if errno == Errno::ENOENT as i32 => {
                self.not_port(op, port)
            }
            error => error,
        })
    }

    /// Returns whether an option has this value in the cache and in the kernel.
    ///
    /// The kernel is queried only if the cache has the value.
    fn is_already(&mut self, id: &OptionId, value: &OptionValue) -> bool {
        self.value(id) == Some(value) && self.session.kernel_has(id, value)
    }

    /// Returns whether the team has a carrier, from the cache, or `None` if the team was deleted.
    ///
    /// # Source
    ///
    /// `IFLA_CARRIER`, `linux/if_link.h`.
    #[doc(alias = "team_carrier_get")]
    #[must_use]
    pub fn carrier(&self) -> Option<bool> {
        self.team_link().map(Link::has_carrier)
    }

    /// Sets the carrier of the team.
    ///
    /// From then on, the driver does not change the carrier when the links of ports go up or down,
    /// until the mode is set again.
    ///
    /// [`carrier`](Self::carrier) still returns the old value when this method returns. If the team
    /// is up, the kernel announces the carrier a moment later, and
    /// [`handle_events`](Self::handle_events) reports it. If the team is down, the kernel does not
    /// announce it: `carrier` keeps the old value until the kernel's next message about the team's
    /// link (e.g. when the team is set up), or until [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] if the kernel rejects the request (`EPERM` without `CAP_NET_ADMIN`), or
    /// [`Error::DeviceGone`] if the team was deleted.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkSettings, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_link(&LinkSettings::new().up())?;
    /// team.set_carrier(true)?;
    /// while team.carrier() != Some(true) {
    ///     team.wait(None)?;
    ///     team.handle_events()?;
    /// }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK` with `IFLA_CARRIER`, `linux/if_link.h`.
    #[doc(alias = "team_carrier_set")]
    pub fn set_carrier(&mut self, up: bool) -> Result<()> {
        let team = self.ifindex();
        let state = if up { "up" } else { "down" };
        let op = |team: &str| format!("setting the carrier of {team} {state}");
        self.sync(op)?;
        let result = self.session.rtnl.step(team, &Step::Carrier(up));
        self.sync_after(&result, op)?;
        result.with_context(|| op(self.name()))
    }
}
