//! A session: the four sockets of a handle and the cache, kept in step.
//!
//! [`Session::update`] applies the events of both event sockets. After lost events, it requests all
//! links, ports and options again, which is called a resync:
//!
//! ```text
//! kernel               link events  team events                 Session::update
//!   │ event ────────────────►│            │                            │
//!   │ (the buffer is full: the kernel drops further events)            │
//!   │                        │ ENOBUFS ───┼───────────────────────────►│ 1 drain: record the loss,
//!   │                        │ queued ────┼───────────────────────────►│   discard the events, read
//!   │                        │            │ queued ───────────────────►│   both sockets empty
//!   │                        │◄───────────┼──── larger receive buffer ─│ 2 grow
//!   │◄───────────────────────┼────────────┼──────── dump of the links ─│ 3 resync: apply each
//!   │◄───────────────────────┼────────────┼── each link missing there ─│   reply to the cache
//!   │◄───────────────────────┼────────────┼──────── list of the ports ─│
//!   │◄───────────────────────┼────────────┼────── list of the options ─│
//!   │ event ────────────────►│            │                            │
//!   │                        │ queued ────┼───────────────────────────►│ 4 drain: apply the events
//!   │                        │            │                            │ 5 Changes with is_resynced
//! ```
//!
//! Events of step 4 may be older than the replies of step 3. They restore an outdated state for a
//! moment, but a later event in the same drain corrects it before changes are reported. If events
//! are lost again in step 4, the sequence is repeated, at most [`MAX_ROUNDS`] times per call.
//!
//! The state of what still has to be done is in [`pending`].

mod pending;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;
use nix::errno::Errno;

use self::pending::{Pending, Task};
use crate::cache::Cache;
use crate::changes::Changes;
use crate::error::{Error, ErrorKind, Result};
use crate::log_target::RESYNC;
use crate::model::handle_statistics::HandleStatistics;
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::codec::link;
use crate::netlink::codec::team::{self, TeamMessage};
use crate::netlink::error::{ErrorContext, RequestError};
use crate::netlink::multicast::{Drain, MulticastSocket};
use crate::netlink::request::Consistency;
use crate::rtnl::{LinkInfo, LinkPart, RtnlSocket};
use crate::team::driver::TeamDriver;
use crate::team::event_filter::EventFilter;

/// How many rounds of draining and requesting one call does at most.
///
/// After that, the call returns. The handle stays readable, so that the next call continues.
const MAX_ROUNDS: u32 = 4;

/// How often a list is requested again if the driver finds no team although one exists.
///
/// The team may have been created between the two requests.
const MAX_EINVAL_RETRIES: u32 = 4;

/// The sockets of a handle and its cache.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) rtnl: RtnlSocket,
    pub(crate) genl: TeamDriver,
    link_events: MulticastSocket,
    team_events: MulticastSocket,
    cache: Cache,
    /// The filter of the link events; `None` if all links are tracked.
    event_filter: Option<EventFilter>,
    pending: Pending,
    counters: Counters,
}

/// The counters of [`Session::statistics`] that the sockets do not have.
#[derive(Debug, Default)]
struct Counters {
    events: u64,
    batches: u64,
    resyncs: u64,
}

impl Session {
    /// Creates a session and fills its cache.
    ///
    /// The event sockets have joined their groups before, so that each change is contained in a
    /// reply, in an event, or in both.
    pub(crate) fn open(
        rtnl: RtnlSocket,
        genl: TeamDriver,
        link_events: MulticastSocket,
        team_events: MulticastSocket,
        cache: Cache,
        event_filter: Option<EventFilter>,
    ) -> Result<Self> {
        let (pending, counters) = (Pending::default(), Counters::default());
        let mut session =
            Self { rtnl, genl, link_events, team_events, cache, event_filter, pending, counters };
        session.cache.suspend_journal();
        session.resync()?;
        session.finish_resync()?;
        session.pending.end_start()?;
        session.ensure_exists()?;
        session.cache.start_journal();
        Ok(session)
    }

    /// Returns whether the driver rejected a list.
    #[cfg(test)]
    pub(crate) fn is_refused(&self) -> bool {
        self.pending.is_refused()
    }

    /// Adds all that decides what the session does next, for tests that compare states.
    #[cfg(test)]
    pub(crate) fn digest(&self, digest: &mut crate::testing::digest::Digest) {
        digest.debug(&(&self.cache, &self.pending, &self.event_filter));
    }

    /// Records that this handle set an option.
    pub(crate) fn mark_local(&mut self, id: &OptionId) {
        self.cache.mark_local(id);
    }

    /// Remembers the address of a link that is about to become a port.
    ///
    /// In some modes, the driver gives the link another address, and no event reports the old
    /// address of a link that is not tracked yet.
    pub(crate) fn begin_enslave(&mut self, link: &LinkInfo) {
        if link.master().is_none() {
            self.cache.begin_enslave(link.ifindex(), link.hwaddr());
        }
    }

