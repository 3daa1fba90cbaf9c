/// Which links a handle keeps and follows.
///
/// # Examples
///
/// See [`TeamHandle::links`](crate::TeamHandle::links).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum LinkScope {
    /// The team's own link and those of its ports. Other links of the namespace cost nothing: the
    /// kernel keeps their messages back.
    ///
    /// A link is told as added when it becomes a port, and when it is released for the last time,
    /// as [left](crate::Change::is_released). Of a link that somebody else made a port, in a mode
    /// that gives its ports the team's address, the original address is known only where the device
    /// has a permanent one.
    #[default]
    Team,
    /// All links of the namespace.
    All,
}
