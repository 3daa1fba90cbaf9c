/// The set of links that a handle caches and tracks.
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
    /// The team's own link and the links of its ports.
    ///
    /// Other links of the namespace cost nothing: a socket filter in the kernel drops their
    /// messages.
    ///
    /// A link is reported as added when it becomes a port, and as
    /// [released](crate::Change::is_released) when it stops being one. If another process added the
    /// port in a mode that gives its ports the team's address, the [original
    /// address](crate::Link::original_hwaddr) is known only for a device with a permanent address.
    #[default]
    Team,
    /// All links of the namespace.
    All,
}
