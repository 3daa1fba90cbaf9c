use std::fmt;

use bitflags::bitflags;

use super::change::Change;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;

bitflags! {
    /// What of a link changed; of a new link all that it has.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct LinkChange: u32 {
        /// The link is gone.
        #[doc(alias = "team_is_ifinfo_removed")]
        const REMOVED = 1;
        /// Its name.
        #[doc(alias = "team_is_ifinfo_ifname_changed")]
        const NAME = 1 << 1;
        /// Its hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_changed")]
        const HWADDR = 1 << 2;
        /// The length of its hardware address.
        #[doc(alias = "team_is_ifinfo_hwaddr_len_changed")]
        const HWADDR_LEN = 1 << 3;
        /// Its hardware address of the time when it has no master.
        const ORIGINAL_HWADDR = 1 << 4;
        /// Its master.
        #[doc(alias = "team_is_ifinfo_master_ifindex_changed")]
        const MASTER = 1 << 5;
        /// Whether its administrator set it up.
        #[doc(alias = "team_is_ifinfo_admin_state_changed")]
        const ADMIN_STATE = 1 << 6;
        /// Any of its flags, the administrative state among them.
        const FLAGS = 1 << 7;
        /// Its carrier, even if it is back again.
        const CARRIER = 1 << 8;
        /// Its operational state.
        const OPER_STATE = 1 << 9;
        /// Its MTU.
        const MTU = 1 << 10;
        /// The identification of its physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_changed")]
        const PHYS_PORT_ID = 1 << 11;
        /// The length of the identification of its physical port.
        #[doc(alias = "team_is_ifinfo_phys_port_id_len_changed")]
        const PHYS_PORT_ID_LEN = 1 << 12;
        /// Its alternative names.
        const ALTERNATIVE_NAMES = 1 << 13;
        /// Its kind: another link got its index.
        const KIND = 1 << 14;
        /// It is no port of the team any more, and not followed from now on: see [`Change::is_left`].
        const LEFT = 1 << 15;
    }
}

impl Change<Link> {
    /// What of the link changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkChange, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.handle_events()?;
    /// team.set_hwaddr(team.team_ifindex(), "02:00:00:00:00:2a".parse().expect("an address"))?;
    ///
    /// let changes = team.handle_events()?;
    /// let link = changes.links().next().expect("the team's own");
    /// assert!(link.what().contains(LinkChange::HWADDR));
    /// assert!(!link.what().contains(LinkChange::NAME));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_is_ifinfo_changed")]
    #[must_use]
    pub fn what(&self) -> LinkChange {
        if self.is_removed() {
            return LinkChange::REMOVED;
        }
        let mut what = LinkChange::empty();
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
        what.set(LinkChange::PHYS_PORT_ID_LEN, self.differs(|link| link.phys_port_id().map(<[u8]>::len)));
        what.set(
            LinkChange::ALTERNATIVE_NAMES,
            self.differs(|link| link.alternative_names().map(String::from).collect::<Vec<_>>()),
        );
        what.set(LinkChange::LEFT, self.is_left());
        what.set(LinkChange::KIND, self.differs(|link| link.kind.clone()));
        what
    }

    /// Whether a field is another one than before; before a new link was there its fields were empty.
    fn differs<T: PartialEq + Default>(&self, field: impl Fn(&Link) -> T) -> bool {
        self.before().map(&field).unwrap_or_default() != field(self.latest())
    }
}

/// As the link itself, with `*` before it and before each of name, hardware address and master that changed.
impl fmt::Display for Change<Link> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, what) = (self.latest(), self.what());
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
