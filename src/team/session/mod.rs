//! The four sockets and the cache, kept in step: applies events, and requests again what was lost.
//! What is still to be done is in [`pending`].

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

/// How often one call resyncs, or looks up new ports, and finds more to do after that. Then it
/// returns: the handle is still readable, so the next call continues.
const MAX_ROUNDS: u32 = 4;

/// How often the driver may say that there is no team while there is one: it was made after that.
const MAX_EINVAL_RETRIES: u32 = 4;

/// The sockets of a handle with the cache that they feed.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) rtnl: RtnlSocket,
    pub(crate) genl: TeamDriver,
    link_events: MulticastSocket,
    team_events: MulticastSocket,
    cache: Cache,
    /// Unless all links are kept.
    follow: Option<EventFilter>,
    pending: Pending,
    /// What [`statistics`](Self::statistics) counts by itself.
    counters: Counters,
}

/// What is counted since the handle was opened, besides what the sockets count.
#[derive(Debug, Default)]
struct Counters {
    events: u64,
    batches: u64,
    resyncs: u64,
}

impl Session {
    /// Fills the cache. The event sockets have joined their groups before: what happens from then
    /// on is in the dump, in the events, or in both.
    pub(crate) fn open(
        rtnl: RtnlSocket,
        genl: TeamDriver,
        link_events: MulticastSocket,
        team_events: MulticastSocket,
        cache: Cache,
        follow: Option<EventFilter>,
    ) -> Result<Self> {
        let (pending, counters) = (Pending::default(), Counters::default());
        let mut session =
            Self { rtnl, genl, link_events, team_events, cache, follow, pending, counters };
        session.cache.suspend_journal();
        session.resync()?;
        session.settle()?;
        session.pending.end_start()?;
        session.ensure_exists()?;
        session.cache.start_journal();
        Ok(session)
    }

    /// Whether the driver refuses its lists.
    #[cfg(test)]
    pub(crate) fn is_refused(&self) -> bool {
        self.pending.is_refused()
    }

    /// Notes that this handle set an option.
    pub(crate) fn mark_local(&mut self, id: &OptionId) {
        self.cache.mark_local(id);
    }

    /// Notes the address of a link that is about to become a port: in some modes the driver gives
    /// it another one, and no event reports the old one of a link that is not followed yet.
    pub(crate) fn begin_enslave(&mut self, link: &LinkInfo) {
        if link.master().is_none() {
            self.cache.begin_enslave(link.ifindex(), link.hwaddr());
        }
    }

    /// It became one, or did not.
    pub(crate) fn end_enslave(&mut self) {
        self.cache.end_enslave();
    }

    /// Asks the driver whether an option has this value now; false if the driver cannot tell.
    ///
    /// The cache does not decide that: an event that the driver could not send is missing from the
    /// cache, without a mark.
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

    /// The device's name, or its last one.
    pub(crate) fn name(&self) -> &str {
        self.cache.team_name().as_str()
    }

    /// The receive buffers of the link and the team event socket, in bytes as the kernel counts
    /// them.
    pub(crate) fn receive_buffers(&self) -> io::Result<(usize, usize)> {
        Ok((self.link_events.receive_buffer()?, self.team_events.receive_buffer()?))
    }

