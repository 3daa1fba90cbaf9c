use std::fmt;

use super::link_change::LinkChange;
use crate::model::link::Link;
use crate::model::option::TeamOption;
use crate::model::port::Port;

/// The change of one link, port or option: its state before and after a batch of events.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::{OptionValue, TeamHandle};
///
/// # test_netns::enter();
/// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
/// let mut team = TeamHandle::create("team0")?;
/// team.add_port(eth1)?;
/// team.handle_events()?;
/// team.set_port_priority(eth1, 10)?;
///
/// let changes = team.handle_events()?;
/// let priority = changes.options().next().expect("the priority was set");
/// assert_eq!(priority.before().map(|option| option.value()), Some(&OptionValue::I32(0)));
/// assert_eq!(priority.after().map(|option| option.value()), Some(&OptionValue::I32(10)));
/// assert!(!priority.is_added() && !priority.is_removed());
/// assert_eq!(priority.to_string(), "*priority (port:eth1) 10");
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<T> {
    pub(super) before: Option<T>,
    pub(super) after: T,
    pub(super) state: ObjectState,
    pub(super) local: bool,
    pub(super) events: LinkChange,
}

/// The state of an object after its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub(super) enum ObjectState {
    /// The object exists, and was not removed in between.
    Exists,
    /// The object was removed and added again.
    Recreated,
    /// The object was removed.
    Removed,
    /// The object exists, but is not tracked any more.
    Released,
}

impl<T> Change<T> {
    /// Returns the change from one state to the other, or `None` without any state.
    pub(crate) fn between(before: Option<T>, after: Option<T>) -> Option<Self>
    where
        T: Clone,
    {
        let state = if after.is_some() { ObjectState::Exists } else { ObjectState::Removed };
        let after = after.or_else(|| before.clone())?;
        Some(Self { before, after, state, local: false, events: LinkChange::empty() })
    }

    /// Joins this change with a later one of the same object.
    ///
    /// `None` if the object existed neither before nor after.
    pub(super) fn joined(self, later: Self) -> Option<Self> {
        if self.before.is_none() && later.after().is_none() {
            return None;
        }
        let (local, events) = (self.local || later.local, self.events | later.events);
        let state = match (self.state, later.state) {
            (ObjectState::Recreated | ObjectState::Removed, ObjectState::Exists)
                if self.before.is_some() =>
            {
                ObjectState::Recreated
            }
            (_, ObjectState::Recreated) if self.before.is_none() => ObjectState::Exists,
            (_, state) => state,
        };
        Some(Self { before: self.before, state, local, events, ..later })
    }

    /// Sets whether this handle made the change.
    pub(crate) fn made_locally(self, local: bool) -> Self {
        Self { local, ..self }
    }

    /// Marks the object as removed and added again.
    pub(crate) fn recreated(self) -> Self {
        Self { state: ObjectState::Recreated, ..self }
    }

    /// Marks the object as existing in this state, but no longer tracked.
    pub(crate) fn released_as(self, after: T) -> Self {
        Self { after, state: ObjectState::Released, ..self }
    }

    /// Sets the state that the kernel reported with a removal; other changes stay as they are.
    pub(crate) fn with_final_state(self, final_state: Option<T>) -> Self {
        match final_state {
            Some(final_state) if self.is_removed() => Self { after: final_state, ..self },
            _ => self,
        }
    }

    /// Returns the state that was reported last, or `None` for a new object.
    #[must_use]
    pub fn before(&self) -> Option<&T> {
        self.before.as_ref()
    }

    /// Returns the current state, or `None` for a removed object.
    ///
    /// `None` also for a link that was [released](Change::is_released).
    #[must_use]
    pub fn after(&self) -> Option<&T> {
        matches!(self.state, ObjectState::Exists | ObjectState::Recreated).then_some(&self.after)
    }

    /// Returns the newest known state, also of a removed object.
    ///
    /// For a removed object, it is the state that the kernel reported with the removal, or else the
    /// last one before it.
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
    /// team.handle_events()?;
    /// team.remove_port(eth1)?;
    ///
    /// let changes = team.handle_events()?;
    /// let port = changes.ports().next().expect("eth1 was removed");
    /// assert_eq!((port.is_removed(), port.after()), (true, None));
    /// assert_eq!(port.latest().ifindex(), eth1);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[must_use]
    pub fn latest(&self) -> &T {
        &self.after
    }

    /// Returns whether the object is new: it was not reported before.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.before.is_none()
    }

    /// Returns whether the object was removed and added again since the last batch.
    ///
    /// Examples are a port that left the team and was added again, and a new link with the
    /// interface index of a deleted one. [`before`](Self::before) is the state of the old object,
    /// [`after`](Self::after) that of the new one, which has none of the old object's settings.
    ///
    /// The method returns `false` if the notification of the removal was lost.
    #[must_use]
    pub fn is_recreated(&self) -> bool {
        self.state == ObjectState::Recreated
    }

    /// Returns whether the object was removed.
    #[doc(alias = "team_is_port_removed")]
    #[doc(alias = "team_is_ifinfo_removed")]
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.state == ObjectState::Removed
    }
}

impl Change<Link> {
    /// Sets the events that the kernel reported for the link and that change no field.
    pub(crate) fn with_events(self, events: LinkChange) -> Self {
        Self { events, ..self }
    }

    /// Returns whether the link still exists but is not tracked, because it is no longer a port.
    ///
    /// [`latest`](Self::latest) is the state of the link after its release. Only a handle with
    /// [`LinkScope::Team`](crate::LinkScope::Team) reports this.
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
    /// team.handle_events()?;
    /// team.remove_port(eth1)?;
    ///
    /// let changes = team.handle_events()?;
    /// let link = changes.links().find(|link| link.latest().ifindex() == eth1);
    /// let link = link.expect("eth1 changed");
    /// assert!(link.is_released() && !link.is_removed());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWLINK` without `IFLA_MASTER`, `linux/if_link.h`.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.state == ObjectState::Released
    }
}

impl Change<TeamOption> {
    /// Returns whether this handle set the option.
    ///
    /// Another process may have set the option in the same batch too, before or after.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.handle_events()?;
    /// let mut other = TeamHandle::open("team0")?;
    /// other.set_notify_peers_count(2)?;
    /// assert!(team.handle_events()?.options().all(|option| !option.is_local()));
    ///
    /// team.set_notify_peers_count(3)?;
    /// assert!(team.handle_events()?.options().all(|option| option.is_local()));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_is_option_changed_locally")]
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }
}

impl Change<TeamOption> {
    /// Returns whether the option was removed because its port left the team.
    ///
    /// This is the only reason for which a per-port option is removed: a change of the mode removes
    /// options too, but the driver rejects such a change while the team has ports.
    ///
    /// # Source
    ///
    /// `team_change_mode` and `team_port_del`, `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn is_removed_with_port(&self) -> bool {
        self.is_removed() && self.after.id.port.is_some()
    }
}

/// Prints the port with a mark before it: `*` for changed or new, `-` for removed.
impl fmt::Display for Change<Port> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.after.fmt_marked(if self.is_removed() { '-' } else { '*' }, f)
    }
}

/// Prints the option with a mark before it: `*` for changed or new, `-` for removed.
impl fmt::Display for Change<TeamOption> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.after.fmt_marked(if self.is_removed() { '-' } else { '*' }, f)
    }
}
