use std::collections::BTreeSet;

use crate::model::ifindex::IfIndex;

/// What has to be requested, as the messages that were applied do not contain it. The cache adds to
/// it; the session, which sends the requests, clears it. In [`LinkScope::All`] a message that
/// confirms or removes a link also removes it from `links`.
///
/// [`LinkScope::All`]: crate::model::link_scope::LinkScope::All
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    /// The order of the ports or options: only both lists contain it.
    pub(crate) lists: bool,
    /// The options: the driver may be able to list what it could not announce.
    pub(crate) options: bool,
    /// The team's own link: the driver reported something, and a team that is down does not
    /// announce the carrier that it gets from its ports.
    pub(crate) team_link: bool,
    /// Links of which events alone do not say whether they exist.
    pub(crate) links: BTreeSet<IfIndex>,
}
