//! The four sockets and the cache, kept in step: events are applied, and what was lost is asked for again.

use std::collections::HashSet;
use std::io;

use log::warn;
use rustix::io::Errno;

use crate::cache::Cache;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::genl::Genl;
use crate::log_target::RESYNC;
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::netlink::codec::link;
use crate::netlink::codec::team::{self, Report};
use crate::netlink::connection::Consistency;
use crate::netlink::events::{EventSocket, Rest};
use crate::netlink::failure::{During, Failure};
use crate::netlink::transport::{NetlinkSocket, Transport};
use crate::rtnl::{LinkPart, Rtnl};

/// How often one call makes a loss good and finds that events were lost again meanwhile. After that it returns: the
/// sockets are still readable, so the next call goes on.
const MAX_RESYNCS: u32 = 4;

/// How often the driver may say that there is no team while there is one: it was made after that.
const MAX_REFUSALS: u32 = 4;

/// The sockets of a handle with the cache that they feed.
#[derive(Debug)]
pub(crate) struct Session<T = NetlinkSocket> {
    pub(crate) rtnl: Rtnl<T>,
    pub(crate) genl: Genl<T>,
    link_events: EventSocket<T>,
    team_events: EventSocket<T>,
    cache: Cache,
    /// Told with the next changes.
    resynced: bool,
    inconsistent: bool,
}

impl<T: Transport> Session<T> {
    /// Fills the cache. The event sockets have joined their groups before: what happens from then on is in the dump,
    /// in the events, or in both.
    pub(crate) fn start(
        rtnl: Rtnl<T>,
        genl: Genl<T>,
        link_events: T,
        team_events: T,
        team: IfIndex,
        name: String,
    ) -> Result<Self> {
        let opening = || "preparing an event socket".to_owned();
        let mut session = Self {
            rtnl,
            genl,
            link_events: EventSocket::new(link_events).during(opening)?,
            team_events: EventSocket::new(team_events).during(opening)?,
            cache: Cache::new(team, name),
            resynced: false,
            inconsistent: false,
        };
        session.resync()?;
        session.update()?;
        session.check_alive()?;
        // What was there from the start is no change.
        session.take_changes();
        Ok(session)
    }

    /// Notes that this handle set an option.
    pub(crate) fn set_by_us(&mut self, id: &OptionId) {
        self.cache.set_by_us(id);
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The device's name, or its last one.
    pub(crate) fn name(&self) -> &str {
        self.cache.team_name()
    }

    /// The receive buffers of the link and the team event socket, in bytes as the kernel counts them.
    pub(crate) fn receive_buffers(&self) -> io::Result<(usize, usize)> {
        Ok((self.link_events.receive_buffer()?, self.team_events.receive_buffer()?))
    }

    /// Brings the cache up to date: applies the events that wait, and resyncs if some were lost. Does not wait.
    pub(crate) fn update(&mut self) -> Result<()> {
        let mut resyncs = 0;
        let mut rest = self.drain()?;
        // A socket must be read empty before it is resynced: until then the kernel delivers nothing new to it.
        while self.needs_resync() && rest == Rest::Nothing {
            let is_lost = self.is_lost();
            if is_lost {
                warn!(target: RESYNC, "{}: notifications were lost, asking for everything again", self.name());
            }
            self.resync()?;
            self.resynced |= is_lost;
            resyncs += 1;
            if resyncs == MAX_RESYNCS {
                break;
            }
            rest = self.drain()?;
        }
        if self.cache.is_team_link_doubtful() {
            self.recheck_link(self.cache.team())?;
        }
        self.cache.trust_team_link();
        self.cache.name_ports();
        Ok(())
    }

    /// Asks the kernel for everything, whether something was lost or not.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.check_alive()?;
        self.resync()?;
        self.update()
    }

    /// Whether there is work that no socket announces: changes to tell, or a resync that failed.
    pub(crate) fn has_work(&self) -> bool {
        self.cache.has_changes() || self.resynced || self.needs_resync() || self.cache.is_team_link_doubtful()
    }

