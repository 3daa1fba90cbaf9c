//! The last changes, as text.

use std::collections::VecDeque;
use std::time::Instant;

use libteam::{Change, Changes, Link, LinkChange, Port, TeamHandle, TeamOption};

/// The number of changes that are stored, more than a screen shows.
const KEPT: usize = 200;

/// The colour of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Odd,
    Plain,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) time: Instant,
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// The last changes, the newest first.
#[derive(Debug, Default)]
pub(crate) struct LastChanges(VecDeque<Item>);

impl LastChanges {
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }

    pub(crate) fn add(&mut self, time: Instant, tone: Tone, text: String) {
        self.0.push_front(Item { time, tone, text });
        self.0.truncate(KEPT);
    }

    /// Adds the changes of a batch that are worth a line.
    pub(crate) fn record(&mut self, changes: &Changes, team: &TeamHandle, time: Instant) {
        if changes.is_resynced() {
            self.add(
                time,
                Tone::Odd,
                "notifications were lost, the state was read again".to_owned(),
            );
        }
        let links = changes.links().filter_map(|change| link(change, team));
        let ports = changes.ports().filter_map(port);
        let options = changes.options().filter(|change| !is_half(change, changes));
        let options = options.filter_map(|change| option(change, team));
        for (tone, text) in links.chain(ports).chain(options) {
            self.add(time, tone, text);
        }
    }
}

fn port(change: &Change<Port>) -> Option<(Tone, String)> {
    let port = change.latest();
    let name = port.name().map_or_else(|| format!("port {}", port.ifindex()), str::to_owned);
    let Some(before) = change.before() else {
        return Some((Tone::Good, format!("{name} joined the team")));
    };
    if change.is_removed() {
        return Some((Tone::Bad, format!("{name} left the team")));
    }
    match (before.is_link_up(), port.is_link_up()) {
        (false, true) => Some((Tone::Good, format!("{name} has a link"))),
        (true, false) => Some((Tone::Bad, format!("{name} lost its link"))),
        _ => None,
    }
}

fn link(change: &Change<Link>, team: &TeamHandle) -> Option<(Tone, String)> {
    let (before, link) = (change.before()?, change.after()?);
    let (name, what) = (link.name(), change.changed_fields());
    if what.contains(LinkChange::NAME) {
        return Some((Tone::Odd, format!("{} was renamed to {name}", before.name())));
    }
    if what.contains(LinkChange::ADMIN_STATE) {
        let (tone, state) =
            if link.is_admin_up() { (Tone::Good, "up") } else { (Tone::Bad, "down") };
        return Some((tone, format!("{name} was set {state}")));
    }
    if link.ifindex() == team.ifindex() {
        if before.has_carrier() != link.has_carrier() {
            let (tone, does) =
                if link.has_carrier() { (Tone::Good, "has a") } else { (Tone::Bad, "lost its") };
            return Some((tone, format!("{name} {does} carrier")));
        }
        if what.contains(LinkChange::MTU) {
            return Some((Tone::Plain, format!("the MTU of {name} is {}", link.mtu())));
        }
        return None;
    }
    // A link that went down and up again is no change of the port.
    let changed = link.carrier_changes().wrapping_sub(before.carrier_changes());
    let is_back = before.has_carrier() == link.has_carrier() && changed > 0;
    is_back.then(|| (Tone::Odd, format!("the link of {name} changed {changed} times")))
}

/// Whether it is `rx_enabled` or `tx_enabled` of a port whose `enabled` changed too.
fn is_half(change: &Change<TeamOption>, changes: &Changes) -> bool {
    let id = change.latest().id();
    let is_whole = |other: &Change<TeamOption>| {
        let other = other.latest().id();
        other.name == "enabled" && other.port == id.port
    };
    matches!(&*id.name, "rx_enabled" | "tx_enabled") && changes.options().any(is_whole)
}

fn option(change: &Change<TeamOption>, team: &TeamHandle) -> Option<(Tone, String)> {
    let (before, option) = (change.before()?, change.after()?);
    let id = option.id();
    if before.value() == option.value() {
        return None;
    }
    match &*id.name {
        // These are in the table, or too frequent.
        "lb_port_stats" | "lb_hash_stats" | "lb_tx_hash_to_port_mapping" => None,
        "activeport" => {
            let active = team.active_port().and_then(|port| team.port(port)?.name());
            Some(active.map_or_else(
                || (Tone::Bad, "no port is active".to_owned()),
                |name| (Tone::Good, format!("{name} is the active port")),
            ))
        }
        "bpf_hash_func" => Some((Tone::Plain, "bpf_hash_func was set".to_owned())),
        name => {
            let port = id.port.and_then(|port| team.port(port)?.name());
            let of_port = port.map(|port| format!(" of {port}")).unwrap_or_default();
            Some((Tone::Plain, format!("{name}{of_port} is {}", option.value())))
        }
    }
}
