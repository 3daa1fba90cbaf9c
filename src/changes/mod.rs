//! What one batch of events altered.

mod change;
mod link;
mod link_change;
#[cfg(feature = "serde")]
mod serde_impls;

use std::hash::Hash;

use bitflags::bitflags;
use indexmap::IndexMap;

pub use change::Change;
pub use link_change::LinkChange;

use crate::model::link::Link;
use crate::model::option::TeamOption;
use crate::model::port::Port;

bitflags! {
    /// What a change handler wants to hear of.
    ///
    /// # Examples
    ///
    /// See [`TeamHandle::add_handler`](crate::TeamHandle::add_handler) and [`Changes`].
    #[doc(alias = "team_change_type_mask_t")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct ChangeKind: u32 {
        /// A port was added, removed, or changed its state.
        #[doc(alias = "TEAM_PORT_CHANGE")]
        const PORT = 1;
        /// An option appeared, disappeared, or was set.
        #[doc(alias = "TEAM_OPTION_CHANGE")]
        const OPTION = 1 << 1;
        /// A link was created, deleted, or changed.
        #[doc(alias = "TEAM_IFINFO_CHANGE")]
        const LINK = 1 << 2;
    }
}

/// Everything that one batch of events altered: the difference between what was told last and what
/// is now.
///
/// Something that came and went within the batch is not in it. A port or option that the kernel
/// marked as changed is, even if its value is the old one: it was set, or changed and changed back.
/// So is a link with which the kernel did something that leaves no trace in it: see
/// [`LinkChange::NOTIFY_PEERS`].
///
/// # Order
///
/// [`links`](Self::links), [`ports`](Self::ports) and [`options`](Self::options) iterate in the
/// order of the kernel's messages: each object is at the place of the first message about it in the
/// batch, and where one message is about several objects, they are in the order of the message.
/// What a command of this handle changed is at the place of the kernel's message about it. If
/// notifications were lost, what was found by requesting everything again follows, in the order of
/// the replies. There is no order between links, ports and options.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::{ChangeKind, TeamHandle};
///
/// # test_netns::enter();
/// let mut rtnl = RtnlSocket::new()?;
/// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
/// let mut team = TeamHandle::create("team0")?;
/// team.handle_events()?;
/// team.add_port(eth1)?;
///
/// let changes = team.handle_events()?;
/// for port in changes.ports() {
///     match (port.before(), port.after()) {
///         (None, Some(new)) => println!("new: {new}"),
///         (Some(old), Some(new)) => println!("{old} is now {new}"),
///         (_, None) => println!("gone: {}", port.latest()),
///     }
/// }
/// for link in changes.links() {
///     println!("{link}: {:?}", link.changed_fields());
/// }
/// assert!(changes.ports().next().is_some_and(|port| port.is_added()));
/// assert!(changes.kinds().contains(ChangeKind::PORT | ChangeKind::OPTION | ChangeKind::LINK));
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Changes {
    pub(crate) links: Vec<Change<Link>>,
    pub(crate) ports: Vec<Change<Port>>,
    pub(crate) options: Vec<Change<TeamOption>>,
    pub(crate) resynced: bool,
    pub(crate) inconsistent: bool,
}

impl Changes {
    /// Returns the links that changed, in the order of the kernel's messages: see
    /// [`Changes`](Self#order).
    #[must_use]
    pub fn links(&self) -> impl ExactSizeIterator<Item = &Change<Link>> {
        self.links.iter()
    }

    /// Returns the ports that changed, in the order of the kernel's messages: see
    /// [`Changes`](Self#order).
    #[doc(alias = "team_is_port_changed")]
    #[must_use]
    pub fn ports(&self) -> impl ExactSizeIterator<Item = &Change<Port>> {
        self.ports.iter()
    }

    /// Returns the options that changed, in the order of the kernel's messages: see
    /// [`Changes`](Self#order).
    #[doc(alias = "team_is_option_changed")]
    #[must_use]
    pub fn options(&self) -> impl ExactSizeIterator<Item = &Change<TeamOption>> {
        self.options.iter()
    }

