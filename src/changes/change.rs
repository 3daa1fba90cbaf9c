use std::fmt;

use super::link_change::LinkChange;
use crate::model::link::Link;
use crate::model::option::TeamOption;
use crate::model::port::Port;

/// One thing before and after a batch of events.
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
/// let priority = changes.options().next().expect("it was set");
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

/// What has become of the object of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub(super) enum ObjectState {
    /// It exists, newly or still.
    Exists,
    /// It was removed and added again.
    Recreated,
    /// It was removed.
    Removed,
    /// It exists, but is not tracked any more.
    Released,
}

impl<T> Change<T> {
    /// `None` where there was nothing before and is nothing after.
    pub(crate) fn between(before: Option<T>, after: Option<T>) -> Option<Self>
    where
        T: Clone,
    {
        let state = if after.is_some() { ObjectState::Exists } else { ObjectState::Removed };
        let after = after.or_else(|| before.clone())?;
        Some(Self { before, after, state, local: false, events: LinkChange::empty() })
    }

    /// This change and a later one of the same thing as one; `None` if the thing was there neither
    /// before nor after.
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

    /// The same change, made by this handle or not.
    pub(crate) fn made_locally(self, local: bool) -> Self {
        Self { local, ..self }
    }

    /// The same change, of something that was removed and added again.
    pub(crate) fn recreated(self) -> Self {
        Self { state: ObjectState::Recreated, ..self }
    }

    /// The same change, of something that is there as it is here, and followed no more.
    pub(crate) fn released_as(self, after: T) -> Self {
        Self { after, state: ObjectState::Released, ..self }
    }

    /// The same change; if it is a removal, with what the kernel said of the thing when it went.
    pub(crate) fn with_final_state(self, final_state: Option<T>) -> Self {
        match final_state {
            Some(final_state) if self.is_removed() => Self { after: final_state, ..self },
            _ => self,
        }
    }

    /// The state that was told last, or `None` for something new.
    #[must_use]
    pub fn before(&self) -> Option<&T> {
        self.before.as_ref()
    }

    /// The state now, or `None` for something that was removed, or that
    /// [left](Change::is_released).
    #[must_use]
    pub fn after(&self) -> Option<&T> {
        matches!(self.state, ObjectState::Exists | ObjectState::Recreated).then_some(&self.after)
    }

    /// The newest state there is: the one now, or the last one of what was removed, as the kernel
    /// told it on removal.
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
    /// let port = changes.ports().next().expect("it was removed");
    /// assert_eq!((port.is_removed(), port.after()), (true, None));
    /// assert_eq!(port.latest().ifindex(), eth1);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[must_use]
    pub fn latest(&self) -> &T {
        &self.after
    }

    /// Whether it is new.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.before.is_none()
    }

    /// Returns whether the object was removed and added again since changes were reported last:
    /// [`before`](Self::before) is the state of the old object, [`after`](Self::after) that of the
    /// new one.
    ///
    /// A port that leaves the team and comes back, and a device that gets the interface index of a
    /// deleted one, have nothing in common with their predecessors: what was set on those is lost.
    /// If notifications were lost as well, a removal that only they announced goes unnoticed.
    #[must_use]
    pub fn is_recreated(&self) -> bool {
        self.state == ObjectState::Recreated
    }

    /// Whether it is gone.
    #[doc(alias = "team_is_port_removed")]
    #[doc(alias = "team_is_ifinfo_removed")]
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.state == ObjectState::Removed
    }
}

impl Change<Link> {
    /// The same change, with what the kernel did with the link beside changing it.
    pub(crate) fn with_events(self, events: LinkChange) -> Self {
        Self { events, ..self }
    }

    /// Whether the link is no port of the team any more, and so is not kept and followed from now
    /// on. It still exists: [`latest`](Self::latest) is how it left. Only with
    /// [`LinkScope::Team`](crate::LinkScope::Team).
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
    /// let link = changes.links().find(|link| link.latest().ifindex() == eth1).expect("it was released");
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
    /// Whether this handle itself set the option. Somebody else may have set it too, before or
    /// after.
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

/// As the port itself, marked: `*` for changed or new, `-` for removed.
impl Change<TeamOption> {
    /// Returns whether the option was removed together with its port, which left the team.
    ///
    /// Options without a port are removed by a change of the mode, or with the team. The driver
    /// refuses to change the mode while there are ports, so that no other change removes an option
    /// of a port.
    ///
    /// # Source
    ///
    /// `team_change_mode` and `team_port_del`, `drivers/net/team/team_core.c`.
    #[must_use]
    pub fn is_removed_with_port(&self) -> bool {
        self.is_removed() && self.after.id.port.is_some()
    }
}

impl fmt::Display for Change<Port> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.after.fmt_marked(if self.is_removed() { '-' } else { '*' }, f)
    }
}

/// As the option itself, marked: `*` for changed or new, `-` for removed.
impl fmt::Display for Change<TeamOption> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.after.fmt_marked(if self.is_removed() { '-' } else { '*' }, f)
    }
}