    /// Forgets the address after the command to add the port, whether it succeeded or not.
    pub(crate) fn end_enslave(&mut self) {
        self.cache.end_enslave();
    }

    /// Queries the driver whether an option has this value; false if the query fails.
    ///
    /// The cache does not suffice: it lacks changes for which the driver could not send an event.
    pub(crate) fn kernel_has(&mut self, id: &OptionId, value: &OptionValue) -> bool {
        let Ok(TeamMessage::Options(items) | TeamMessage::TruncatedOptions(items)) =
            self.genl.options(self.cache.team())
        else {
            return false;
        };
        items.iter().any(|item| item.option.id() == id && item.option.value() == value)
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Returns the name of the team, or the last name of a deleted team.
    pub(crate) fn name(&self) -> &str {
        self.cache.team_name().as_str()
    }

    /// Returns the receive buffer sizes of the link and the team event socket, in bytes.
    pub(crate) fn receive_buffers(&self) -> io::Result<(usize, usize)> {
        Ok((self.link_events.receive_buffer()?, self.team_events.receive_buffer()?))
    }

    /// Brings the cache up to date without waiting: applies queued events, resyncs after a loss.
    pub(crate) fn update(&mut self) -> Result<()> {
        self.pending.begin();
        let mut rounds = 0;
        // A socket must be read empty before a resync: until then, the kernel drops new events.
        while rounds < MAX_ROUNDS {
            if self.drain()? == Drain::More {
                // Do not request the team's link now: the queue may have older events about it.
                return Ok(());
            }
            rounds += 1;
            match self.pending.task(&self.cache, &self.team_events) {
                Some(Task::Resync) => {
                    if self.pending.has_lost_events() {
                        warn!(
                            target: RESYNC,
                            "{}: notifications were lost, requesting links, ports and options again. \
                             If this repeats, set a larger receive buffer (TeamBuilder::receive_buffer)",
                            self.name()
                        );
                        self.grow_buffers();
                    }
                    self.resync()?;
                    self.recovered();
                }
                Some(Task::Options) => {
                    let options = self.resync_options();
                    self.check_listed(options)?;
                }
                None => {
                    let looked_up = self.look_up_links()?;
                    if !self.update_filter()? && !looked_up {
                        self.pending.finish();
                        break;
                    }
                }
            }
        }
        if self.pending.needs_team_link(&self.cache) {
            self.recheck_link(self.cache.team())?;
        }
        self.pending.recheck.team_link = false;
        Ok(())
    }

    /// Resyncs, whether events were lost or not.
    ///
    /// `events_wait` says whether an event socket is readable: then the events are read before.
    pub(crate) fn refresh(&mut self, events_wait: bool) -> Result<()> {
        self.ensure_exists()
            .map_err(|error| error.with_op(format!("refreshing {}", self.name())))?;
        // Queued events are older than the replies.
        let rest = if events_wait { self.drain()? } else { Drain::Empty };
        self.resync()?;
        match rest {
            Drain::Empty => self.recovered(),
            Drain::More => self.pending.left_unread(),
        }
        self.finish_resync()
    }

    /// Finishes a resync that the caller requested.
    ///
    /// Events that arrived during the resync are applied now only if further requests depend on
    /// them; otherwise the readable socket announces them.
    fn finish_resync(&mut self) -> Result<()> {
        self.update_filter()?;
        self.pending.finish();
        if self.needs_sync() {
            return self.update();
        }
        self.pending.recheck.team_link = false;
        Ok(())
    }

    /// Returns an event socket, for [`ReadyFd::set_pending`].
    ///
    /// [`ReadyFd::set_pending`]: crate::netlink::ready_fd::ReadyFd::set_pending
    pub(crate) fn event_socket(&self) -> BorrowedFd<'_> {
        self.link_events.as_fd()
    }

    /// Returns the sockets that announce work.
    pub(crate) fn event_sockets(&self) -> [BorrowedFd<'_>; 2] {
        [self.link_events.as_fd(), self.team_events.as_fd()]
    }

    /// Returns whether work is pending for which no socket is readable.
    ///
    /// That is: changes to report, a failed resync, or work that was left when reading stopped,
    /// possibly at the last event.
    pub(crate) fn is_pending(&self) -> bool {
        self.cache.has_changes() || self.pending.has_report() || self.needs_sync()
    }

    fn needs_sync(&self) -> bool {
        self.pending.needs_sync(&self.cache, &self.team_events)
    }

