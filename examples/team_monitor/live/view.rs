//! What there is to see of a team, without the team.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use libteam::{Changes, Duplex, IfIndex, Link, Port, TeamHandle};

use super::meter::Meter;
use super::news::{News, Tone};

#[derive(Debug, Default)]
pub(crate) struct View {
    /// As text.
    pub(crate) name: String,
    pub(crate) os_name: OsString,
    pub(crate) mode: String,
    pub(crate) hwaddr: String,
    pub(crate) mtu: u32,
    pub(crate) state: State,
    pub(crate) active: Option<IfIndex>,
    pub(crate) ports: Vec<Row>,
    /// How often the driver counts what each port sent; `None` where it does not know that.
    pub(crate) counts_every: Option<Duration>,
    pub(crate) news: News,
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
    /// Bytes; `None` while they are not counted.
    pub(crate) sent: Option<Meter>,
}

/// Of a port, or of the team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// Up, and the one that is used.
    Active,
    /// It has a link that the team does not use, or in one direction only.
    Disabled,
    ReceivesOnly,
    SendsOnly,
    #[default]
    NoCarrier,
    SetDown,
}

impl View {
    /// The name by which the team is found again.
    pub(crate) fn os_name(&self) -> &OsStr {
        &self.os_name
    }

    /// Takes over what a handle knows.
    pub(crate) fn look(&mut self, team: &TeamHandle, now: Instant) {
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
            self.ports.push(Row::look(team, port, known, now));
        }
    }

    /// Notes what changed.
    pub(crate) fn hear(&mut self, changes: &Changes, team: &TeamHandle, now: Instant) {
        self.news.hear(changes, team, now);
    }

    /// The team is gone. What was known of it last stays.
    pub(crate) fn lose(&mut self, now: Instant) {
        self.news.tell(now, Tone::Bad, format!("{} is gone", self.name));
        self.gone_since = Some(now);
    }

    /// There is a team of its name again.
    pub(crate) fn find(&mut self, team: &TeamHandle, now: Instant) {
        self.news.tell(now, Tone::Good, format!("{} is there again", self.name));
        self.gone_since = None;
        self.ports.clear();
        self.look(team, now);
    }
}

impl Row {
    fn look(team: &TeamHandle, port: &Port, known: Option<Self>, now: Instant) -> Self {
        let ifindex = port.ifindex();
        let link = team.link(ifindex);
        let (mut link_changes, sent) =
            known.map(|row| (row.link_changes, row.sent)).unwrap_or_default();
        link_changes.note(link.map_or(0, Link::carrier_changes).into(), now);
        let is_counted =
            team.lb_stats_refresh_interval().is_some_and(|interval| !interval.is_zero());
        let sent = team.lb_port_stats(ifindex).filter(|_| is_counted).map(|bytes| {
            let mut sent = sent.unwrap_or_default();
            sent.note(bytes, now);
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
