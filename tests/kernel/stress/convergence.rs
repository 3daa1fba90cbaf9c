//! The state to which every cache converges after a round, and the comparison with a cache.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use libteam::{IfIndex, Link, LinkFlags, LinkScope, Port, TeamHandle};

use super::action::Fact;
use super::world::TEAMS;
use crate::support::diff::Difference;
use crate::support::snapshot::{LinkState, State, assert_links_match_ip, state};

/// The team and the links that a handle follows.
pub(super) type View = (IfIndex, LinkScope);

/// The states of fresh handles of each team, compared with the output of `ip`.
pub(super) struct Expected(Vec<(View, State)>);

impl Expected {
    pub(super) fn read() -> Self {
        let mut states = Vec::new();
        for team in TEAMS {
            for scope in [LinkScope::All, LinkScope::Team] {
                let handle = TeamHandle::builder().link_scope(scope).open_index(team);
                let handle = handle.expect("both teams exist after a round");
                if team == TEAMS[0] {
                    assert_links_match_ip(&handle);
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

    /// Returns the state that a handle keeps after its team was deleted, even if another team has
    /// the index now.
    pub(super) fn without_team(&self, (team, scope): View) -> State {
        let links = if scope == LinkScope::All {
            self.of((team, scope)).links.clone()
        } else {
            BTreeMap::new()
        };
        State { links, ports: vec![], options: BTreeMap::new(), option_order: vec![] }
    }

    /// Returns the facts of the states that actions can change.
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

/// The result of comparing a cache with a fresh handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// The states differ only in what the kernel reports with a delay, at most once a second.
    Late,
    Different,
}

/// Panics unless the cached ports and links are consistent with each other.
pub(super) fn assert_coherent(team: &TeamHandle) {
    for port in team.ports() {
        let link = team.link(port.ifindex());
        assert_eq!(
            port.name(),
            link.map(Link::name),
            "name of port {} and of its link",
            port.ifindex()
        );
    }
    for link in team.links().filter(|link| link.master().is_none()) {
        assert_eq!(
            link.original_hwaddr(),
            link.hwaddr(),
            "hwaddr of a link without a master: {link}"
        );
    }
}

/// Compares a cache with the expected state. `carriers`: whether other programs set the team's
/// carrier.
pub(super) fn compare(cached: &State, expected: &State, team: IfIndex, carriers: bool) -> Verdict {
    let mut cached = cached.clone();
    ignore_unannounced(&mut cached, expected, team, carriers);
    if cached == *expected {
        return Verdict::Same;
    }
    ignore_late(&mut cached, expected);
    if cached == *expected { Verdict::Late } else { Verdict::Different }
}

/// Panics with the differences, including those of delayed events that did not arrive.
pub(super) fn fail(cached: &State, expected: &State, team: IfIndex, carriers: bool) -> ! {
    let mut cached = cached.clone();
    ignore_unannounced(&mut cached, expected, team, carriers);
    let difference = Difference::between(&cached, expected);
    let order = |state: &State| {
        (state.ports.iter().map(Port::ifindex).collect::<Vec<_>>(), state.option_order.clone())
    };
    let mut text = format!("the cache of {team} and the expected state differ: {difference:#?}");
    if order(&cached) != order(expected) {
        let orders = [order(&cached), order(expected)];
        write!(text, "\nports and options in this order: {orders:?}").unwrap();
    }
    panic!("{text}")
}

/// Ignores changes that the kernel does not announce while a link is down. The handle queries the
/// team's own link, unless another program set the carrier.
fn ignore_unannounced(cached: &mut State, expected: &State, team: IfIndex, carriers: bool) {
    for (ifindex, link) in
        expected.links.iter().filter(|(_, link)| !link.flags.contains(LinkFlags::UP))
    {
        let Some(known) = cached.links.get_mut(ifindex) else { continue };
        known.alternative_names.clone_from(&link.alternative_names);
        if *ifindex != team.get() || carriers {
            ignore_link_watch(known, link);
        }
    }
}

/// Ignores the results of the link watch, the driver's reaction to them, and the driver's periodic
/// statistics.
fn ignore_late(cached: &mut State, expected: &State) {
    for (ifindex, link) in &mut cached.links {
        if let Some(real) = expected.links.get(ifindex) {
            ignore_link_watch(link, real);
        }
    }
    let names = |state: &State| -> Vec<_> {
        state.ports.iter().map(|port| (port.ifindex(), port.name().map(str::to_owned))).collect()
    };
    if names(cached) == names(expected) {
        cached.ports.clone_from(&expected.ports);
    }
    for (id, value) in cached.options.iter_mut().filter(|(id, _)| id.name.ends_with("_stats")) {
        if let Some(real) = expected.options.get(id) {
            value.clone_from(real);
        }
    }
}

fn ignore_link_watch(link: &mut LinkState, real: &LinkState) {
    let watched = LinkFlags::RUNNING | LinkFlags::LOWER_UP | LinkFlags::DORMANT;
    link.flags = link.flags.difference(watched) | real.flags.intersection(watched);
    link.carrier = real.carrier;
    link.carrier_changes = real.carrier_changes;
    link.oper_state = real.oper_state;
}
