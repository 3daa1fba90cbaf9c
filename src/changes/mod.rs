//! Changes: the differences that one batch of events made to links, ports and options.
//!
//! The room uses only `model`. `cache` creates the changes of a batch, `team` delivers them to the
//! caller and to handlers.

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
    /// The kinds of change for which a handler is called.
    ///
    /// # Examples
    ///
    /// See [`TeamHandle::add_handler`](crate::TeamHandle::add_handler) and [`Changes`].
    #[doc(alias = "team_change_type_mask_t")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct ChangeKind: u32 {
        /// A port was added, removed or changed.
        #[doc(alias = "TEAM_PORT_CHANGE")]
        const PORT = 1;
        /// An option was added, removed or set.
        #[doc(alias = "TEAM_OPTION_CHANGE")]
        const OPTION = 1 << 1;
        /// A link was added, removed or changed.
        #[doc(alias = "TEAM_IFINFO_CHANGE")]
        const LINK = 1 << 2;
    }
}

/// The changes of one batch: the difference between the state reported last and the current state.
///
/// - An object that was added and removed within the batch is not reported.
/// - A port or option that the kernel marked as changed is reported even if its value is the same
///   as before: it may have been set to the same value, or changed and changed back.
/// - A link is reported also for events that change no field: see [`LinkChange::NOTIFY_PEERS`].
///
/// ```text
/// events of the kernel ────────────┐             difference from the
/// (also of this handle's commands) ├──► cache ──► state reported last
/// replies to a resync or refresh ──┘                      │
///                                                      Changes
///                                               ┌─────────┴─────────┐
///                                               ▼                   ▼
///                                     handle_events        change handlers
///                                     returns the batch    get the batch
/// ```
///
/// # Order
///
/// [`links`](Self::links), [`ports`](Self::ports) and [`options`](Self::options) iterate in the
/// order of the kernel's messages:
///
/// - An object has the position of the first message about it in the batch.
/// - Objects of the same message are in the order of the message.
/// - Changes by commands of this handle have the position of the kernel's message about them.
/// - After lost notifications, changes that the resync found come last, in the order of the
///   replies.
///
/// There is no order between links, ports and options.
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
    /// Returns the links that changed, in the [order](Self#order) of the kernel's messages.
    #[must_use]
    pub fn links(&self) -> impl ExactSizeIterator<Item = &Change<Link>> {
        self.links.iter()
    }

    /// Returns the ports that changed, in the [order](Self#order) of the kernel's messages.
    #[doc(alias = "team_is_port_changed")]
    #[must_use]
    pub fn ports(&self) -> impl ExactSizeIterator<Item = &Change<Port>> {
        self.ports.iter()
    }

    /// Returns the options that changed, in the [order](Self#order) of the kernel's messages.
    #[doc(alias = "team_is_option_changed")]
    #[must_use]
    pub fn options(&self) -> impl ExactSizeIterator<Item = &Change<TeamOption>> {
        self.options.iter()
    }

    /// Returns whether notifications were lost and the batch contains the result of a resync.
    ///
    /// In a resync, the handle requests all links, ports and options again. The batch is then the
    /// complete difference, but it does not show states in between.
    ///
    /// ```text
    /// kernel               event sockets            handle_events
    ///   │ event ────────────────►│                        │
    ///   │ (buffer full: further events are dropped)       │
    ///   │                        │ ENOBUFS ──────────────►│ 1 record the loss
    ///   │                        │ queued events ────────►│ 2 discard them
    ///   │◄───────────────────────┼─────────── requests ───│ 3 links, ports, options:
    ///   │ replies ───────────────┼───────────────────────►│   apply to the cache
    ///   │ event ────────────────►│                        │
    ///   │                        │ queued events ────────►│ 4 apply to the cache
    ///   │                        │                        │ 5 return one batch
    /// ```
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
    ///     // The changes are complete, but states in between are unknown.
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

    /// Returns whether the state after this batch may be incomplete.
    ///
    /// There are three reasons:
    ///
    /// - The last permitted attempt to dump the links was interrupted by changes. A link that the
    ///   handle did not know before may be missing until its next event or a
    ///   [`refresh`](crate::TeamHandle::refresh). Known links and the links of ports are never
    ///   missing, because the handle requests them one by one. If this happened when the handle was
    ///   opened, its first batch reports it.
    /// - The driver could not list all options, because another process set a BPF program that is
    ///   too long for the driver's messages. The options that are missing in the list keep their
    ///   last known value until the program is [cleared](crate::TeamHandle::clear_bpf_hash_func) or
    ///   replaced.
    /// - The driver refused to list ports and options, because the process dropped `CAP_NET_ADMIN`.
    ///   They keep their last known state: see
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

    /// Returns the kinds of change that the batch contains.
    #[must_use]
    pub fn kinds(&self) -> ChangeKind {
        let mut kinds = ChangeKind::empty();
        kinds.set(ChangeKind::LINK, !self.links.is_empty());
        kinds.set(ChangeKind::PORT, !self.ports.is_empty());
        kinds.set(ChangeKind::OPTION, !self.options.is_empty());
        kinds
    }

    /// Returns whether the batch reports nothing, neither a change nor a resync.
    ///
    /// That is: [`kinds`](Self::kinds) is empty, and [`is_resynced`](Self::is_resynced) and
    /// [`is_inconsistent`](Self::is_inconsistent) are false. After lost notifications, `kinds` may
    /// be empty although the batch is not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty() && !self.resynced && !self.inconsistent
    }

    /// Appends the changes of a later batch; the result can contain an object twice.
    pub(crate) fn append(&mut self, later: Self) {
        self.links.extend(later.links);
        self.ports.extend(later.ports);
        self.options.extend(later.options);
        self.resynced |= later.resynced;
        self.inconsistent |= later.inconsistent;
    }

    /// Joins this batch with the next one into one difference, which contains each object once.
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

/// Joins two lists of changes, in which `key` identifies the objects.
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
