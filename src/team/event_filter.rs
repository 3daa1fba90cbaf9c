use std::collections::BTreeSet;
use std::io;

use log::debug;

use crate::log_target::EVENTS;
use crate::model::ifindex::IfIndex;
use crate::netlink::filter;
use crate::netlink::multicast::EventSocket;

/// Keeps the link event socket's filter at the team's own link and those of its ports.
///
/// That a link becomes a port passes any filter of the team, for the message names its master. What happens to it
/// next passes only when the filter names the link: what of it has no master any more, its release and its deletion,
/// falls into a gap until then. So such a link is looked at once more, when the new filter is in place and all that the
/// old one let through has been read: what happens later, the new filter lets through.
#[derive(Debug)]
pub(crate) struct Follow {
    team: IfIndex,
    /// The links that the filter names; `None` while everything passes.
    named: Option<BTreeSet<IfIndex>>,
    /// The links that no filter could name when it was last tried.
    refused: Option<BTreeSet<IfIndex>>,
    /// Links that the filter names only since they are ports.
    unchecked: BTreeSet<IfIndex>,
}

impl Follow {
    /// Follows the team and these ports, or everything, as the socket's filter does from the start.
    pub(crate) fn new(team: IfIndex, named: Option<BTreeSet<IfIndex>>) -> Self {
        Self { team, named, refused: None, unchecked: BTreeSet::new() }
    }

    /// Has the filter name just these links.
    pub(super) fn adopt(&mut self, wanted: BTreeSet<IfIndex>, socket: &mut EventSocket) -> io::Result<()> {
        if self.named.as_ref() == Some(&wanted) || self.refused.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let is_attached = match filter::links(self.team, &wanted) {
            Some(program) => socket
                .set_filter(Some(&program))
                .inspect_err(|error| debug!(target: EVENTS, "a filter for {} links is refused: {error}", wanted.len()))
                .is_ok(),
            None => false,
        };
        // While everything passes there is no gap.
        if let Some(named) = &self.named {
            self.unchecked.extend(wanted.difference(named));
        }
        if !is_attached && self.named.is_some() {
            debug!(target: EVENTS, "the messages of all links pass: no filter can name {} links", wanted.len());
            socket.set_filter(None)?;
        }
        (self.named, self.refused) = if is_attached { (Some(wanted), None) } else { (None, Some(wanted)) };
        Ok(())
    }

    /// The links to look at once more, when the socket has been read empty.
    pub(super) fn unchecked(&self) -> impl Iterator<Item = IfIndex> {
        self.unchecked.iter().copied()
    }

    /// They were looked at.
    pub(super) fn all_checked(&mut self) {
        self.unchecked.clear();
    }
}
