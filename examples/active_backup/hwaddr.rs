//! The hardware addresses of the team and its ports, by the policy.

use libteam::{ErrorKind, HwAddr, IfIndex, Link, Result, TeamHandle};

use crate::config::HwAddrPolicy;
use crate::members::{Member, Members};

/// Gives a port what it needs before it becomes active: with `only_active` the team's address.
pub(crate) fn prepare(policy: HwAddrPolicy, team: &mut TeamHandle, next: IfIndex) -> Result<()> {
    match (policy, team.team_link().and_then(Link::hwaddr)) {
        (HwAddrPolicy::OnlyActive, Some(hwaddr)) => give(team, next, hwaddr),
        _ => Ok(()),
    }
}

/// Gives each the address that the policy wants it to have. Sends nothing where all have it.
pub(crate) fn settle(policy: HwAddrPolicy, team: &mut TeamHandle, members: &Members<'_>) -> Result<()> {
    let Some(of_team) = team.team_link().and_then(Link::hwaddr) else { return Ok(()) };
    let active = team.active_port().filter(|active| members.contains(*active));
    match policy {
        HwAddrPolicy::SameAll => for_each(members, |member| give(team, member.ifindex, of_team)),
        HwAddrPolicy::ByActive => {
            let of_active = active.and_then(|active| team.link(active)).and_then(Link::hwaddr);
            of_active.map_or(Ok(()), |hwaddr| give(team, team.team_ifindex(), hwaddr))
        }
        HwAddrPolicy::OnlyActive => for_each(members, |member| {
            let wanted = if Some(member.ifindex) == active { Some(of_team) } else { member.own_hwaddr };
            wanted.map_or(Ok(()), |hwaddr| give(team, member.ifindex, hwaddr))
        }),
    }
}

/// Does something with every member, and returns the first error.
fn for_each(members: &Members<'_>, mut each: impl FnMut(&Member) -> Result<()>) -> Result<()> {
    let mut result = Ok(());
    for (_, member) in members.iter() {
        let next = each(member);
        result = result.and(next);
    }
    result
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
