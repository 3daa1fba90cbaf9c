//! The typed commands of a handle: ports, mode, active port, and what each port can be told.

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::genl;
use crate::handle::TeamHandle;
use crate::model::ifindex::IfIndex;
use crate::model::mode::Mode;
use crate::model::option::{OptionId, OptionValue, names};
use crate::netlink::failure::{During, Failure};

impl TeamHandle {
    /// Asks the kernel for the index of the link that has this name or alternative name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`], or those of the request.
    #[doc(alias = "team_ifname2ifindex")]
    pub fn ifindex(&mut self, name: &str) -> Result<IfIndex> {
        if name.is_empty() || name.contains('\0') {
            return Err(Error::NoSuchDevice { device: format!("{name:?}") });
        }
        Ok(self.session.rtnl.device_by_name(name)?.ifindex)
    }

    /// Makes a link a port of the team. The driver sets the link up, gives it the team's MTU and, in some modes, the
    /// team's hardware address.
    ///
    /// A link that has another master leaves it. The link has to be down.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`]: no link has this index.
    /// - [`Error::Kernel`] with the driver's own words: `EBUSY` "Device is up. Set it down before adding it as a team
    ///   port", `EINVAL` for the loopback or the team itself, and others.
    /// - [`Error::DeviceGone`].
    #[doc(alias = "team_port_add")]
    pub fn add_port(&mut self, ifindex: IfIndex) -> Result<()> {
        let team = self.team_ifindex();
        let result = self.command(|session| session.rtnl.set_master(ifindex, Some(team)))?;
        self.check_port_command(result, ifindex, "adding")
    }

    /// Releases a port. It stays as a link of its own, set down, with the address and MTU that it had before.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`] if the link is no port of this team, which leaves it alone; [`Error::Kernel`];
    /// [`Error::DeviceGone`].
    #[doc(alias = "team_port_remove")]
    pub fn remove_port(&mut self, ifindex: IfIndex) -> Result<()> {
        self.catch_up()?;
        if !self.is_port(ifindex) {
            return Err(Error::NotPort { team: self.name().to_owned(), ifindex });
        }
        let result = self.command(|session| session.rtnl.set_master(ifindex, None))?;
        self.check_port_command(result, ifindex, "removing")
    }

    fn check_port_command(&self, result: Result<(), Failure>, ifindex: IfIndex, doing: &str) -> Result<()> {
        if let Err(failure) = &result {
            if failure.refusal() == Some(Errno::NODEV) {
                return Err(Error::NoSuchDevice { device: format!("index {ifindex}") });
            }
        }
        let link = self.link(ifindex).map_or_else(|| ifindex.to_string(), |link| link.name().to_owned());
        result.during(|| format!("{doing} port {link}, team {}", self.name()))
    }

