//! Prints a line for each change, with the time since the start.

use std::fmt;
use std::time::{Duration, Instant};

use libteam::{Change, Changes, IfIndex, Link, Mode, OptionValue, Port, TeamHandle, TeamOption};

use crate::flood::Flood;
use crate::print_line::print_line;
use crate::traffic::{Delivery, Failover};

/// The number of changes that are printed after a resync.
const MAX_LINES: usize = 6;

/// Prints lines with the time since the start.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    started: Instant,
}

/// The results of the whole program.
pub(crate) struct Summary {
    pub(crate) delivery: Delivery,
    pub(crate) flood: Flood,
}

/// A change, as text.
struct Line {
    what: String,
    from: String,
    to: String,
}

/// Prints the title of a step.
pub(crate) fn title(text: &str) {
    print_line(format_args!("\n{text}"));
}

/// Prints the last line.
pub(crate) fn summary(summary: &Summary) {
    print_line(format_args!("\n{summary}"));
}

impl Report {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Prints a line that is not a change.
    pub(crate) fn line(self, what: &str, text: &str) {
        print_line(format_args!(
            "{:>8.3}  {what:<36}  {text}",
            self.started.elapsed().as_secs_f64()
        ));
    }

    /// Prints each change of a batch.
    pub(crate) fn changes(self, team: &TeamHandle, changes: &Changes) {
        let ports = changes.ports().map(port_line);
        let options = changes.options().filter_map(|option| option_line(team, option));
        let links = changes.links().flat_map(|link| link_lines(team, link));
        let all: Vec<Line> = ports.chain(options).chain(links).collect();
        if changes.is_resynced() {
            self.line(
                "resync",
                &format!("the handle read the state again and found {} changes", all.len()),
            );
        }
        let shown = if changes.is_resynced() { MAX_LINES } else { all.len() };
        for Line { what, from, to } in all.iter().take(shown) {
            self.line(what, &format!("{from} -> {to}"));
        }
        if all.len() > shown {
            self.line("", &format!("and {} more", all.len() - shown));
        }
    }

    /// Prints a failover.
    pub(crate) fn failover(self, team: &TeamHandle, failover: &Failover, set: Duration) {
        let route = format!("{} -> {}", name(team, failover.from), name(team, failover.to));
        self.line("failover", &format!("{route}, set {} after the event", milliseconds(set)));
        let Failover { time, lost, .. } = failover;
        self.line(
            "failover",
            &format!("the peer received again after {}, packets lost: {lost}", milliseconds(*time)),
        );
    }

    /// Prints the traffic over a port.
    pub(crate) fn flow(self, team: &TeamHandle, port: IfIndex, packets: usize) {
        self.line("traffic", &format!("{packets} packets over {}", name(team, port)));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivery, flood } = self;
        let times: Vec<String> =
            delivery.failovers.iter().map(|failover| milliseconds(failover.time)).collect();
        write!(
            f,
            "failover in {}, {} of {} packets lost, {} notifications lost and resynced, links {} -> {}: cache equals ip -j link",
            times.join(" and "),
            delivery.lost,
            delivery.sent,
            flood.lost,
            flood.links_before,
            flood.links_after
        )
    }
}

fn port_line(change: &Change<Port>) -> Line {
    let port = change.latest();
    let what =
        format!("port {}", port.name().map_or_else(|| port.ifindex().to_string(), str::to_owned));
    let text = |port: &Port| if port.is_link_up() { "up" } else { "down" }.to_owned();
    line(what, change, text)
}

/// Returns a line for an option whose value changed. Options that are added or removed with a mode
/// or a port have no line, except the active port.
fn option_line(team: &TeamHandle, change: &Change<TeamOption>) -> Option<Line> {
    let id = change.latest().id();
    let is_active_port = id.name == "activeport";
    if !is_active_port && (change.is_added() || change.is_removed()) {
        return None;
    }
    let what = match (&*id.name, id.port) {
        ("activeport", _) => "active port".to_owned(),
        (other, Some(port)) => format!("{} of {}", other.replace('_', " "), name(team, port)),
        (other, None) => other.replace('_', " "),
    };
    let line = line(what, change, |option| match option.value() {
        OptionValue::U32(index) if is_active_port => {
            IfIndex::new(*index).map_or_else(none, |port| name(team, port))
        }
        OptionValue::String(mode) if Mode::from_kernel_name(mode) == Mode::Unset => none(),
        value => value.to_string(),
    });
    Some(line).filter(|line| line.from != line.to)
}

/// A line for each field that changed, or one for a link that is new or gone.
fn link_lines(team: &TeamHandle, change: &Change<Link>) -> Vec<Line> {
    let what = format!("link {}", change.before().unwrap_or(change.latest()).name());
    let (Some(before), Some(after)) = (change.before(), change.after()) else {
        return vec![line(what, change, |link| {
            let [_, fields @ ..] = link_fields(team, link);
            fields.map(|(field, value)| format!("{field} {value}")).join(", ")
        })];
    };
    let fields = link_fields(team, before).into_iter().zip(link_fields(team, after));
    fields
        .filter(|((_, from), (_, to))| from != to)
        .map(|((field, from), (_, to))| Line { what: format!("{what} {field}"), from, to })
        .collect()
}

fn link_fields(team: &TeamHandle, link: &Link) -> [(&'static str, String); 6] {
    let state = |is_on: bool, [on, off]: [&str; 2]| if is_on { on } else { off }.to_owned();
    [
        ("name", link.name().to_owned()),
        ("address", link.hwaddr().map_or_else(none, |address| address.to_string())),
        ("master", link.master().map_or_else(none, |master| name(team, master))),
        ("MTU", link.mtu().to_string()),
        ("set", state(link.is_admin_up(), ["up", "down"])),
        ("carrier", state(link.has_carrier(), ["on", "off"])),
    ]
}

/// Returns the line of a change that is printed as a whole.
fn line<T>(what: String, change: &Change<T>, text: impl Fn(&T) -> String) -> Line {
    let side = |side: Option<&T>| side.map_or_else(none, &text);
    Line { what, from: side(change.before()), to: side(change.after()) }
}

/// The text for a missing value.
fn none() -> String {
    "none".to_owned()
}

fn name(team: &TeamHandle, ifindex: IfIndex) -> String {
    team.link(ifindex).map_or_else(|| ifindex.to_string(), |link| link.name().to_owned())
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
