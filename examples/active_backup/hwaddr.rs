//! Sets the hardware addresses of the team and its ports according to the policy.

use std::time::Instant;

use libteam::{ErrorKind, HwAddr, IfIndex, Link, Result, TeamHandle};

use crate::config::HwAddrPolicy;
use crate::members::Members;
use crate::retry::Retry;

/// Gives a port the team's address before it becomes active, unless the team gets the address of
/// the port.
pub(crate) fn prepare(policy: HwAddrPolicy, team: &mut TeamHandle, next: IfIndex) -> Result<()> {
    match (policy, team.team_link().and_then(Link::hwaddr)) {
        (HwAddrPolicy::SameAll | HwAddrPolicy::OnlyActive, Some(hwaddr)) => {
            give(team, next, hwaddr)
        }
        _ => Ok(()),
    }
}

/// Gives each link the address that the policy requires. Sends nothing if all have it. Failures are
/// retried later; `of_team` is the delay for the team's own address.
pub(crate) fn settle(
    policy: HwAddrPolicy,
    team: &mut TeamHandle,
    members: &mut Members<'_>,
    of_team: &mut Retry,
) {
    let Some(team_hwaddr) = team.team_link().and_then(Link::hwaddr) else { return };
    let active = team.active_port().filter(|active| members.contains(*active));
    if policy == HwAddrPolicy::ByActive {
        let hwaddr = active.and_then(|active| team.link(active)).and_then(Link::hwaddr);
        return give_or_wait(team, team.ifindex(), hwaddr, of_team);
    }
    for member in members.iter_mut() {
        let hwaddr = match policy {
            // Setting the address has just failed.
            HwAddrPolicy::SameAll if member.activation.is_held() => None,
            HwAddrPolicy::OnlyActive if Some(member.ifindex) != active => member.own_hwaddr,
            _ => Some(team_hwaddr),
        };
        give_or_wait(team, member.ifindex, hwaddr, &mut member.addressing);
    }
}

fn give_or_wait(team: &mut TeamHandle, link: IfIndex, hwaddr: Option<HwAddr>, retry: &mut Retry) {
    let Some(hwaddr) = hwaddr.filter(|_| !retry.is_held()) else { return };
    match give(team, link, hwaddr) {
        Ok(()) => retry.succeeded(),
        Err(_) if team.team_link().is_none() => {}
        Err(error) => retry.failed(error.to_string(), Instant::now()),
    }
}

fn give(team: &mut TeamHandle, link: IfIndex, hwaddr: HwAddr) -> Result<()> {
    if team.link(link).is_none_or(|link| link.hwaddr() == Some(hwaddr)) {
        return Ok(());
    }
    match team.set_hwaddr(link, hwaddr) {
        // A port that was removed in the meantime needs no address.
        Err(error) if error.kind() == ErrorKind::NotFound && team.team_link().is_some() => Ok(()),
        result => result,
    }
}
