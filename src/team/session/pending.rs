//! What a session has still to do, and what it has to report beside the cache's changes.
//!
//! | what happens | resync | options | links | team link | unfinished |
//! |---|---|---|---|---|---|
//! | a drain finds that events were lost | due: [`Backlog::Lost`] | | | | |
//! | a refresh leaves events unread | due: [`Backlog::Obsolete`] | | | | |
//! | an item was removed and added again right after a list | due: `lists` | | | | |
//! | an event says that the driver may list other options | | due | | | |
//! | a link shows up that was not announced as new | | | due | | |
//! | the filter names a link only now | | | due | | |
//! | the driver reports something | | | | due | |
//! | an update begins | | | | | yes |
//! | a resync succeeds | done | done | | | |
//! | the options are listed | | done | | | |
//! | the driver refuses a list (`EPERM`) | waits for the capability | waits | | | |
//! | the links were looked up | | | done | | |
//! | an update or a refresh ends with nothing more to do | | | | done | no |
//! | the team is gone | only for lost events | done | | done | |
//!
//! What fails stays due. A resync comes before the options, the options before the links; the
//! sockets are read empty before each of them. The filter of link events follows the cache and
//! needs no state here. A filter that the kernel refused stays in its socket: when to set it again
//! depends on how much the socket received without it, and takes no request.
//!
//! `resynced` is reported once after a resync made up for lost events, `inconsistent` once after a
//! list or dump that may lack something, unless a later resync lacks nothing. While events are
//! lost, nothing is reported: see [`Pending::take_report`].

use crate::cache::Cache;
use crate::cache::recheck::Recheck;
use crate::error::Error;
use crate::netlink::multicast::{Backlog, MulticastSocket};

/// What is to be done before links are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Request everything.
    Resync,
    /// Request the list of options.
    Options,
}

/// What is still to be done: see the table in the module's docs.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) link_events: Backlog,
    pub(super) team_events: Backlog,
    /// What the messages that were applied leave to be requested.
    pub(super) recheck: Recheck,
    refusal: Option<Refusal>,
    /// The last update stopped before there was nothing more to do.
    unfinished: bool,
    resynced: bool,
    inconsistent: bool,
}

/// The driver refused to list ports or options (`EPERM`). What is known of them is what its events
/// reported.
///
/// Links are read all the same. The lists are requested again when the capability is back, and by
/// whatever reads everything; not by each event, as the answer would be the same.
#[derive(Debug)]
struct Refusal {
    error: Error,
    /// The thread had the capability, but not where it counts: nothing announces that the driver
    /// would answer now.
    had_net_admin: bool,
    /// Events were lost that only the lists make up for.
    has_lost_events: bool,
}

impl Pending {
    /// Whether a socket must be read empty and everything be requested.
    pub(super) fn has_lost_events(&self) -> bool {
        [self.link_events, self.team_events].iter().any(|backlog| backlog.is_discarded())
    }

    /// What is to be done next, of what takes the sockets to be empty.
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

    /// Whether the team's own link has to be requested.
    pub(super) fn needs_team_link(&self, cache: &Cache) -> bool {
        self.recheck.team_link && cache.is_team_down()
    }

    /// Whether the cache may not be what the kernel said last.
    pub(super) fn needs_sync(&self, cache: &Cache, team_events: &MulticastSocket) -> bool {
        self.unfinished
            || !self.recheck.links.is_empty()
            || self.needs_team_link(cache)
            || self.task(cache, team_events).is_some()
    }

    pub(super) fn has_report(&self) -> bool {
        self.resynced || self.inconsistent
    }

    /// Takes what is to be reported beside the changes: whether there was a resync, and whether
    /// something may be missing. `None` while events are lost: the cache may hold what events said
    /// that are older than the last answers, without the later events.
    pub(super) fn take_report(&mut self) -> Option<(bool, bool)> {
        if [self.link_events, self.team_events].contains(&Backlog::Lost) {
            return None;
        }
        Some((std::mem::take(&mut self.resynced), std::mem::take(&mut self.inconsistent)))
    }

    /// An update begins.
    pub(super) fn begin(&mut self) {
        self.unfinished = true;
    }

    /// There is nothing more to do.
    pub(super) fn finish(&mut self) {
        self.unfinished = false;
    }

    /// A resync begins: what waits may be older than the kernel's answers.
    pub(super) fn begin_resync(&mut self) {
        self.link_events.answered();
        self.team_events.answered();
    }

    /// A dump of the links may lack some.
    pub(super) fn links_interrupted(&mut self) {
        self.inconsistent = true;
    }

    /// Everything was requested, and the driver gave its lists or refused them.
    pub(super) fn end_resync(&mut self, is_complete: bool, is_listed: bool) {
        if is_listed {
            self.recheck.lists = false;
            self.resynced |= self.refusal.take().is_some_and(|refusal| refusal.has_lost_events);
        }
        // Only now is what earlier answers lacked made up for.
        self.inconsistent = !is_complete || !is_listed;
    }

    /// The sockets were read empty before everything was requested.
    pub(super) fn recovered(&mut self) {
        self.resynced |= self.has_lost_events();
        for backlog in [&mut self.link_events, &mut self.team_events] {
            backlog.recovered();
        }
    }

    /// The sockets were not read empty before everything was requested: the rest has to be
    /// discarded, and everything requested again.
    pub(super) fn left_unread(&mut self) {
        (self.link_events, self.team_events) = (Backlog::Obsolete, Backlog::Obsolete);
    }

    /// The driver listed the options, up to one that is too long if the list is truncated.
    pub(super) fn options_listed(&mut self, is_truncated: bool) {
        self.recheck.options = false;
        self.inconsistent |= is_truncated;
    }

    /// The driver refused a list. Returns whether that is new.
    pub(super) fn refused(&mut self, error: Error, had_net_admin: bool) -> bool {
        let before = self.refusal.take();
        let is_new = before.is_none();
        let was_lost = before.is_some_and(|refusal| refusal.has_lost_events);
        let has_lost_events = was_lost || self.has_lost_events();
        self.refusal = Some(Refusal { error, had_net_admin, has_lost_events });
        self.inconsistent = true;
        is_new
    }

    /// Whether the driver refuses its lists.
    #[cfg(test)]
    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// The start is over: fails if the driver refused a list. That everything was requested is not
    /// reported at a start; that something may be missing is.
    pub(super) fn end_start(&mut self) -> Result<(), Error> {
        self.resynced = false;
        self.refusal.take().map_or(Ok(()), |refusal| Err(refusal.error))
    }
}
