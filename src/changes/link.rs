//! The changed fields of a link.

use std::fmt;

use super::change::Change;
use super::link_change::LinkChange;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;

impl Change<Link> {
    /// Returns the fields of the link that changed, and the events that change no field.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkChange, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.handle_events()?;
    /// team.set_hwaddr(team.ifindex(), "02:00:00:00:00:2a".parse().expect("an address"))?;
    ///
    /// let changes = team.handle_events()?;
    /// let link = changes.links().next().expect("the team's own link changed");
    /// assert!(link.changed_fields().contains(LinkChange::HWADDR));
    /// assert!(!link.changed_fields().contains(LinkChange::NAME));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_is_ifinfo_changed")]
    #[must_use]
    pub fn changed_fields(&self) -> LinkChange {
        if self.is_removed() {
            return LinkChange::REMOVED;
        }
        let mut fields = self.events;
        fields.set(LinkChange::NAME, self.differs(|link| link.name.clone()));
        fields.set(LinkChange::HWADDR, self.differs(|link| link.hwaddr));
        fields.set(LinkChange::HWADDR_LEN, self.differs(|link| link.hwaddr.map(HwAddr::len)));
        fields.set(LinkChange::ORIGINAL_HWADDR, self.differs(|link| link.original_hwaddr));
        fields.set(LinkChange::MASTER, self.differs(|link| link.master));
        fields.set(LinkChange::ADMIN_STATE, self.differs(Link::is_admin_up));
        fields.set(LinkChange::FLAGS, self.differs(|link| link.flags.bits()));
        fields.set(LinkChange::CARRIER, self.differs(|link| (link.carrier, link.carrier_changes)));
        fields.set(LinkChange::OPER_STATE, self.differs(|link| link.oper_state));
        fields.set(LinkChange::MTU, self.differs(|link| link.mtu));
        fields
            .set(LinkChange::PHYS_PORT_ID, self.differs(|link| link.phys_port_id().map(Vec::from)));
        fields.set(
            LinkChange::PHYS_PORT_ID_LEN,
            self.differs(|link| link.phys_port_id().map(<[u8]>::len)),
        );
        fields
            .set(LinkChange::ALTERNATIVE_NAMES, self.differs(|link| link.further_names().to_vec()));
        fields.set(LinkChange::RELEASED, self.is_released());
        fields.set(LinkChange::KIND, self.differs(|link| link.kind.clone()));
        fields
    }

    /// Returns whether a field differs from the state before; a new link is compared with defaults.
    fn differs<T: PartialEq + Default>(&self, field: impl Fn(&Link) -> T) -> bool {
        self.before().map(&field).unwrap_or_default() != field(self.latest())
    }
}

/// Prints the link with a mark `*`, also before a changed name, hardware address or master.
impl fmt::Display for Change<Link> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, fields) = (self.latest(), self.changed_fields());
        let mark = |of: LinkChange| if fields.intersects(of) { "*" } else { "" };
        let hwaddr = link.hwaddr.map(|hwaddr| hwaddr.to_string()).unwrap_or_default();
        write!(
            f,
            "*{}: {}{}: {}{hwaddr}: {}{}",
            link.ifindex,
            mark(LinkChange::NAME),
            link.name,
            mark(LinkChange::HWADDR | LinkChange::HWADDR_LEN),
            mark(LinkChange::MASTER),
            link.master.map_or(0, IfIndex::get),
        )
    }
}
