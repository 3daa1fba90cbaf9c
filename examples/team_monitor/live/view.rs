//! What the screen shows of a team, independent of the handle.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use libteam::{Changes, Duplex, IfIndex, Link, Port, TeamHandle};

use super::changes::{LastChanges, Tone};
use super::meter::Meter;

#[derive(Debug, Default)]
pub(crate) struct View {
    /// The name as text.
    pub(crate) name: String,
    pub(crate) os_name: OsString,
    pub(crate) mode: String,
    pub(crate) hwaddr: String,
    pub(crate) mtu: u32,
    pub(crate) state: State,
    pub(crate) active: Option<IfIndex>,
    pub(crate) ports: Vec<Row>,
    /// How often the driver updates the traffic counters of the ports; `None` if it has none.
    pub(crate) counts_every: Option<Duration>,
    pub(crate) last_changes: LastChanges,
    pub(crate) gone_since: Option<Instant>,
}

/// One port.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) port: IfIndex,
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) speed_mbps: Option<u32>,
    pub(crate) duplex: Duplex,
    pub(crate) link_changes: Meter,
    /// In bytes; `None` while the driver does not count them.
    pub(crate) sent: Option<Meter>,
}

/// The state of a port or of the team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// Up, and the active port.
    Active,
    /// Up, but disabled in the team, in both directions or in one.
    Disabled,
    ReceivesOnly,
    SendsOnly,
    #[default]
    NoCarrier,
    SetDown,
}

impl View {
    /// Returns the name for opening the team again.
    pub(crate) fn os_name(&self) -> &OsStr {
        &self.os_name
    }

    /// Copies the state from a handle.
    pub(crate) fn update(&mut self, team: &TeamHandle, now: Instant) {
        team.name().clone_into(&mut self.name);
        team.name_os().clone_into(&mut self.os_name);
        self.mode = team.mode().map(|mode| mode.to_string()).unwrap_or_default();
        if let Some(link) = team.team_link() {
            self.hwaddr = link.hwaddr().map(|hwaddr| hwaddr.to_string()).unwrap_or_default();
            self.mtu = link.mtu();
            self.state = state_of_link(Some(link), link.has_carrier());
        }
        self.active = team.active_port();
        self.counts_every = team.lb_stats_refresh_interval();
        let mut known: HashMap<IfIndex, Row> =
            self.ports.drain(..).map(|row| (row.port, row)).collect();
        for port in team.ports() {
            let known = known.remove(&port.ifindex());
            self.ports.push(Row::update(team, port, known, now));
        }
    }

    /// Records changes.
    pub(crate) fn record(&mut self, changes: &Changes, team: &TeamHandle, now: Instant) {
        self.last_changes.record(changes, team, now);
    }

    /// Records that the team was deleted. The view keeps its last state.
    pub(crate) fn vanish(&mut self, now: Instant) {
        self.last_changes.add(now, Tone::Bad, format!("{} is gone", self.name));
        self.gone_since = Some(now);
    }

    /// Records that a team of the same name exists again.
    pub(crate) fn reappear(&mut self, team: &TeamHandle, now: Instant) {
        self.last_changes.add(now, Tone::Good, format!("{} exists again", self.name));
        self.gone_since = None;
        self.ports.clear();
        self.update(team, now);
    }
}

impl Row {
    fn update(team: &TeamHandle, port: &Port, known: Option<Self>, now: Instant) -> Self {
        let ifindex = port.ifindex();
        let link = team.link(ifindex);
        let (mut link_changes, sent) =
            known.map(|row| (row.link_changes, row.sent)).unwrap_or_default();
        link_changes.record(link.map_or(0, Link::carrier_changes).into(), now);
        let is_counted =
            team.lb_stats_refresh_interval().is_some_and(|interval| !interval.is_zero());
        let sent = team.lb_port_stats(ifindex).filter(|_| is_counted).map(|bytes| {
            let mut sent = sent.unwrap_or_default();
            sent.record(bytes, now);
            sent
        });
        Self {
            port: ifindex,
            name: port.name().map_or_else(|| ifindex.to_string(), str::to_owned),
            state: state_of_port(team, port),
            speed_mbps: port.speed_mbps().filter(|_| port.is_link_up()),
            duplex: port.duplex(),
            link_changes,
            sent,
        }
    }
}

fn state_of_link(link: Option<&Link>, is_up: bool) -> State {
    match link {
        _ if is_up => State::Up,
        Some(link) if !link.is_admin_up() => State::SetDown,
        _ => State::NoCarrier,
    }
}

fn state_of_port(team: &TeamHandle, port: &Port) -> State {
    let ifindex = port.ifindex();
    let state = state_of_link(team.link(ifindex), port.is_link_up());
    let enabled = team.port_enabled(ifindex).unwrap_or(true);
    let [receives, sends] = [team.port_rx_enabled(ifindex), team.port_tx_enabled(ifindex)]
        .map(|half| half.unwrap_or(enabled));
    match (state, receives, sends) {
        (State::Up, false, false) => State::Disabled,
        (State::Up, true, false) => State::ReceivesOnly,
        (State::Up, false, true) => State::SendsOnly,
        (State::Up, true, true) if team.active_port() == Some(ifindex) => State::Active,
        _ => state,
    }
}
