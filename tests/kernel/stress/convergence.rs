//! The truth once a storm is over, and whether a cache is it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use libteam::{IfIndex, Link, LinkFlags, LinkScope, Port, TeamHandle};

use super::action::Fact;
use super::world::TEAMS;
use crate::support::diff::Difference;
use crate::support::snapshot::{LinkState, State, assert_links_true, state};

/// What a handle follows: a team, and so many links.
pub(super) type View = (IfIndex, LinkScope);

/// What fresh handles of each team see, and `ip` prints.
pub(super) struct Truth(Vec<(View, State)>);

impl Truth {
    pub(super) fn now() -> Self {
        let mut states = Vec::new();
        for team in TEAMS {
            for scope in [LinkScope::All, LinkScope::Team] {
                let handle = TeamHandle::builder().link_scope(scope).open_index(team);
                let handle = handle.expect("a storm leaves both teams");
                if team == TEAMS[0] {
                    assert_links_true(&handle);
                }
                states.push(((team, scope), state(&handle)));
            }
        }
        Self(states)
    }

    pub(super) fn of(&self, view: View) -> &State {
        self.0
            .iter()
            .find_map(|(known, state)| (*known == view).then_some(state))
            .expect("every view has its state")
    }

    /// What is left to know for the handle of a team that was deleted, though another one may have
    /// its index.
    pub(super) fn without_team(&self, (team, scope): View) -> State {
        let links = if scope == LinkScope::All {
            self.of((team, scope)).links.clone()
        } else {
            BTreeMap::new()
        };
        State { links, ports: vec![], options: BTreeMap::new(), option_order: vec![] }
    }

    /// What of it actions have an effect on.
    pub(super) fn facts(&self) -> HashSet<Fact> {
        let mut facts = HashSet::new();
        for ((team, scope), state) in &self.0 {
            if *scope != LinkScope::All {
                continue;
            }
            facts.extend(state.links.keys().filter_map(|link| IfIndex::new(*link)).map(Fact::Link));
            facts.extend(
                state.ports.iter().map(|port| Fact::Port { team: *team, port: port.ifindex() }),
            );
            facts.insert(Fact::Mode { team: *team });
        }
        facts
    }
}

/// How a cache and what a fresh handle sees compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// They differ in what the kernel tells in its own time only: at most once a second.
    Late,
    Different,
}

/// Panics unless what a handle knows of ports and links fits together.
pub(super) fn assert_coherent(team: &TeamHandle) {
    for port in team.ports() {
        let link = team.link(port.ifindex());
        assert_eq!(port.name(), link.map(Link::name), "a port has not the name of its link");
    }
    for link in team.links().filter(|link| link.master().is_none()) {
        assert_eq!(
            link.original_hwaddr(),
            link.hwaddr(),
            "the address of a link without a master is its own: {link}"
        );
    }
}

/// Compares what a handle knows of everything with the truth. `carriers`: whether others set the
/// team's carrier.
pub(super) fn compare(cached: &State, truth: &State, team: IfIndex, carriers: bool) -> Verdict {
    let mut cached = cached.clone();
    forgive_what_is_not_told(&mut cached, truth, team, carriers);
    if cached == *truth {
        return Verdict::Same;
    }
    forgive_what_is_told_late(&mut cached, truth);
    if cached == *truth { Verdict::Late } else { Verdict::Different }
}

/// Panics with what nothing excuses, and with what the kernel tells late, which did not come.
pub(super) fn fail(cached: &State, truth: &State, team: IfIndex, carriers: bool) -> ! {
    let mut cached = cached.clone();
    forgive_what_is_not_told(&mut cached, truth, team, carriers);
    let difference = Difference::between(&cached, truth);
    let order = |state: &State| {
        (state.ports.iter().map(Port::ifindex).collect::<Vec<_>>(), state.option_order.clone())
    };
    let mut text = format!("what the cache of {team} has, and the truth: {difference:#?}");
    if order(&cached) != order(truth) {
        let orders = [order(&cached), order(truth)];
        write!(text, "\nports and options in this order: {orders:?}").unwrap();
    }
    panic!("{text}")
}

/// The kernel sends no message of some changes to a link that is down. For the team's own link the
/// handle asks, unless somebody else set the carrier.
fn forgive_what_is_not_told(cached: &mut State, truth: &State, team: IfIndex, carriers: bool) {
    for (ifindex, link) in
        truth.links.iter().filter(|(_, link)| !link.flags.contains(LinkFlags::UP))
    {
        let Some(known) = cached.links.get_mut(ifindex) else { continue };
        known.alternative_names.clone_from(&link.alternative_names);
        if *ifindex != team.get() || carriers {
            forgive_link_watch(known, link);
        }
    }
}

/// What the link watch finds out, what the driver makes of it, and what the driver tells by a
/// timer.
fn forgive_what_is_told_late(cached: &mut State, truth: &State) {
    for (ifindex, link) in &mut cached.links {
        if let Some(real) = truth.links.get(ifindex) {
            forgive_link_watch(link, real);
        }
    }
    let names = |state: &State| -> Vec<_> {
        state.ports.iter().map(|port| (port.ifindex(), port.name().map(str::to_owned))).collect()
    };
    if names(cached) == names(truth) {
        cached.ports.clone_from(&truth.ports);
    }
    for (id, value) in cached.options.iter_mut().filter(|(id, _)| id.name.ends_with("_stats")) {
        if let Some(real) = truth.options.get(id) {
            value.clone_from(real);
        }
    }
}

fn forgive_link_watch(link: &mut LinkState, real: &LinkState) {
    let watched = LinkFlags::RUNNING | LinkFlags::LOWER_UP | LinkFlags::DORMANT;
    link.flags = link.flags.difference(watched) | real.flags.intersection(watched);
    link.carrier = real.carrier;
    link.carrier_changes = real.carrier_changes;
    link.oper_state = real.oper_state;
}
