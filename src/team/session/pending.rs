//! The pending work of a session, and what it reports besides the changes of the cache.
//!
//! | event | resync | options | links | team link | unfinished |
//! |---|---|---|---|---|---|
//! | a drain detects lost events | due: [`Backlog::Lost`] | | | | |
//! | a refresh leaves events unread | due: [`Backlog::Obsolete`] | | | | |
//! | an item was removed and added again right after a list | due: `lists` | | | | |
//! | an event shows that the driver may list other options | | due | | | |
//! | an event about an unknown link that was not announced as new | | | due | | |
//! | the filter contains a new link | | | due | | |
//! | an event of the team driver | | | | due | |
//! | an update begins | | | | | yes |
//! | a resync succeeds | done | done | | | |
//! | the options were listed | | done | | | |
//! | the driver rejects a list (`EPERM`) | waits for the capability | waits | | | |
//! | the links were requested | | | done | | |
//! | an update or a refresh ends without further work | | | | done | no |
//! | the team was deleted | only for lost events | done | | done | |
//!
//! Work that fails remains due. A resync comes before the options, the options before the links,
//! and the sockets are read empty before each of them. Two things need no state here: the filter of
//! link events is derived from the cache, and a filter that the kernel rejected is kept by its
//! socket, which sets it again without a request.
//!
//! `resynced` is reported once after a resync that recovered from lost events. `inconsistent` is
//! reported once after a list or dump that may be incomplete, unless a later resync was complete.
//! After lost events, nothing is reported before the resync: see [`Pending::take_report`].

use crate::cache::Cache;
use crate::cache::recheck::Recheck;
use crate::error::Error;
use crate::netlink::multicast::{Backlog, MulticastSocket};

/// The work that comes before the requests for single links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Request all links, ports and options.
    Resync,
    /// Request the options.
    Options,
}

/// The pending work: see the table in the module's docs.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) link_events: Backlog,
    pub(super) team_events: Backlog,
    /// The state that the cache requires to be requested.
    pub(super) recheck: Recheck,
    refusal: Option<Refusal>,
    /// The last update stopped before all work was done.
    unfinished: bool,
    resynced: bool,
    inconsistent: bool,
}

/// The driver rejected a list of ports or options (`EPERM`), so that only events update them.
///
/// Links are requested nevertheless. The lists are requested again when the capability is back, and
/// by each resync, but not for each event, because the reply would be the same.
#[derive(Debug)]
struct Refusal {
    error: Error,
    /// The thread had the capability, but not in the initial user namespace.
    ///
    /// Its capabilities then do not show when the driver accepts a request again.
    had_net_admin: bool,
    /// Events were lost, and only the lists recover from that.
    has_lost_events: bool,
}

impl Pending {
    /// Returns whether a socket lost events, so that it must be read empty before a resync.
    pub(super) fn has_lost_events(&self) -> bool {
        [self.link_events, self.team_events].iter().any(|backlog| backlog.is_discarded())
    }

    /// Returns the next task, which requires that the sockets were read empty.
    pub(super) fn task(&self, cache: &Cache, team_events: &MulticastSocket) -> Option<Task> {
        let is_resync_due = self.has_lost_events()
            || match &self.refusal {
                None => self.recheck.lists && !cache.is_gone(),
                Some(refusal) => !refusal.had_net_admin && team_events.has_net_admin(),
            };
        let is_listing_due = self.recheck.options && !cache.is_gone() && self.refusal.is_none();
        let options = || is_listing_due.then_some(Task::Options);
        if is_resync_due { Some(Task::Resync) } else { options() }
    }

    /// Returns whether the team's own link has to be requested.
    pub(super) fn needs_team_link(&self, cache: &Cache) -> bool {
        self.recheck.team_link && cache.is_team_down()
    }

    /// Returns whether the cache may differ from the kernel's last messages.
    pub(super) fn needs_sync(&self, cache: &Cache, team_events: &MulticastSocket) -> bool {
        self.unfinished
            || !self.recheck.links.is_empty()
            || self.needs_team_link(cache)
            || self.task(cache, team_events).is_some()
    }

    pub(super) fn has_report(&self) -> bool {
        self.resynced || self.inconsistent
    }

    /// Takes the flags to report besides the changes: `resynced` and `inconsistent`.
    ///
    /// `None` between a loss of events and the resync: the cache may then contain the state of
    /// events that are older than the last replies, without the later events.
    pub(super) fn take_report(&mut self) -> Option<(bool, bool)> {
        if [self.link_events, self.team_events].contains(&Backlog::Lost) {
            return None;
        }
        Some((std::mem::take(&mut self.resynced), std::mem::take(&mut self.inconsistent)))
    }

    /// Records the beginning of an update.
    pub(super) fn begin(&mut self) {
        self.unfinished = true;
    }

    /// Records that all work is done.
    pub(super) fn finish(&mut self) {
        self.unfinished = false;
    }

    /// Records the beginning of a resync: queued events may be older than the replies.
    pub(super) fn begin_resync(&mut self) {
        self.link_events.answered();
        self.team_events.answered();
    }

    /// Records that a dump of the links may be incomplete.
    pub(super) fn links_interrupted(&mut self) {
        self.inconsistent = true;
    }

    /// Records the end of a resync, in which the driver sent its lists or rejected them.
    pub(super) fn end_resync(&mut self, is_complete: bool, is_listed: bool) {
        if is_listed {
            self.recheck.lists = false;
            self.resynced |= self.refusal.take().is_some_and(|refusal| refusal.has_lost_events);
        }
        // A complete resync also completes earlier incomplete replies.
        self.inconsistent = !is_complete || !is_listed;
    }

    /// Records a resync that began after the sockets were read empty.
    pub(super) fn recovered(&mut self) {
        self.resynced |= self.has_lost_events();
        for backlog in [&mut self.link_events, &mut self.team_events] {
            backlog.recovered();
        }
    }

    /// Records a resync that began before the sockets were read empty.
    ///
    /// The remaining events have to be discarded, and the resync be repeated.
    pub(super) fn left_unread(&mut self) {
        (self.link_events, self.team_events) = (Backlog::Obsolete, Backlog::Obsolete);
    }

    /// Records a list of options, which may be truncated.
    pub(super) fn options_listed(&mut self, is_truncated: bool) {
        self.recheck.options = false;
        self.inconsistent |= is_truncated;
    }

    /// Records that the driver rejected a list, and returns whether this is the first time.
    pub(super) fn refused(&mut self, error: Error, had_net_admin: bool) -> bool {
        let before = self.refusal.take();
        let is_new = before.is_none();
        let was_lost = before.is_some_and(|refusal| refusal.has_lost_events);
        let has_lost_events = was_lost || self.has_lost_events();
        self.refusal = Some(Refusal { error, had_net_admin, has_lost_events });
        self.inconsistent = true;
        is_new
    }

    /// Returns whether the driver rejected a list.
    #[cfg(test)]
    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Ends the start of a session, and fails if the driver rejected a list.
    ///
    /// The first resync is not reported; that it was incomplete is.
    pub(super) fn end_start(&mut self) -> Result<(), Error> {
        self.resynced = false;
        self.refusal.take().map_or(Ok(()), |refusal| Err(refusal.error))
    }
}
