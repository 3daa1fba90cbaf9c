use std::collections::BTreeSet;
use std::io;

use log::debug;

use crate::cache::Cache;
use crate::log_target::EVENTS;
use crate::model::ifindex::IfIndex;
use crate::netlink::filter;
use crate::netlink::multicast::MulticastSocket;

/// Keeps the link event socket's filter at the team's own link and those of its ports.
///
/// That a link becomes a port passes any filter of the team, for the message names its master. What
/// happens to it next passes only when the filter names the link: what of it has no master any
/// more, its release and its deletion, falls into a gap until then. So such a link is looked at
/// once more, when the new filter is in place and all that the old one let through has been read:
/// what happens later, the new filter lets through.
#[derive(Debug)]
pub(crate) struct EventFilter {
    team: IfIndex,
    /// The links that the filter names, if it is in place: see [`MulticastSocket::is_filtered`].
    named: BTreeSet<IfIndex>,
}

impl EventFilter {
    /// Follows the team and these ports, which the socket's first filter names.
    pub(crate) fn new(team: IfIndex, named: BTreeSet<IfIndex>) -> Self {
        Self { team, named }
    }

    /// Makes the filter name just the links to follow, and adds those to `late` that it did not name before:
    /// they have to be looked up when the socket has been read empty.
    pub(super) fn update(
        &mut self,
        cache: &Cache,
        socket: &mut MulticastSocket,
        late: &mut BTreeSet<IfIndex>,
    ) -> io::Result<()> {
        if cache.tracks_exactly(&self.named) {
            return Ok(());
        }
        let wanted = cache.tracked_links();
        // While everything passes there is no gap.
        if socket.is_filtered() {
            late.extend(wanted.difference(&self.named));
        }
        socket.set_filter(filter::link_events(self.team, &wanted))?;
        if !socket.is_filtered() {
            debug!(target: EVENTS, "the messages of all links pass: there is no filter for {} links", wanted.len());
        }
        self.named = wanted;
        Ok(())
    }
}
