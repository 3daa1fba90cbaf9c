//! What the team as a whole can be told.

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

/// # The mode, and which port is active
impl TeamHandle {
    /// Returns how the team spreads traffic, from the cache.
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

    /// Sets how the team spreads traffic. The kernel loads the mode's module if necessary.
    ///
    /// Setting the mode that the team has already does nothing, also while the team has ports: the
    /// mode's options keep their values. Whether the team has the mode is up to the kernel, not to
    /// the cache.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`]: `EBUSY` for another mode while the team has ports; `EINVAL` for a mode
    ///   that the kernel does not have.
    /// - Those of [`set_option`](Self::set_option).
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
    #[expect(clippy::needless_pass_by_value, reason = "a mode is written down where it is set")]
    pub fn set_mode(&mut self, mode: Mode) -> Result<()> {
        let (id, value) = (OptionId::global(names::MODE), OptionValue::from(mode.as_str()));
        let op = |team: &str| setting_op(team, &id, &value);
        self.sync(op)?;
        if self.is_already(&id, &value) {
            return Ok(());
        }
        let result = self.set_known_options(&[(id.clone(), value.clone())]);
        // The driver refuses the mode that is set, which another process may have set just now.
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
    /// The active port carries the traffic. `None` while there is none, and in other modes.
    ///
    /// # Source
    ///
    /// The option `activeport` of the kernel's `drivers/net/team/team_mode_activebackup.c`.
    #[doc(alias = "team_get_active_port")]
    #[must_use]
    pub fn active_port(&self) -> Option<IfIndex> {
        IfIndex::new(self.u32_value(&OptionId::global(names::ACTIVE_PORT))?)
    }

    /// Sets the port that carries the traffic in the mode [`Mode::ActiveBackup`]. The neighbours
    /// are not notified: see [`announce`](Self::announce).
    ///
    /// Setting the port that is active already does nothing, and no handle is notified. Whether the
    /// port is active is up to the kernel, not to the cache.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`] if the link is no port of the team, and those of
    /// [`set_option`](Self::set_option).
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
    /// assert_eq!(team.active_port(), None, "nobody chose one");
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

    /// Returns whether an option has this value, by the cache and by the kernel. The kernel is
    /// asked only where the cache says so.
    fn is_already(&mut self, id: &OptionId, value: &OptionValue) -> bool {
        self.value(id) == Some(value) && self.session.kernel_has(id, value)
    }

    /// Returns whether the team device has a carrier, by the cache; `None` when it is gone.
    ///
    /// # Source
    ///
    /// `IFLA_CARRIER`, `linux/if_link.h`.
    #[doc(alias = "team_carrier_get")]
    #[must_use]
    pub fn carrier(&self) -> Option<bool> {
        self.team_link().map(Link::has_carrier)
    }

    /// Sets the carrier of the team device.
    ///
    /// The driver itself then leaves the carrier alone until the mode is set anew: it no longer
    /// follows the ports.
    ///
    /// [`carrier`](Self::carrier) does not show the effect when this returns. If the team is up,
    /// the kernel announces the carrier a moment later, and [`handle_events`](Self::handle_events)
    /// reports it. If the team is down, the kernel does not announce the carrier: `carrier` keeps
    /// the old value until the kernel sends the next message about the team's link, as when the
    /// team is set up, or until [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`], [`Error::DeviceGone`].
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
