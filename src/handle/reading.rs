//! What the handle knows.

use super::TeamHandle;
use crate::error::Result;
use crate::iter::{Links, Options, Ports};
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;
use crate::model::receive_buffers::ReceiveBuffers;
use crate::netlink::failure::During;

impl TeamHandle {
    /// The interface index of the team device itself.
    #[must_use]
    pub fn team_ifindex(&self) -> IfIndex {
        self.session.cache().team()
    }

    /// The name of the team device, or its last one when it is gone.
    #[must_use]
    pub fn name(&self) -> &str {
        self.session.name()
    }

    /// The team's ports in the order in which they were added.
    #[doc(alias = "team_get_next_port")]
    #[must_use]
    pub fn ports(&self) -> Ports<'_> {
        self.session.cache().ports().iter()
    }

    /// One port of the team.
    #[doc(alias = "team_get_ifinfo_port")]
    #[must_use]
    pub fn port(&self, ifindex: IfIndex) -> Option<&Port> {
        self.session.cache().ports().get(ifindex)
    }

    /// Whether a link is a port of the team.
    #[doc(alias = "team_is_our_port")]
    #[doc(alias = "team_is_port_present")]
    #[must_use]
    pub fn is_port(&self, ifindex: IfIndex) -> bool {
        self.port(ifindex).is_some()
    }

    /// Which links the handle keeps.
    #[must_use]
    pub fn link_scope(&self) -> LinkScope {
        self.session.cache().scope()
    }

    /// The links in the order of their index: those of the team and its ports, or all of the namespace. See
    /// [`LinkScope`].
    #[doc(alias = "team_get_next_ifinfo")]
    #[must_use]
    pub fn links(&self) -> Links<'_> {
        self.session.cache().links().iter()
    }

    /// One of these links.
    #[doc(alias = "team_get_port_ifinfo")]
    #[must_use]
    pub fn link(&self, ifindex: IfIndex) -> Option<&Link> {
        self.session.cache().links().get(ifindex)
    }

    /// The team device's own link, or `None` when it is gone.
    #[doc(alias = "team_get_ifinfo")]
    #[must_use]
    pub fn team_link(&self) -> Option<&Link> {
        self.session.cache().team_link()
    }

    /// The team's options in the driver's order: its own, those of the mode, then port by port.
    #[doc(alias = "team_get_next_option")]
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        self.session.cache().options().iter()
    }

    /// One option, or `None` if the team does not have it now: options come and go with the mode and the ports.
    #[doc(alias = "team_get_option")]
    #[doc(alias = "team_is_option_initialized")]
    #[must_use]
    pub fn option(&self, id: &OptionId) -> Option<&TeamOption> {
        self.session.cache().options().get(id)
    }

    /// The receive buffers that the kernel gave the event sockets.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the kernel does not tell.
    pub fn receive_buffers(&self) -> Result<ReceiveBuffers> {
        let (link, team) =
            self.session.receive_buffers().during(|| "reading the size of a receive buffer".to_owned())?;
        Ok(ReceiveBuffers { link, team })
    }
}
