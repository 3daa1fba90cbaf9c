//! What changed of a link.

use std::fmt;

use super::change::Change;
use super::link_change::LinkChange;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;

impl Change<Link> {
    /// What of the link changed, and what the kernel did with it.
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
    /// let link = changes.links().next().expect("the team's own");
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
        let mut what = self.events;
        what.set(LinkChange::NAME, self.differs(|link| link.name.clone()));
        what.set(LinkChange::HWADDR, self.differs(|link| link.hwaddr));
        what.set(LinkChange::HWADDR_LEN, self.differs(|link| link.hwaddr.map(HwAddr::len)));
        what.set(LinkChange::ORIGINAL_HWADDR, self.differs(|link| link.original_hwaddr));
        what.set(LinkChange::MASTER, self.differs(|link| link.master));
        what.set(LinkChange::ADMIN_STATE, self.differs(Link::is_admin_up));
        what.set(LinkChange::FLAGS, self.differs(|link| link.flags.bits()));
        what.set(LinkChange::CARRIER, self.differs(|link| (link.carrier, link.carrier_changes)));
        what.set(LinkChange::OPER_STATE, self.differs(|link| link.oper_state));
        what.set(LinkChange::MTU, self.differs(|link| link.mtu));
        what.set(LinkChange::PHYS_PORT_ID, self.differs(|link| link.phys_port_id().map(Vec::from)));
        what.set(
            LinkChange::PHYS_PORT_ID_LEN,
            self.differs(|link| link.phys_port_id().map(<[u8]>::len)),
        );
        what.set(LinkChange::ALTERNATIVE_NAMES, self.differs(|link| link.further_names().to_vec()));
        what.set(LinkChange::RELEASED, self.is_released());
        what.set(LinkChange::KIND, self.differs(|link| link.kind.clone()));
        what
    }

    /// Whether a field is another one than before; before a new link was there its fields were
    /// empty.
    fn differs<T: PartialEq + Default>(&self, field: impl Fn(&Link) -> T) -> bool {
        self.before().map(&field).unwrap_or_default() != field(self.latest())
    }
}

/// As the link itself, with `*` before it and before each of name, hardware address and master that
/// changed.
impl fmt::Display for Change<Link> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, what) = (self.latest(), self.changed_fields());
        let mark = |of: LinkChange| if what.intersects(of) { "*" } else { "" };
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