    /// Takes the changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let Some((resynced, inconsistent)) = self.pending.take_report() else {
            return Changes::default();
        };
        let changes = Changes { resynced, inconsistent, ..self.cache.take_changes() };
        self.counters.batches += u64::from(!changes.is_empty());
        changes
    }

    /// Returns the counters of the handle since it was opened.
    pub(crate) fn statistics(&self) -> HandleStatistics {
        let sockets = [&self.link_events, &self.team_events];
        HandleStatistics {
            events: self.counters.events,
            batches: self.counters.batches,
            overruns: sockets.map(MulticastSocket::overruns).iter().sum(),
            resyncs: self.counters.resyncs,
            interrupted_dumps: self.rtnl.interrupted_dumps() + self.genl.interrupted_dumps(),
            filter_fallbacks: sockets.map(MulticastSocket::filter_fallbacks).iter().sum(),
        }
    }

    /// Fails if the team is known to be deleted. The caller names the operation:
    /// [`Error::with_op`].
    pub(crate) fn ensure_exists(&self) -> Result<()> {
        if self.cache.is_gone() {
            return Err(Error::DeviceGone {
                op: format!("using {}", self.name()),
                device: self.name().to_owned(),
                ifindex: self.cache.team(),
            });
        }
        Ok(())
    }

    /// Doubles the receive buffers that overran, as far as permitted.
    fn grow_buffers(&mut self) {
        let Self { link_events, team_events, pending, .. } = self;
        for (socket, backlog) in
            [(link_events, pending.link_events), (team_events, pending.team_events)]
        {
            if backlog.is_discarded() {
                if let Err(error) = socket.grow() {
                    let team = self.cache.team_name();
                    warn!(
                        target: RESYNC,
                        "{team}: growing a receive buffer failed, overruns may be more frequent: {error}"
                    );
                }
            }
        }
    }

    /// Applies the queued events, those of the team driver first.
    ///
    /// The driver announces a port after the kernel announced its link. So after this, the link of
    /// each known port is known too.
    fn drain(&mut self) -> Result<Drain> {
        let (team, family) = (self.cache.team(), self.genl.family_id());
        let (cache, pending) = (&mut self.cache, &mut self.pending);
        let (recheck, events) = (&mut pending.recheck, &mut self.counters.events);
        let team_rest = self.team_events.drain(&mut pending.team_events, |frame| {
            if frame.kind == family {
                if let Some(message) = team::decode(frame.payload, team)? {
                    cache.apply_team_event(message, recheck);
                    *events += 1;
                }
            }
            Ok(())
        });
        let link_rest = self.link_events.drain(&mut pending.link_events, |frame| {
            if matches!(frame.kind, link::RTM_NEWLINK | link::RTM_DELLINK) {
                cache.apply_link(&link::decode(frame.kind, frame.payload)?, recheck);
                *events += 1;
            }
            Ok(())
        });
        self.link_events.retry_filter_if_due();
        self.team_events.retry_filter_if_due();
        let reading = || "reading events".to_owned();
        let rests = (team_rest.with_context(reading)?, link_rest.with_context(reading)?);
        self.cache.end_drain(&mut self.pending.recheck);
        if rests != (Drain::Empty, Drain::Empty) {
            return Ok(Drain::More);
        }
        self.cache.set_stale(false);
        Ok(Drain::Empty)
    }

    /// Requests links, ports and options, in this order, and applies the replies to the cache.
    fn resync(&mut self) -> Result<()> {
        self.pending.begin_resync();
        self.link_events.retry_filter();
        self.team_events.retry_filter();
        self.cache.set_stale(true);
        let is_interrupted = self.resync_links()? == Consistency::Interrupted;
        if is_interrupted {
            self.pending.links_interrupted();
        }
        let ports = self.resync_list(TeamDriver::ports, "listing the ports");
        let mut is_listed = self.check_listed(ports)?;
        // The dump may have skipped the links of these ports, or they were created after it.
        let ports_without_link: Vec<IfIndex> = self.cache.ports_without_link().collect();
        ports_without_link.into_iter().try_for_each(|port| self.recheck_link(port))?;
        if is_listed {
            let options = self.resync_options();
            is_listed = self.check_listed(options)?;
        }
        let is_complete = !is_interrupted && !self.cache.options().is_truncated();
        self.pending.end_resync(is_complete, is_listed);
        Ok(())
    }

    /// Returns whether the driver sent its list, or false if the process lacks the capability.
    ///
    /// The missing capability is recorded, but is not an error: links are readable without it.
    fn check_listed(&mut self, listed: Result<()>) -> Result<bool> {
        let error = match listed {
            Err(error @ Error::Kernel { .. }) if error.kind() == ErrorKind::PermissionDenied => {
                error
            }
            listed => return listed.map(|()| true),
        };
        let refusal = error.to_string();
        if self.pending.refused(error, self.team_events.has_net_admin()) {
            warn!(
                target: RESYNC,
                "{}: ports and options are updated by events only, until the process has CAP_NET_ADMIN in the \
                 initial user namespace: {refusal}",
                self.name()
            );
        }
        Ok(false)
    }

    fn resync_options(&mut self) -> Result<()> {
        self.resync_list(TeamDriver::options, "listing the options")?;
        let is_truncated = self.cache.options().is_truncated();
        if is_truncated {
            warn!(
                target: RESYNC,
                "{}: the driver cannot list all options (EMSGSIZE), because another process set a bpf_hash_func \
                 that is too long. Options after it keep their last known value until it is cleared \
                 (TeamHandle::clear_bpf_hash_func) or replaced",
                self.name()
            );
        }
        self.pending.options_listed(is_truncated);
        Ok(())
    }

    /// Records a resync that began after the sockets were read empty.
    fn recovered(&mut self) {
        self.counters.resyncs += u64::from(self.pending.has_lost_events());
        self.pending.recovered();
    }

    fn resync_links(&mut self) -> Result<Consistency> {
        let only_ports_of = self.event_filter.as_ref().map(|_| self.cache.team());
        let (cache, mut seen) = (&mut self.cache, Vec::new());
        let consistency = self.rtnl.for_each_link(only_ports_of, |part| match part {
            LinkPart::Start => seen.clear(),
            LinkPart::Link(attrs) => {
                seen.push(attrs.ifindex);
                cache.apply_link_reply(&attrs);
            }
        })?;
        // The dump is sorted, or nearly so.
        seen.sort_unstable();
        let mut seen = seen.into_iter().peekable();
        let mut missing: BTreeSet<IfIndex> = self
            .cache
            .links()
            .iter()
            .map(crate::model::link::Link::ifindex)
            .filter(|link| {
                while seen.next_if(|seen| seen < link).is_some() {}
                seen.peek() != Some(link)
            })
            .collect();
        // A dump of the ports does not contain the team itself.
        missing.extend(only_ports_of);
        // A missing link need not have been deleted: it may have been released. Besides, a kernel
        // that continues dumps by position (Linux 6.1) may skip a link at the end without marking
        // the dump as interrupted. So request each missing link.
        missing.into_iter().try_for_each(|ifindex| self.recheck_link(ifindex))?;
        Ok(consistency)
    }

    /// Requests the links for which events do not show whether they exist.
    ///
    /// The sockets were read empty before. Returns whether there were such links.
    fn look_up_links(&mut self) -> Result<bool> {
        let links = self.pending.recheck.links.clone();
        links.iter().try_for_each(|ifindex| self.recheck_link(*ifindex))?;
        self.pending.recheck.links.clear();
        Ok(!links.is_empty())
    }

    /// Updates the filter of link events, and returns whether it contains new links.
    fn update_filter(&mut self) -> Result<bool> {
        let Some(event_filter) = &mut self.event_filter else { return Ok(false) };
        let recheck = &mut self.pending.recheck.links;
        let updated = event_filter.update(&self.cache, &mut self.link_events, recheck);
        updated.with_context(|| "filtering link events".to_owned())?;
        Ok(!recheck.is_empty())
    }

    /// Requests the team's own link.
    ///
    /// The kernel announces a change of the carrier late, and not at all while the link is down.
    pub(crate) fn reread_team_link(&mut self) -> Result<()> {
        self.recheck_link(self.cache.team())
    }

    /// Requests one link, and applies its state or its deletion.
    fn recheck_link(&mut self, ifindex: IfIndex) -> Result<()> {
        self.pending.link_events.answered();
        self.cache.set_link_stale(ifindex);
        match self.rtnl.link_by_index(ifindex) {
            Ok(link) => self.cache.apply_link_reply(&link.decode()?),
            Err(Error::NoSuchDevice { .. }) => self.cache.link_removed(ifindex),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Requests one of the driver's lists, and makes the cache equal to it.
    ///
    /// If the driver replies with an error, the team may have been deleted, which is a change and
    /// not an error. Another team may have its index already, so the request is repeated.
    fn resync_list(
        &mut self,
        list: fn(&mut TeamDriver, IfIndex) -> Result<TeamMessage, RequestError>,
        op: &str,
    ) -> Result<()> {
        let team = self.cache.team();
        let mut rejections = 0;
        while !self.cache.is_gone() {
            let reply = list(&mut self.genl, team);
            if let Some(errno) = reply.as_ref().err().and_then(RequestError::errno) {
                self.recheck_link(team)?;
                rejections += 1;
                // The driver replies EINVAL if it finds no team.
                if self.cache.is_gone()
                    || errno == Errno::EINVAL as i32 && rejections < MAX_EINVAL_RETRIES
                {
                    continue;
                }
            }
            let message = reply.with_context(|| format!("{op} of {}", self.name()))?;
            self.cache.apply_team_dump(message, &mut self.pending.recheck);
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
