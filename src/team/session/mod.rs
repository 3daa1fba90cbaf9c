//! The four sockets and the cache, kept in step: events are applied, and what was lost is asked for
//! again.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;
use nix::errno::Errno;

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

/// How often one call makes a loss good, or looks after new ports, and finds that there is more to
/// do meanwhile. After that it returns: the handle is still readable, so the next call goes on.
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
    /// The last update stopped before there was nothing more to do.
    unfinished: bool,
    /// Told with the next changes, as is what follows.
    resynced: bool,
    /// The last dump of the links may have skipped one, or the last list of options ended before
    /// one, or the driver refused a list.
    inconsistent: bool,
    /// While the driver refuses its lists, as the process dropped a capability.
    refusal: Option<KernelError>,
    /// What [`statistics`](Self::statistics) counts by itself.
    counters: Counters,
}

/// What is counted since the handle was opened, beside what the sockets count.
#[derive(Debug, Default)]
struct Counters {
    events: u64,
    batches: u64,
    resyncs: u64,
}

/// The driver refused to list ports or options (`EPERM`). What is known of them is what its events
/// reported.
///
/// Links are read all the same. The lists are requested again when the capability is back, and by
/// whatever reads everything; not by each event, as the answer would be the same.
#[derive(Debug)]
struct KernelError {
    error: Error,
    /// The thread had the capability, but not where it counts: nothing announces that the driver
    /// would answer now.
    had_net_admin: bool,
    /// Events were lost that only the lists make up for.
    has_lost_events: bool,
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
        let (unfinished, resynced, inconsistent, refusal) = (false, false, false, None);
        let mut session = Self {
            rtnl,
            genl,
            link_events,
            team_events,
            cache,
            follow,
            unfinished,
            resynced,
            inconsistent,
            refusal,
            counters: Counters::default(),
        };
        session.cache.suspend_journal();
        session.resync()?;
        session.settle()?;
        if let Some(refusal) = session.refusal {
            return Err(refusal.error);
        }
        session.ensure_exists()?;
        session.cache.start_journal();
        // That everything was asked for is no news at a start; that it may lack something is.
        session.resynced = false;
        Ok(session)
    }

    /// Whether the driver refuses its lists.
    #[cfg(test)]
    pub(crate) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Notes that this handle set an option.
    pub(crate) fn mark_local(&mut self, id: &OptionId) {
        self.cache.mark_local(id);
    }

    /// Notes the address of a link that is about to become a port: in some modes the driver gives
    /// it another one, and of a link that is not followed yet nobody tells the old one.
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
        let tracked_links = self.process_events();
        self.cache.update_port_names();
        tracked_links
    }

    fn process_events(&mut self) -> Result<()> {
        self.unfinished = true;
        let mut rounds = 0;
        // A socket must be read empty before it is resynced: until then the kernel delivers nothing
        // new to it.
        while rounds < MAX_ROUNDS {
            if self.drain()? == Drain::More {
                // Old news that still waits would make the team's link doubtful again.
                return Ok(());
            }
            rounds += 1;
            if self.needs_resync() {
                if self.has_lost_events() {
                    warn!(target: RESYNC, "{}: notifications were lost, asking for everything again", self.name());
                    self.grow_buffers();
                }
                self.resync()?;
                self.recovered();
                continue;
            }
            if self.needs_options_resync() {
                let options = self.resync_options();
                self.is_granted(options)?;
                continue;
            }
            let looked = self.check_doubtful_links()?;
            if !self.update_filter()? && !looked {
                self.unfinished = false;
                break;
            }
        }
        if self.cache.needs_team_link() {
            self.recheck_link(self.cache.team())?;
        }
        self.cache.team_link_refreshed();
        Ok(())
    }

    /// Asks the kernel for everything, whether something was lost or not. Where events wait, they
    /// are read before.
    pub(crate) fn refresh(&mut self, events_wait: bool) -> Result<()> {
        self.ensure_exists()?;
        // What waits is older than the answers will be.
        let rest = if events_wait { self.drain()? } else { Drain::Empty };
        self.resync()?;
        match rest {
            Drain::Empty => self.recovered(),
            Drain::More => {
                self.link_events.mark_lost();
                self.team_events.mark_lost();
            }
        }
        self.settle()
    }

    /// Ends what asked for everything. What came meanwhile the sockets announce: it is read now
    /// only where something else depends on it.
    fn settle(&mut self) -> Result<()> {
        self.update_filter()?;
        self.unfinished = false;
        if self.needs_sync() {
            return self.update();
        }
        self.cache.team_link_refreshed();
        self.cache.update_port_names();
        Ok(())
    }

    /// One of the sockets that announce work.
    pub(crate) fn event_socket(&self) -> BorrowedFd<'_> {
        self.link_events.as_fd()
    }

    /// Whether there is work that no socket announces: changes to tell, a resync that failed, or
    /// what was left undone when reading stopped, which may be just where the events ended.
    pub(crate) fn is_pending(&self) -> bool {
        self.cache.has_changes() || self.resynced || self.inconsistent || self.needs_sync()
    }

    /// Whether the cache may not be what the kernel said last.
    fn needs_sync(&self) -> bool {
        self.unfinished
            || self.needs_resync()
            || self.needs_options_resync()
            || self.cache.needs_team_link()
            || self.doubtful_links().next().is_some()
    }

    /// Tells what changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = self.cache.take_changes();
        changes.resynced = std::mem::take(&mut self.resynced);
        changes.inconsistent = std::mem::take(&mut self.inconsistent);
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

    /// An error if the team device is known to be gone.
    pub(crate) fn ensure_exists(&self) -> Result<()> {
        if self.cache.is_gone() {
            return Err(Error::DeviceGone {
                device: self.name().to_owned(),
                ifindex: self.cache.team(),
            });
        }
        Ok(())
    }

    /// What overran has more room from now on, where that is allowed: a small one only overruns
    /// more often.
    fn grow_buffers(&mut self) {
        for socket in [&mut self.link_events, &mut self.team_events] {
            if socket.has_lost_events() {
                if let Err(error) = socket.grow() {
                    warn!(target: RESYNC, "{}: a receive buffer cannot grow: {error}", self.cache.team_name());
                }
            }
        }
    }

    fn needs_resync(&self) -> bool {
        self.has_lost_events()
            || match &self.refusal {
                None => self.cache.needs_list_resync(),
                Some(refusal) => !refusal.had_net_admin && self.team_events.has_net_admin(),
            }
    }

    fn needs_options_resync(&self) -> bool {
        self.cache.needs_options_resync() && self.refusal.is_none()
    }

    fn has_lost_events(&self) -> bool {
        self.link_events.has_lost_events() || self.team_events.has_lost_events()
    }

    /// Applies the events that wait, the driver's first: the driver announces a port after its link
    /// was announced, so that the link of a port that is known here is known afterwards.
    fn drain(&mut self) -> Result<Drain> {
        let (team, family) = (self.cache.team(), self.genl.family_id());
        let (cache, events) = (&mut self.cache, &mut self.counters.events);
        let team_rest = self.team_events.drain(|frame| {
            if frame.kind == family {
                if let Some(report) = team::decode(frame.payload, team)? {
                    cache.apply_team_event(report);
                    *events += 1;
                }
            }
            Ok(())
        });
        let link_rest = self.link_events.drain(|frame| {
            if matches!(frame.kind, link::RTM_NEWLINK | link::RTM_DELLINK) {
                cache.apply_link(&link::decode(frame.kind, frame.payload)?);
                *events += 1;
            }
            Ok(())
        });
        self.link_events.retry_filter_in_time();
        self.team_events.retry_filter_in_time();
        let reading = || "reading events".to_owned();
        let rests = (team_rest.with_context(reading)?, link_rest.with_context(reading)?);
        self.cache.settle_order();
        if rests != (Drain::Empty, Drain::Empty) {
            return Ok(Drain::More);
        }
        self.cache.set_stale(false);
        Ok(Drain::Empty)
    }

    /// Asks for the links, then the ports, then the options, and makes the cache equal to the
    /// answers.
    fn resync(&mut self) -> Result<()> {
        for socket in [&mut self.link_events, &mut self.team_events] {
            socket.mark_stale();
            socket.retry_filter();
        }
        self.cache.set_stale(true);
        let is_interrupted = self.resync_links()? == Consistency::Interrupted;
        self.inconsistent |= is_interrupted;
        let ports = self.resync_list(TeamDriver::ports, "listing the ports");
        let mut is_listed = self.is_granted(ports)?;
        // The dump may have skipped them, or they came later.
        let ports_without_link: Vec<IfIndex> = self.cache.ports_without_link().collect();
        ports_without_link.into_iter().try_for_each(|port| self.recheck_link(port))?;
        if is_listed {
            let options = self.resync_options();
            is_listed = self.is_granted(options)?;
        }
        if is_listed {
            self.resynced |= self.refusal.take().is_some_and(|refusal| refusal.has_lost_events);
        }
        // Only now is what earlier answers lacked made good.
        self.inconsistent = is_interrupted || !is_listed || self.cache.options().is_truncated();
        Ok(())
    }

    /// Whether the driver gave its list. That it refused for lack of a capability is noted, and no
    /// error: links can be read without.
    fn is_granted(&mut self, listed: Result<()>) -> Result<bool> {
        let error = match listed {
            Err(error @ Error::Kernel { kind: ErrorKind::PermissionDenied, .. }) => error,
            listed => return listed.map(|()| true),
        };
        if self.refusal.is_none() {
            warn!(
                target: RESYNC,
                "{}: only links are read again until the process has CAP_NET_ADMIN in the initial user namespace: \
                 {error}",
                self.name()
            );
        }
        let was_lost = self.refusal.take().is_some_and(|refusal| refusal.has_lost_events);
        let had_net_admin = self.team_events.has_net_admin();
        self.refusal = Some(KernelError {
            error,
            had_net_admin,
            has_lost_events: was_lost || self.has_lost_events(),
        });
        self.inconsistent = true;
        Ok(false)
    }

    fn resync_options(&mut self) -> Result<()> {
        self.resync_list(TeamDriver::options, "listing the options")?;
        if self.cache.options().is_truncated() {
            warn!(
                target: RESYNC,
                "{}: the driver cannot tell all options (EMSGSIZE): a bpf_hash_func that somebody set is too long. \
                 Those listed after it are as they were last known, until it is cleared or replaced",
                self.name()
            );
            self.inconsistent = true;
        }
        Ok(())
    }

    /// What was lost was asked for, after the sockets were read empty.
    fn recovered(&mut self) {
        self.resynced |= self.has_lost_events();
        self.counters.resyncs += u64::from(self.has_lost_events());
        self.link_events.clear_lost();
        self.team_events.clear_lost();
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
        // The kernel tells them in order, or nearly so.
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

    /// The links of which events alone do not tell whether they exist.
    fn doubtful_links(&self) -> impl Iterator<Item = IfIndex> {
        self.follow.iter().flat_map(EventFilter::to_recheck).chain(self.cache.unconfirmed())
    }

    /// Asks for the doubtful links by themselves. The sockets were read empty just now. True if
    /// there were any.
    fn check_doubtful_links(&mut self) -> Result<bool> {
        let doubtful: Vec<IfIndex> = self.doubtful_links().collect();
        for &ifindex in &doubtful {
            self.recheck_link(ifindex)?;
        }
        self.follow.iter_mut().for_each(EventFilter::clear_recheck);
        self.cache.clear_unconfirmed();
        Ok(!doubtful.is_empty())
    }

    /// Has the link events' filter follow the ports. True if some came into it late.
    fn update_filter(&mut self) -> Result<bool> {
        let Some(follow) = &mut self.follow else { return Ok(false) };
        let adopted = follow.update(self.cache.tracked_links(), &mut self.link_events);
        adopted.with_context(|| "filtering link events".to_owned())?;
        Ok(follow.to_recheck().next().is_some())
    }

    /// Asks for the team's own link, after events were read: the kernel announces a carrier late,
    /// and that of a link that is down not at all.
    pub(crate) fn reread_team_link(&mut self) -> Result<()> {
        self.recheck_link(self.cache.team())
    }

    /// Asks for one link by itself: that a dump did not hold it, say, does not mean that it is
    /// gone.
    fn recheck_link(&mut self, ifindex: IfIndex) -> Result<()> {
        self.link_events.mark_stale();
        self.cache.set_link_stale(ifindex);
        match self.rtnl.link_by_index(ifindex) {
            Ok(link) => self.cache.apply_link_reply(&link.decode()?),
            Err(Error::NoSuchDevice { .. }) => self.cache.link_removed(ifindex),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes the cache equal to one of the driver's lists. Where the driver refuses to give it, the
    /// team may have gone meanwhile: that is news, no error. Another one may have its index
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
            self.cache.apply_team_dump(report);
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
