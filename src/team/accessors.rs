//! The methods that read the cache.

use std::ffi::OsStr;

use super::TeamHandle;
use crate::cache::iter::{Links, Options, Ports};
use crate::error::Result;
use crate::model::handle_statistics::HandleStatistics;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;
use crate::model::receive_buffers::ReceiveBuffers;
use crate::netlink::error::ErrorContext;

/// # Reading the cache
///
/// These methods read the cache of the handle and send no request, unless their documentation says
/// so.
impl TeamHandle {
    /// Returns the interface index of the team.
    ///
    /// [`lookup_ifindex`](Self::lookup_ifindex) finds the index of another link.
    #[must_use]
    pub fn ifindex(&self) -> IfIndex {
        self.session.cache().team()
    }

    /// Returns the name of the team as text, or the last name of a deleted team.
    ///
    /// U+FFFD replaces bytes that are not UTF-8; [`name_os`](Self::name_os) returns them unchanged.
    #[must_use]
    pub fn name(&self) -> &str {
        self.session.name()
    }

    /// Returns the name of the team as the kernel spells it, or the last name of a deleted team.
    #[must_use]
    pub fn name_os(&self) -> &OsStr {
        self.session.cache().team_name().as_os_str()
    }

    /// Returns the ports in the order in which they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::ActiveBackup)?;
    /// for name in ["eth1", "eth2"] {
    ///     team.add_port(rtnl.create_link(&NewLink::dummy(name))?)?;
    /// }
    /// assert_eq!(team.ports().map(|port| port.name()).collect::<Vec<_>>(), [Some("eth1"), Some("eth2")]);
    ///
    /// if let Some(eth1) = team.ports().find(|port| port.is_link_up()).map(|port| port.ifindex()) {
    ///     team.set_active_port(eth1)?;
    /// }
    /// # assert!(team.active_port().is_some());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_get_next_port")]
    #[must_use]
    pub fn ports(&self) -> Ports<'_> {
        self.session.cache().ports().iter()
    }

    /// Returns a port of the team, or `None` if the link is not a port.
    #[doc(alias = "team_get_ifinfo_port")]
    #[must_use]
    pub fn port(&self, ifindex: IfIndex) -> Option<&Port> {
        self.session.cache().ports().get(ifindex)
    }

    /// Returns whether a link is a port of the team.
    #[doc(alias = "team_is_our_port")]
    #[doc(alias = "team_is_port_present")]
    #[must_use]
    pub fn is_port(&self, ifindex: IfIndex) -> bool {
        self.port(ifindex).is_some()
    }

    /// Returns which links the handle tracks.
    #[must_use]
    pub fn link_scope(&self) -> LinkScope {
        self.session.cache().scope()
    }

    /// Returns the tracked links in the order of their index.
    ///
    /// They are the links of the team and its ports, or all links of the namespace: see
    /// [`LinkScope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkScope, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::create("team0")?;
    /// assert_eq!(team.links().map(|link| link.name()).collect::<Vec<_>>(), ["team0"]);
    ///
    /// let team = TeamHandle::builder().link_scope(LinkScope::All).open("team0")?;
    /// assert_eq!(team.links().map(|link| link.name()).collect::<Vec<_>>(), ["lo", "team0"]);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_get_next_ifinfo")]
    #[must_use]
    pub fn links(&self) -> Links<'_> {
        self.session.cache().links().iter()
    }

    /// Returns a tracked link, or `None` if the handle does not track a link with this index.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_port(eth1)?;
    ///
    /// let link = team.link(eth1).expect("eth1 is a port");
    /// assert_eq!(link.master(), Some(team.ifindex()));
    /// assert!(link.is_admin_up(), "the driver sets ports up");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_get_port_ifinfo")]
    #[must_use]
    pub fn link(&self, ifindex: IfIndex) -> Option<&Link> {
        self.session.cache().links().get(ifindex)
    }

    /// Returns the team's own link, or `None` if the team was deleted.
    ///
    /// [`set_link`](Self::set_link) changes it.
    #[doc(alias = "team_get_ifinfo")]
    #[must_use]
    pub fn team_link(&self) -> Option<&Link> {
        self.session.cache().team_link()
    }

    /// Returns the options of the team in the driver's order.
    ///
    /// The team's own options come first, then those of the mode, then those of the ports, port by
    /// port.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::create("team0")?;
    /// for option in team.options() {
    ///     println!("{option}");
    /// }
    /// assert!(team.options().any(|option| option.id().name == "notify_peers_count"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_get_next_option")]
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        self.session.cache().options().iter()
    }

    /// Returns an option, or `None` if the team does not have it at present.
    ///
    /// Some options exist only in one mode, and per-port options as long as the port.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, OptionId, OptionValue, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let active = OptionId::global("activeport");
    /// assert_eq!(team.option(&active), None, "a team without a mode has no active port");
    ///
    /// team.set_mode(Mode::ActiveBackup)?;
    /// assert_eq!(team.option(&active).map(|option| option.value()), Some(&OptionValue::U32(0)));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_get_option")]
    #[doc(alias = "team_is_option_initialized")]
    #[must_use]
    pub fn option(&self, id: &OptionId) -> Option<&TeamOption> {
        self.session.cache().options().get(id)
    }

    /// Returns the counters of the handle since it was opened: events, overruns and more.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let before = team.statistics();
    /// team.set_notify_peers_count(3)?;
    /// team.handle_events()?;
    ///
    /// let now = team.statistics();
    /// assert_eq!((now.events - before.events, now.batches - before.batches), (1, 1));
    /// assert_eq!((now.overruns, now.resyncs), (0, 0), "no notification was lost");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `ENOBUFS`, netlink(7); `NLM_F_DUMP_INTR`, `linux/netlink.h`.
    #[doc(alias = "metrics")]
    #[must_use]
    pub fn statistics(&self) -> HandleStatistics {
        self.session.statistics()
    }

    /// Queries the kernel for the receive buffer sizes of the event sockets, in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the system call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::builder().receive_buffer(1 << 20).create("team0")?;
    /// let buffers = team.receive_buffers()?;
    /// println!("room for {} link events", buffers.link / 2304);
    /// assert_eq!(buffers.link, 2 << 20, "the kernel doubles the requested size");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `SO_RCVBUF`, socket(7).
    pub fn receive_buffers(&self) -> Result<ReceiveBuffers> {
        let (link, team) = self
            .session
            .receive_buffers()
            .with_context(|| "reading the size of a receive buffer".to_owned())?;
        Ok(ReceiveBuffers { link, team })
    }
}
