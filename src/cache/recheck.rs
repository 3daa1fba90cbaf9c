use std::collections::BTreeSet;

use crate::model::ifindex::IfIndex;

/// The state that has to be requested, because the applied messages do not contain it.
///
/// The cache adds to it, and the session, which sends the requests, clears it. In
/// [`LinkScope::All`], a message that confirms or removes a link also removes it from `links`.
///
/// [`LinkScope::All`]: crate::model::link_scope::LinkScope::All
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    /// The lists of ports and options, because the order of one of them is unknown.
    pub(crate) lists: bool,
    /// The list of options, because the driver may have been unable to announce a change.
    pub(crate) options: bool,
    /// The team's own link, because the driver reported an event.
    ///
    /// The kernel does not announce the carrier of a team that is administratively down.
    pub(crate) team_link: bool,
    /// Links for which events alone do not show whether they exist.
    pub(crate) links: BTreeSet<IfIndex>,
}