    /// Brings the cache up to date: applies the events that wait, and resyncs if some were lost.
    /// Does not wait.
    pub(crate) fn update(&mut self) -> Result<()> {
        self.pending.begin();
        let mut rounds = 0;
        // A socket must be read empty before it is resynced: until then the kernel delivers nothing
        // new to it.
        while rounds < MAX_ROUNDS {
            if self.drain()? == Drain::More {
                // Older events that still wait may be of the team's link.
                return Ok(());
            }
            rounds += 1;
            match self.pending.task(&self.cache, &self.team_events) {
                Some(Task::Resync) => {
                    if self.pending.has_lost_events() {
                        warn!(target: RESYNC, "{}: notifications were lost, asking for everything again", self.name());
                        self.grow_buffers();
                    }
                    self.resync()?;
                    self.recovered();
                }
                Some(Task::Options) => {
                    let options = self.resync_options();
                    self.is_granted(options)?;
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

    /// Asks the kernel for everything, whether something was lost or not. Where events wait, they
    /// are read before.
    pub(crate) fn refresh(&mut self, events_wait: bool) -> Result<()> {
        self.ensure_exists()
            .map_err(|error| error.with_op(format!("refreshing {}", self.name())))?;
        // What waits is older than the answers will be.
        let rest = if events_wait { self.drain()? } else { Drain::Empty };
        self.resync()?;
        match rest {
            Drain::Empty => self.recovered(),
            Drain::More => self.pending.left_unread(),
        }
        self.settle()
    }

    /// Ends a resync that the caller requested. The sockets announce what came during it: it is
    /// read now only where something else depends on it.
    fn settle(&mut self) -> Result<()> {
        self.update_filter()?;
        self.pending.finish();
        if self.needs_sync() {
            return self.update();
        }
        self.pending.recheck.team_link = false;
        Ok(())
    }

    /// One of the sockets that announce work.
    pub(crate) fn event_socket(&self) -> BorrowedFd<'_> {
        self.link_events.as_fd()
    }

    /// The sockets that announce work.
    pub(crate) fn event_sockets(&self) -> [BorrowedFd<'_>; 2] {
        [self.link_events.as_fd(), self.team_events.as_fd()]
    }

    /// Whether there is work that no socket announces: changes to report, a resync that failed, or
    /// what was left undone when reading stopped, which may be just where the events ended.
    pub(crate) fn is_pending(&self) -> bool {
        self.cache.has_changes() || self.pending.has_report() || self.needs_sync()
    }

    fn needs_sync(&self) -> bool {
        self.pending.needs_sync(&self.cache, &self.team_events)
    }

    /// Returns what changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let Some((resynced, inconsistent)) = self.pending.take_report() else {
            return Changes::default();
        };
        let changes = Changes { resynced, inconsistent, ..self.cache.take_changes() };
        self.counters.batches += u64::from(!changes.is_empty());
        changes
    }

    /// What the handle counted since it was opened.
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

    /// Returns an error if the team device is known to be gone. The caller names the operation:
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

    /// What overran has more room from now on, where that is allowed: a small one only overruns
    /// more often.
    fn grow_buffers(&mut self) {
        let Self { link_events, team_events, pending, .. } = self;
        for (socket, backlog) in
            [(link_events, pending.link_events), (team_events, pending.team_events)]
        {
            if backlog.is_discarded() {
                if let Err(error) = socket.grow() {
                    warn!(target: RESYNC, "{}: a receive buffer cannot grow: {error}", self.cache.team_name());
                }
            }
        }
    }

    /// Applies the events that wait, the driver's first: the driver announces a port after its link
    /// was announced, so that the link of a port that is known here is known afterwards.
    fn drain(&mut self) -> Result<Drain> {
        let (team, family) = (self.cache.team(), self.genl.family_id());
        let (cache, pending) = (&mut self.cache, &mut self.pending);
        let (recheck, events) = (&mut pending.recheck, &mut self.counters.events);
        let team_rest = self.team_events.drain(&mut pending.team_events, |frame| {
            if frame.kind == family {
                if let Some(report) = team::decode(frame.payload, team)? {
                    cache.apply_team_event(report, recheck);
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
        self.link_events.retry_filter_in_time();
        self.team_events.retry_filter_in_time();
        let reading = || "reading events".to_owned();
        let rests = (team_rest.with_context(reading)?, link_rest.with_context(reading)?);
        self.cache.end_drain(&mut self.pending.recheck);
        if rests != (Drain::Empty, Drain::Empty) {
            return Ok(Drain::More);
        }
        self.cache.set_stale(false);
        Ok(Drain::Empty)
    }

    /// Asks for the links, then the ports, then the options, and makes the cache equal to the
    /// answers.
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
        let mut is_listed = self.is_granted(ports)?;
        // The dump may have skipped them, or they came later.
        let ports_without_link: Vec<IfIndex> = self.cache.ports_without_link().collect();
        ports_without_link.into_iter().try_for_each(|port| self.recheck_link(port))?;
        if is_listed {
            let options = self.resync_options();
            is_listed = self.is_granted(options)?;
        }
        let is_complete = !is_interrupted && !self.cache.options().is_truncated();
        self.pending.end_resync(is_complete, is_listed);
        Ok(())
    }

    /// Whether the driver gave its list. That it refused for lack of a capability is noted, and no
    /// error: links can be read without.
    fn is_granted(&mut self, listed: Result<()>) -> Result<bool> {
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
                "{}: only links are read again until the process has CAP_NET_ADMIN in the initial user namespace: \
                 {refusal}",
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
                "{}: the driver cannot tell all options (EMSGSIZE): a bpf_hash_func that somebody set is too long. \
                 Those listed after it are as they were last known, until it is cleared or replaced",
                self.name()
            );
        }
        self.pending.options_listed(is_truncated);
        Ok(())
    }

    /// The sockets were read empty before everything was requested.
    fn recovered(&mut self) {
        self.counters.resyncs += u64::from(self.pending.has_lost_events());
        self.pending.recovered();
    }

    fn resync_links(&mut self) -> Result<Consistency> {
        let only_ports_of = self.follow.as_ref().map(|_| self.cache.team());
        let (cache, mut seen) = (&mut self.cache, Vec::new());
        let consistency = self.rtnl.for_each_link(only_ports_of, |part| match part {
            LinkPart::Start => seen.clear(),
            LinkPart::Link(report) => {
                seen.push(report.ifindex);
                cache.apply_link_reply(&report);
            }
        })?;
        // The kernel lists them in order, or nearly so.
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
        // The team is no port of itself.
        missing.extend(only_ports_of);
        // What is no port any more may still be there. And a kernel that goes on with a dump by
        // position, as 6.1 does, may skip a link at the end without a mark: a dump that lacks a
        // link does not prove that it is gone.
        missing.into_iter().try_for_each(|ifindex| self.recheck_link(ifindex))?;
        Ok(consistency)
    }

    /// Looks up the links of which events alone do not say whether they exist. The sockets were
    /// read empty just now. True if there were any.
    fn look_up_links(&mut self) -> Result<bool> {
        let links = self.pending.recheck.links.clone();
        links.iter().try_for_each(|ifindex| self.recheck_link(*ifindex))?;
        self.pending.recheck.links.clear();
        Ok(!links.is_empty())
    }

    /// Has the link events' filter follow the ports. True if it named some of them late.
    fn update_filter(&mut self) -> Result<bool> {
        let Some(follow) = &mut self.follow else { return Ok(false) };
        let late = &mut self.pending.recheck.links;
        let updated = follow.update(&self.cache, &mut self.link_events, late);
        updated.with_context(|| "filtering link events".to_owned())?;
        Ok(!late.is_empty())
    }

    /// Asks for the team's own link, after events were read: the kernel announces a carrier late,
    /// and that of a link that is down not at all.
    pub(crate) fn reread_team_link(&mut self) -> Result<()> {
        self.recheck_link(self.cache.team())
    }

    /// Asks for one link by itself: that a dump did not hold it, say, does not mean that it is
    /// gone.
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

    /// Makes the cache equal to one of the driver's lists. Where the driver refuses to give it, the
    /// team may have been deleted: that is a change, no error. Another one may have its index
    /// already: that one is asked.
    fn resync_list(
        &mut self,
        list: fn(&mut TeamDriver, IfIndex) -> Result<TeamMessage, RequestError>,
        op: &str,
    ) -> Result<()> {
        let team = self.cache.team();
        let mut refusals = 0;
        while !self.cache.is_gone() {
            let answer = list(&mut self.genl, team);
            if let Some(errno) = answer.as_ref().err().and_then(RequestError::errno) {
                self.recheck_link(team)?;
                refusals += 1;
                // The driver's answer where there is no team.
                if self.cache.is_gone()
                    || errno == Errno::EINVAL as i32 && refusals < MAX_EINVAL_RETRIES
                {
                    continue;
                }
            }
            let report = answer.with_context(|| format!("{op} of {}", self.name()))?;
            self.cache.apply_team_dump(report, &mut self.pending.recheck);
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