    /// How the team spreads traffic.
    #[doc(alias = "team_get_mode_name")]
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self.value(&OptionId::global(names::MODE))? {
            OptionValue::String(name) => Some(Mode::from(name.as_str())),
            _ => None,
        }
    }

    /// Chooses how the team spreads traffic. The kernel loads the mode's module if it has to.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`]: `EBUSY` while the team has ports; `EINVAL` for a mode that the kernel does not have, and
    ///   for the one that is set already.
    /// - Those of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_mode_name")]
    #[expect(clippy::needless_pass_by_value, reason = "a mode is written down where it is set")]
    pub fn set_mode(&mut self, mode: Mode) -> Result<()> {
        self.set_option(&OptionId::global(names::MODE), mode.as_str())
    }

    /// The port that carries the traffic in the mode [`Mode::ActiveBackup`]; `None` while there is none, and in other
    /// modes.
    #[doc(alias = "team_get_active_port")]
    #[must_use]
    pub fn active_port(&self) -> Option<IfIndex> {
        match self.value(&OptionId::global(names::ACTIVE_PORT))? {
            OptionValue::U32(ifindex) => IfIndex::new(*ifindex),
            _ => None,
        }
    }

    /// Chooses the port that carries the traffic in the mode [`Mode::ActiveBackup`].
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`] if the link is no port of the team, and those of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_active_port")]
    pub fn set_active_port(&mut self, port: IfIndex) -> Result<()> {
        self.set_option(&OptionId::global(names::ACTIVE_PORT), port.get()).map_err(|error| match error {
            Error::Kernel { source, .. } if source.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                Error::NotPort { team: self.name().to_owned(), ifindex: port }
            }
            error => error,
        })
    }

    /// Whether a port takes part in sending and receiving; `None` if the link is no port.
    #[doc(alias = "team_get_port_enabled")]
    #[must_use]
    pub fn port_enabled(&self, port: IfIndex) -> Option<bool> {
        match self.value(&OptionId::port(names::ENABLED, port))? {
            OptionValue::Bool(enabled) => Some(*enabled),
            _ => None,
        }
    }

    /// Lets a port take part in sending and receiving, or keeps it from it.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_port_enabled")]
    pub fn set_port_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::ENABLED, port), enabled)
    }

    /// The priority of a port, the higher the better; `None` if the link is no port.
    #[doc(alias = "team_get_port_priority")]
    #[must_use]
    pub fn port_priority(&self, port: IfIndex) -> Option<i32> {
        match self.value(&OptionId::port(names::PRIORITY, port))? {
            OptionValue::I32(priority) => Some(*priority),
            _ => None,
        }
    }

    /// Sets the priority of a port, the higher the better.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_port_priority")]
    pub fn set_port_priority(&mut self, port: IfIndex, priority: i32) -> Result<()> {
        self.set_option(&OptionId::port(names::PRIORITY, port), priority)
    }

    /// Sets any option.
    ///
    /// The driver answers with an error if it applied a value but could tell nobody (its listeners' buffers are full).
    /// The value is then read back, and if it is there, that is success.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownOption`]: the team does not have it, in its present mode and with its present ports.
    /// - [`Error::OptionType`] and [`Error::OptionValue`] before anything is sent.
    /// - [`Error::Kernel`] with the driver's error number; it gives no text.
    /// - [`Error::DeviceGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{OptionId, OptionValue, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut team = TeamHandle::create("team0")?;
    /// let count = OptionId::global("notify_peers_count");
    /// team.set_option(&count, 3_u32)?;
    /// assert_eq!(team.option(&count).map(|option| option.value()), Some(&OptionValue::U32(3)));
    ///
    /// let error = team.set_option(&count, "three").unwrap_err();
    /// assert_eq!(error.to_string(), "option notify_peers_count is of type u32, the value is of type string");
    /// team.destroy()?;
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_set_option_value_u32")]
    #[doc(alias = "team_set_option_value_s32")]
    #[doc(alias = "team_set_option_value_bool")]
    #[doc(alias = "team_set_option_value_string")]
    #[doc(alias = "team_set_option_value_binary")]
    pub fn set_option(&mut self, id: &OptionId, value: impl Into<OptionValue>) -> Result<()> {
        let value = value.into();
        let request = genl::set_request(self.team_ifindex(), id, &value)?;
        self.catch_up()?;
        self.check_type(id, &value)?;
        let answer = self.command(|session| session.genl.set_option(request))?;
        match answer.as_ref().err().and_then(Failure::refusal) {
            Some(Errno::NOENT) if self.option(id).is_none() => {
                Err(Error::UnknownOption { team: self.name().to_owned(), id: id.clone() })
            }
            Some(Errno::SRCH | Errno::NOBUFS | Errno::MSGSIZE) if self.reads_back(id, &value) => Ok(()),
            _ => answer.during(|| format!("setting option {id} of {} to {value}", self.name())),
        }
    }

    /// Of an option with another type the driver only says that it does not exist.
    fn check_type(&self, id: &OptionId, value: &OptionValue) -> Result<()> {
        let (Some(wanted), found) = (self.value(id).map(OptionValue::type_name), value.type_name()) else {
            return Ok(());
        };
        if wanted == found { Ok(()) } else { Err(Error::OptionType { id: id.clone(), wanted, found }) }
    }

    /// Whether the kernel holds this value, whatever it answered when it was set.
    fn reads_back(&mut self, id: &OptionId, value: &OptionValue) -> bool {
        let refreshed = self.session.refresh().and_then(|()| self.settle_readiness());
        refreshed.is_ok() && self.value(id) == Some(value)
    }

    fn value(&self, id: &OptionId) -> Option<&OptionValue> {
        self.session.cache().options().value(id)
    }
}