    /// Tells what changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = self.cache.take_changes();
        changes.resynced = std::mem::take(&mut self.resynced);
        changes.inconsistent = std::mem::take(&mut self.inconsistent);
        changes
    }

    /// An error if the team device is known to be gone.
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.cache.is_gone() {
            return Err(Error::DeviceGone { device: self.name().to_owned(), ifindex: self.cache.team() });
        }
        Ok(())
    }

    fn needs_resync(&self) -> bool {
        self.is_lost() || self.cache.is_order_doubtful()
    }

    fn is_lost(&self) -> bool {
        self.link_events.is_lost() || self.team_events.is_lost()
    }

    /// Applies the events that wait, the driver's first: the driver announces a port after its link was announced, so
    /// that the link of a port that is known here is known afterwards.
    fn drain(&mut self) -> Result<Rest> {
        let (team, family) = (self.cache.team(), self.genl.family_id());
        let cache = &mut self.cache;
        let team_rest = self.team_events.drain(|frame| {
            if frame.kind == family {
                if let Some(report) = team::decode(frame.payload, team)? {
                    cache.apply_team(report);
                }
            }
            Ok(())
        });
        let link_rest = self.link_events.drain(|frame| {
            if matches!(frame.kind, link::RTM_NEWLINK | link::RTM_DELLINK) {
                cache.apply_link(&link::decode(frame.kind, frame.payload)?);
            }
            Ok(())
        });
        let reading = || "reading events".to_owned();
        let rests = (team_rest.during(reading)?, link_rest.during(reading)?);
        self.cache.settle_order();
        Ok(match rests {
            (Rest::Nothing, Rest::Nothing) => Rest::Nothing,
            _ => Rest::Unread,
        })
    }

    /// Asks for the links, then the ports, then the options, and makes the cache equal to the answers.
    fn resync(&mut self) -> Result<()> {
        self.resync_links()?;
        self.resync_list(Genl::ports, "listing the ports")?;
        self.resync_list(Genl::options, "listing the options")?;
        self.link_events.recovered();
        self.team_events.recovered();
        Ok(())
    }

    fn resync_links(&mut self) -> Result<()> {
        let (cache, mut seen) = (&mut self.cache, HashSet::new());
        let consistency = self.rtnl.dump_links(|part| match part {
            LinkPart::Start => seen.clear(),
            LinkPart::Link(report) => {
                seen.insert(report.ifindex);
                cache.link_present(&report);
            }
        })?;
        let missing: Vec<IfIndex> = self
            .cache
            .links()
            .iter()
            .map(crate::model::link::Link::ifindex)
            .filter(|link| !seen.contains(link))
            .collect();
        if consistency == Consistency::Interrupted {
            warn!(target: RESYNC, "{}: every dump of the links was interrupted", self.name());
            self.inconsistent = true;
            return missing.into_iter().try_for_each(|ifindex| self.recheck_link(ifindex));
        }
        for ifindex in missing {
            self.cache.link_removed(ifindex);
        }
        Ok(())
    }

    /// Asks for one link by itself: that an interrupted dump did not hold it, say, does not mean that it is gone.
    fn recheck_link(&mut self, ifindex: IfIndex) -> Result<()> {
        let cache = &mut self.cache;
        if !self.rtnl.get_link(ifindex, |report| cache.link_present(report))? {
            self.cache.link_removed(ifindex);
        }
        Ok(())
    }

    /// Makes the cache equal to one of the driver's lists. Where the driver refuses to give it, the team may have gone
    /// meanwhile: that is news, no error. Another one may have its index already: that one is asked.
    fn resync_list(&mut self, list: fn(&mut Genl<T>, IfIndex) -> Result<Report, Failure>, op: &str) -> Result<()> {
        let team = self.cache.team();
        let mut refusals = 0;
        while !self.cache.is_gone() {
            let answer = list(&mut self.genl, team);
            if let Some(errno) = answer.as_ref().err().and_then(Failure::refusal) {
                self.recheck_link(team)?;
                refusals += 1;
                // The driver's answer where there is no team.
                if self.cache.is_gone() || errno == Errno::INVAL && refusals < MAX_REFUSALS {
                    continue;
                }
            }
            let report = answer.during(|| format!("{op} of {}", self.name()))?;
            self.cache.replace_team(report);
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
