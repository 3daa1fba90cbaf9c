//! Links that the driver refused as ports, and when to try again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use libteam::rtnl::{LinkFilter, LinkInfo, RtnlSocket};
use libteam::{Error, ErrorKind, HwAddr, IfIndex, LinkSettings, Result, TeamHandle};

use crate::retry::{Retry, SHORTEST};

/// The links that the kernel refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<IfIndex, Refusal>);

#[derive(Debug)]
struct Refusal {
    retry: Retry,
    /// The state on which the kernel decided at the last attempt.
    seen: Circumstances,
    /// Whether the link was refused while it was down, since that state changed.
    was_down: bool,
    /// The related link, such as the lower link of a VLAN.
    peer: Option<IfIndex>,
    checked: Instant,
    /// Whether links changed since `checked`.
    is_stale: bool,
}

impl Refusals {
    /// Keeps only the links for which this returns true.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(IfIndex) -> bool) {
        self.0.retain(|ifindex, _| is_kept(*ifindex));
    }

    /// Whether a change of this link can make the driver accept a refused link.
    pub(crate) fn concern(&self, link: &LinkInfo) -> bool {
        let ifindex = link.ifindex();
        self.0.iter().any(|(refused, refusal)| {
            *refused == ifindex
                || link.link_ifindex() == Some(*refused)
                || refusal.peer == Some(ifindex)
        })
    }

    /// Returns when to check the next link again, if no link changes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.values().filter_map(Refusal::due).min()
    }

    /// Records that links have changed.
    pub(crate) fn links_changed(&mut self) {
        self.0.values_mut().for_each(|refusal| refusal.is_stale = true);
    }

    /// Returns the links that it is too early to check, and records that the others are checked
    /// now.
    pub(crate) fn held(&mut self, now: Instant) -> Vec<IfIndex> {
        self.0
            .iter_mut()
            .filter_map(|(ifindex, refusal)| (!refusal.check(now)).then_some(*ifindex))
            .collect()
    }

    /// Adds a link without a master to the team. Returns false if the kernel refuses it, or refused
    /// it before and nothing has changed since.
    pub(crate) fn join(
        &mut self,
        name: &str,
        link: &LinkInfo,
        team: &mut TeamHandle,
        rtnl: &mut RtnlSocket,
        now: Instant,
    ) -> Result<bool> {
        if let Some(known) = self.0.get_mut(&link.ifindex()) {
            let present = Circumstances::read(link, team, rtnl);
            if !known.may_succeed(present, link.is_admin_up(), now) {
                return Ok(false);
            }
        }
        let known = self.0.remove(&link.ifindex());
        let Err(mut error) = team.add_port(link.ifindex()) else { return Ok(true) };
        if is_missing(&error) {
            return Err(error);
        }
        let mut refusal = match known {
            Some(known) => known,
            None => Refusal::new(link, Circumstances::read(link, team, rtnl), now),
        };
        refusal.was_down |= !link.is_admin_up();
        if !refusal.was_down && may_be_for_being_up(&error) {
            refusal.was_down = true;
            match add_set_down(link.ifindex(), team, rtnl) {
                Ok(()) => return Ok(true),
                Err(refused) if is_missing(&refused) => return Err(refused),
                Err(refused) => error = refused,
            }
        }
        refusal.retry.failed(format!("{name} cannot be made a port: {error}"), now);
        self.0.insert(link.ifindex(), refusal);
        Ok(false)
    }
}

impl Refusal {
    fn new(link: &LinkInfo, seen: Circumstances, now: Instant) -> Self {
        Self {
            retry: Retry::default(),
            seen,
            was_down: false,
            peer: link.link_ifindex(),
            checked: now,
            is_stale: false,
        }
    }

    fn due(&self) -> Option<Instant> {
        if self.is_stale { Some(self.checked + SHORTEST) } else { self.retry.due() }
    }

    /// Whether to check the link now: its delay is over or links changed, and the last check was
    /// long enough ago.
    fn check(&mut self, now: Instant) -> bool {
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        self.retry.expire(now);
        self.checked = now;
        self.is_stale = false;
        true
    }

    /// Whether another attempt can succeed. A link that is up is not set down again before
    /// something has changed.
    fn may_succeed(&mut self, present: Circumstances, is_up: bool, now: Instant) -> bool {
        let has_changed = present != self.seen;
        self.seen = present;
        if has_changed {
            self.was_down = false;
            self.retry.hasten();
            self.retry.expire(now);
        }
        if self.retry.is_held() {
            return false;
        }
        let is_futile = is_up && self.was_down;
        if is_futile {
            self.retry.postpone(now);
        }
        !is_futile
    }
}

/// The state on which the kernel's decision about a link can depend. The daemon's own attempts do
/// not change it, although they cause link messages.
#[derive(Debug, PartialEq, Eq)]
struct Circumstances {
    hwaddr: Option<HwAddr>,
    /// The driver accepts any link type for the first port, and then only that type.
    has_ports: bool,
    /// The link, the team, and the upper and lower links; empty if they could not be read.
    links: Vec<Traits>,
}

#[derive(Debug, PartialEq, Eq)]
struct Traits {
    ifindex: IfIndex,
    kind: Option<String>,
    layer: u16,
    /// Always false for the link itself: being up matters only before it was tried while down.
    is_up: bool,
    mtu: u32,
    master: Option<IfIndex>,
    peer: Option<IfIndex>,
}

impl Circumstances {
    fn read(link: &LinkInfo, team: &TeamHandle, rtnl: &mut RtnlSocket) -> Self {
        let ifindex = link.ifindex();
        let is_related = |other: &LinkInfo| {
            let it = other.ifindex();
            it == ifindex
                || it == team.ifindex()
                || Some(it) == link.link_ifindex()
                || other.link_ifindex() == Some(ifindex)
        };
        let traits =
            |other: &LinkInfo| Traits::of(other, other.is_admin_up() && other.ifindex() != ifindex);
        let links = rtnl.links(&LinkFilter::new()).map_or_else(
            |_| Vec::new(),
            |dump| dump.items().iter().filter(|other| is_related(other)).map(traits).collect(),
        );
        Self { hwaddr: link.hwaddr(), has_ports: team.ports().next().is_some(), links }
    }
}

impl Traits {
    fn of(link: &LinkInfo, is_up: bool) -> Self {
        Self {
            ifindex: link.ifindex(),
            kind: link.kind().map(Cow::into_owned),
            layer: link.link_layer_type(),
            is_up,
            mtu: link.mtu(),
            master: link.master(),
            peer: link.link_ifindex(),
        }
    }
}

/// Whether the link or the team was deleted, which another event reports.
fn is_missing(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Whether the driver may have refused a link only because it is up. False for an upper device of
/// the team, which would be set down for nothing.
fn may_be_for_being_up(error: &Error) -> bool {
    let is_upper = matches!(error, Error::Kernel { message: Some(message), .. } if message.contains("is already an upper device"));
    error.kind() == ErrorKind::ResourceBusy && !is_upper
}

/// Sets a link down and adds it; sets it up again if the driver refuses it.
fn add_set_down(link: IfIndex, team: &mut TeamHandle, rtnl: &mut RtnlSocket) -> Result<()> {
    rtnl.set_link(link, &LinkSettings::new().down())?;
    let added = team.add_port(link);
    if added.is_err() {
        rtnl.set_link(link, &LinkSettings::new().up())?;
    }
    added
}
