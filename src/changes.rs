use std::fmt;

use bitflags::bitflags;

use crate::model::link::Link;
use crate::model::option::TeamOption;
use crate::model::port::Port;

bitflags! {
    /// What a change handler wants to hear of.
    #[doc(alias = "team_change_type_mask_t")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// One thing before and after a batch of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<T> {
    before: Option<T>,
    after: T,
    removed: bool,
}

impl<T> Change<T> {
    /// `None` where there was nothing before and is nothing after.
    pub(crate) fn between(before: Option<T>, after: Option<T>) -> Option<Self>
    where
        T: Clone,
    {
        match (before, after) {
            (before, Some(after)) => Some(Self { before, after, removed: false }),
            (Some(last), None) => Some(Self { before: Some(last.clone()), after: last, removed: true }),
            (None, None) => None,
        }
    }

    /// The state that was told last, or `None` for something new.
    #[must_use]
    pub fn before(&self) -> Option<&T> {
        self.before.as_ref()
    }

    /// The state now, or `None` for something that was removed.
    #[must_use]
    pub fn after(&self) -> Option<&T> {
        (!self.removed).then_some(&self.after)
    }

    /// The newest state there is: the one now, or the last one of what was removed.
    #[must_use]
    pub fn latest(&self) -> &T {
        &self.after
    }

    /// Whether it is new.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.before.is_none()
    }

    /// Whether it is gone.
    #[doc(alias = "team_is_port_removed")]
    #[doc(alias = "team_is_ifinfo_removed")]
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed
    }
}

/// The newest state behind a mark: `+` for new, `-` for removed, `*` for changed.
impl<T: fmt::Display> fmt::Display for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match (self.is_removed(), self.is_added()) {
            (true, _) => '-',
            (false, true) => '+',
            (false, false) => '*',
        };
        write!(f, "{mark}{}", self.after)
    }
}

/// Everything that one batch of events altered: the difference between what was told last and what is now.
///
/// Something that came and went within the batch is not in it. A port or option that the kernel marked as changed is,
/// even if its value is the old one: it was set, or changed and changed back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(crate) links: Vec<Change<Link>>,
    pub(crate) ports: Vec<Change<Port>>,
    pub(crate) options: Vec<Change<TeamOption>>,
    pub(crate) resynced: bool,
    pub(crate) inconsistent: bool,
}

impl Changes {
    /// The links that changed, in the order of their first event.
    #[must_use]
    pub fn links(&self) -> impl ExactSizeIterator<Item = &Change<Link>> {
        self.links.iter()
    }

    /// The ports that changed, in the order of their first event.
    #[must_use]
    pub fn ports(&self) -> impl ExactSizeIterator<Item = &Change<Port>> {
        self.ports.iter()
    }

    /// The options that changed, in the order of their first event.
    #[must_use]
    pub fn options(&self) -> impl ExactSizeIterator<Item = &Change<TeamOption>> {
        self.options.iter()
    }

    /// Whether events were lost, and the changes found by asking the kernel for everything again.
    #[must_use]
    pub fn resynced(&self) -> bool {
        self.resynced
    }

    /// Whether the last attempt at a dump of all links was interrupted too: something may be missing that the next
    /// events or [`refresh`](crate::TeamHandle::refresh) will tell.
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

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty()
    }

    /// Puts a later batch behind this one.
    pub(crate) fn append(&mut self, later: Self) {
        self.links.extend(later.links);
        self.ports.extend(later.ports);
        self.options.extend(later.options);
        self.resynced |= later.resynced;
        self.inconsistent |= later.inconsistent;
    }
}
