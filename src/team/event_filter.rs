use std::collections::BTreeSet;
use std::io;

use log::debug;

use crate::cache::Cache;
use crate::log_target::EVENTS;
use crate::model::ifindex::IfIndex;
use crate::netlink::filter;
use crate::netlink::multicast::MulticastSocket;

/// Keeps the filter of the link event socket in step with the team's ports.
///
/// The message that a link becomes a port passes the team's filter, because it contains the master.
/// Messages without a master, about the release or the deletion of the link, pass only when the
/// filter contains the link itself. To close this gap, the session requests a new port once more
/// when the new filter is set and the socket was read empty.
#[derive(Debug)]
pub(crate) struct EventFilter {
    team: IfIndex,
    /// The links in the filter, if it is set: see [`MulticastSocket::is_filtered`].
    installed: BTreeSet<IfIndex>,
}

impl EventFilter {
    /// Returns the state of a socket whose filter contains these links.
    pub(crate) fn new(team: IfIndex, installed: BTreeSet<IfIndex>) -> Self {
        Self { team, installed }
    }

    /// Sets a filter for the links that the cache tracks, and adds the new ones to `recheck`.
    ///
    /// Links in `recheck` have to be requested when the socket was read empty.
    pub(super) fn update(
        &mut self,
        cache: &Cache,
        socket: &mut MulticastSocket,
        recheck: &mut BTreeSet<IfIndex>,
    ) -> io::Result<()> {
        if cache.tracks_exactly(&self.installed) {
            return Ok(());
        }
        let links = cache.tracked_links();
        // Without a filter, all messages pass and there is no gap.
        if socket.is_filtered() {
            recheck.extend(links.difference(&self.installed));
        }
        socket.set_filter(filter::link_events(self.team, &links))?;
        if !socket.is_filtered() {
            debug!(
                target: EVENTS,
                "team with index {}: no filter for {} links is set, receiving all link events",
                self.team,
                links.len()
            );
        }
        self.installed = links;
        Ok(())
    }
}
