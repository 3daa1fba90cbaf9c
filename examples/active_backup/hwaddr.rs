//! The hardware addresses of the team and its ports, by the policy.

use std::time::Instant;

use libteam::{ErrorKind, HwAddr, IfIndex, Link, Result, TeamHandle};

use crate::config::HwAddrPolicy;
use crate::members::Members;
use crate::retry::Retry;

/// Gives a port what it needs before it becomes active: the team's address, unless the team gets
/// that of the port.
pub(crate) fn prepare(policy: HwAddrPolicy, team: &mut TeamHandle, next: IfIndex) -> Result<()> {
    match (policy, team.team_link().and_then(Link::hwaddr)) {
        (HwAddrPolicy::SameAll | HwAddrPolicy::OnlyActive, Some(hwaddr)) => {
            give(team, next, hwaddr)
        }
        _ => Ok(()),
    }
}

/// Gives each the address that the policy wants it to have. Sends nothing where all have it. What
/// fails is tried again later; `of_team` is the delay of the team's own address.
pub(crate) fn settle(
    policy: HwAddrPolicy,
    team: &mut TeamHandle,
    members: &mut Members<'_>,
    of_team: &mut Retry,
) {
    let Some(team_hwaddr) = team.team_link().and_then(Link::hwaddr) else { return };
    let active = team.active_port().filter(|active| members.contains(*active));
    if policy == HwAddrPolicy::ByActive {
        let wanted = active.and_then(|active| team.link(active)).and_then(Link::hwaddr);
        return give_or_wait(team, team.ifindex(), wanted, of_team);
    }
    for member in members.iter_mut() {
        let wanted = match policy {
            // Given the address already in vain.
            HwAddrPolicy::SameAll if member.activation.is_held() => None,
            HwAddrPolicy::OnlyActive if Some(member.ifindex) != active => member.own_hwaddr,
            _ => Some(team_hwaddr),
        };
        give_or_wait(team, member.ifindex, wanted, &mut member.addressing);
    }
}

fn give_or_wait(team: &mut TeamHandle, link: IfIndex, wanted: Option<HwAddr>, retry: &mut Retry) {
    let Some(hwaddr) = wanted.filter(|_| !retry.is_held()) else { return };
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
        // A port that went meanwhile needs none.
        Err(error) if error.kind() == ErrorKind::NotFound && team.team_link().is_some() => Ok(()),
        result => result,
    }
}
