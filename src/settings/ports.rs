//! Ports: which there are, and what each can be told.

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::handle::TeamHandle;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::netlink::failure::{During, Failure};
use crate::rtnl::Step;

impl TeamHandle {
    /// Makes a link a port of the team. The driver sets the link up, gives it the team's MTU and, in some modes, the
    /// team's hardware address.
    ///
    /// A link that has another master leaves it; if this team then does not take it, it is given back, though without
    /// what the other master knew of it. The link has to be down.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`]: no link has this index.
    /// - [`Error::Kernel`] with the driver's own words: `EBUSY` "Device is up. Set it down before adding it as a team
    ///   port", `EINVAL` for the loopback or the team itself, and others.
    /// - [`Error::DeviceGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, LinkSettings, NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// assert!(team.is_port(eth1));
    ///
    /// let eth2 = rtnl.create_link(&NewLink::dummy("eth2"))?;
    /// rtnl.set_link(eth2, &LinkSettings::new().up())?;
    /// let error = team.add_port(eth2).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Busy);
    /// assert!(error.to_string().contains("Set it down before adding it as a team port"), "{error}");
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_port_add")]
    pub fn add_port(&mut self, ifindex: IfIndex) -> Result<()> {
        let team = self.team_ifindex();
        self.catch_up()?;
        let link = self.session.rtnl.snapshot_of(ifindex)?;
        self.session.expect_port(&link);
        let result = self.carry_out(|session| session.rtnl.enslave(&link, team));
        self.session.expect_no_port();
        let result = result?;
        self.check_port_command(result, ifindex, || format!("adding port {}", link.name))
    }

    /// Releases a port. It stays as a link of its own, set down, with the address and MTU that it had before.
    ///
    /// # Errors
    ///
    /// [`Error::NotPort`] if the link is no port of this team, which leaves it alone; [`Error::Kernel`];
    /// [`Error::DeviceGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// assert!(rtnl.link_by_index(eth1)?.is_admin_up());
    ///
    /// team.remove_port(eth1)?;
    /// assert!(!team.is_port(eth1));
    /// assert!(!rtnl.link_by_index(eth1)?.is_admin_up());
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_port_remove")]
    pub fn remove_port(&mut self, ifindex: IfIndex) -> Result<()> {
        self.catch_up()?;
        if !self.is_port(ifindex) {
            return Err(Error::NotPort { team: self.name().to_owned(), ifindex });
        }
        let name = self.link(ifindex).map_or_else(|| ifindex.to_string(), |link| link.name().to_owned());
        let result = self.carry_out(|session| session.rtnl.step(ifindex, &Step::Release))?;
        self.check_port_command(result, ifindex, || format!("removing port {name}"))
    }

    fn check_port_command(
        &self,
        result: Result<(), Failure>,
        ifindex: IfIndex,
        doing: impl FnOnce() -> String,
    ) -> Result<()> {
        if let Err(failure) = &result {
            if failure.refusal() == Some(Errno::NODEV) {
                return Err(Error::NoSuchDevice { device: format!("index {ifindex}") });
            }
        }
        result.during(|| format!("{}, team {}", doing(), self.name()))
    }

    /// Whether a port takes part in sending and receiving; `None` if the link is no port.
    #[doc(alias = "team_get_port_enabled")]
    #[must_use]
    pub fn port_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::ENABLED, port))
    }

    /// Lets a port take part in sending and receiving, or keeps it from it.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// assert_eq!(team.port_enabled(eth1), Some(true), "it is when it is added");
    ///
    /// team.set_port_enabled(eth1, false)?;
    /// assert_eq!(team.port_enabled(eth1), Some(false));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_set_port_enabled")]
    pub fn set_port_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::ENABLED, port), enabled)
    }

    /// The priority of a port, the higher the better; `None` if the link is no port.
    #[doc(alias = "team_get_port_priority")]
    #[must_use]
    pub fn port_priority(&self, port: IfIndex) -> Option<i32> {
        self.i32_value(&OptionId::port(names::PRIORITY, port))
    }

    /// Sets the priority of a port, the higher the better.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_priority(eth1, -5)?;
    /// assert_eq!(team.port_priority(eth1), Some(-5));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_set_port_priority")]
    pub fn set_port_priority(&mut self, port: IfIndex, priority: i32) -> Result<()> {
        self.set_option(&OptionId::port(names::PRIORITY, port), priority)
    }

    /// Whether a port takes part in receiving; `None` if the link is no port, or the kernel has no such option (it
    /// came after 6.12).
    #[must_use]
    pub fn port_rx_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::RX_ENABLED, port))
    }

    /// Lets a port take part in receiving, or keeps it from it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownOption`] where the kernel has no such option; those of [`set_option`](Self::set_option).
    pub fn set_port_rx_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::RX_ENABLED, port), enabled)
    }

    /// Whether a port takes part in sending; `None` if the link is no port, or the kernel has no such option (it came
    /// after 6.12).
    #[must_use]
    pub fn port_tx_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::TX_ENABLED, port))
    }

    /// Lets a port take part in sending, or keeps it from it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownOption`] where the kernel has no such option; those of [`set_option`](Self::set_option).
    pub fn set_port_tx_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::TX_ENABLED, port), enabled)
    }

    /// The link state of a port that was set by hand; `None` if the link is no port.
    ///
    /// It counts only while [`port_user_linkup_enabled`](Self::port_user_linkup_enabled) is on.
    #[doc(alias = "team_get_port_user_linkup")]
    #[must_use]
    pub fn port_user_linkup(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::USER_LINKUP, port))
    }

    /// Sets the link state of a port by hand.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_port_user_linkup")]
    pub fn set_port_user_linkup(&mut self, port: IfIndex, up: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::USER_LINKUP, port), up)
    }

    /// Whether the link state of a port is the one set by hand rather than the kernel's; `None` if the link is no
    /// port.
    #[must_use]
    pub fn port_user_linkup_enabled(&self, port: IfIndex) -> Option<bool> {
        self.bool_value(&OptionId::port(names::USER_LINKUP_ENABLED, port))
    }

    /// Chooses between the link state set by hand and the kernel's own. The team's carrier follows it;
    /// [`Port::is_link_up`](crate::Port::is_link_up) stays the kernel's.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_user_linkup(eth1, false)?;
    /// team.set_port_user_linkup_enabled(eth1, true)?;
    /// assert_eq!(team.carrier(), Some(false));
    /// assert!(team.port(eth1).is_some_and(|port| port.is_link_up()), "the kernel's own view");
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_set_port_user_linkup_enabled")]
    pub fn set_port_user_linkup_enabled(&mut self, port: IfIndex, enabled: bool) -> Result<()> {
        self.set_option(&OptionId::port(names::USER_LINKUP_ENABLED, port), enabled)
    }

    /// The transmit queue of the team whose packets go to this port; 0 for none, `None` if the link is no port.
    #[must_use]
    pub fn port_queue_id(&self, port: IfIndex) -> Option<u16> {
        u16::try_from(self.u32_value(&OptionId::port(names::QUEUE_ID, port))?).ok()
    }

    /// Gives a port a transmit queue of the team, whose packets then go to the port; 0 for none.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] with `EINVAL` unless the number is less than the team's number of transmit queues (16, unless
    /// it was created with another); those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    /// team.set_port_queue_id(eth1, 2)?;
    /// assert_eq!(team.port_queue_id(eth1), Some(2));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_set_port_queue_id")]
    pub fn set_port_queue_id(&mut self, port: IfIndex, queue: u16) -> Result<()> {
        self.set_option(&OptionId::port(names::QUEUE_ID, port), u32::from(queue))
    }
}