    /// Whether events were lost, and the changes found by asking the kernel for everything again.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let changes = team.handle_events()?;
    /// if changes.is_resynced() {
    ///     // The changes are whole. But what came and went again meanwhile nobody knows.
    ///     println!("{}: notifications were lost", team.name());
    /// }
    /// # assert!(!changes.is_resynced());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `ENOBUFS`, netlink(7).
    #[must_use]
    pub fn is_resynced(&self) -> bool {
        self.resynced
    }

    /// Whether what the kernel was asked for may not be all that there is:
    ///
    /// - The last attempt at a dump of the links was interrupted too: a link may be missing that
    ///   its next event or a [`refresh`](crate::TeamHandle::refresh) will tell. Of the dump at the
    ///   start, the first changes say it. What was known before is never missing, nor is the link
    ///   of a port: these are asked for one by one.
    /// - The driver could not tell all options, as somebody set a program that is too long for it.
    ///   Those that it could not tell are as they were last known, until the program is
    ///   [cleared](crate::TeamHandle::clear_bpf_hash_func) or replaced.
    /// - The driver refused to list ports and options, as the process dropped `CAP_NET_ADMIN`:
    ///   these are as they were last known, see
    ///   [`permissions`](crate::guide::permissions#dropping-the-capability-after-opening).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let mut changes = team.handle_events()?;
    /// if changes.is_inconsistent() {
    ///     changes = team.refresh()?;
    /// }
    /// assert!(!changes.is_inconsistent());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP_INTR`, `linux/netlink.h`; `team_nl_send_options_get` in the kernel's
    /// `team_core.c`.
    #[must_use]
    pub fn is_inconsistent(&self) -> bool {
        self.inconsistent
    }

    /// Which kinds of change there are.
    #[must_use]
    pub fn kinds(&self) -> ChangeKind {
        let mut kinds = ChangeKind::empty();
        kinds.set(ChangeKind::LINK, !self.links.is_empty());
        kinds.set(ChangeKind::PORT, !self.ports.is_empty());
        kinds.set(ChangeKind::OPTION, !self.options.is_empty());
        kinds
    }

    /// Returns whether there is nothing to report: no change, and neither
    /// [`is_resynced`](Self::is_resynced) nor [`is_inconsistent`](Self::is_inconsistent).
    ///
    /// [`kinds`](Self::kinds) is empty where no link, port or option changed, whether notifications
    /// were lost or not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty() && !self.resynced && !self.inconsistent
    }

    /// Puts a later batch behind this one.
    pub(crate) fn append(&mut self, later: Self) {
        self.links.extend(later.links);
        self.ports.extend(later.ports);
        self.options.extend(later.options);
        self.resynced |= later.resynced;
        self.inconsistent |= later.inconsistent;
    }

    /// Makes one batch of this one and the one after it: one difference, in which each thing is
    /// once.
    pub(crate) fn joined(self, later: Self) -> Self {
        Self {
            links: joined(self.links, later.links, Link::ifindex),
            ports: joined(self.ports, later.ports, Port::ifindex),
            options: joined(self.options, later.options, |option| option.id().clone()),
            resynced: self.resynced || later.resynced,
            inconsistent: self.inconsistent || later.inconsistent,
        }
    }
}

fn joined<K: Hash + Eq, T>(
    earlier: Vec<Change<T>>,
    later: Vec<Change<T>>,
    key: impl Fn(&T) -> K,
) -> Vec<Change<T>> {
    let mut joined: IndexMap<K, Option<Change<T>>> =
        earlier.into_iter().map(|change| (key(change.latest()), Some(change))).collect();
    for change in later {
        let entry = joined.entry(key(change.latest())).or_default();
        *entry = match entry.take() {
            Some(before) => before.joined(change),
            None => Some(change),
        };
    }
    joined.into_values().flatten().collect()
}

#[cfg(test)]
mod tests;
