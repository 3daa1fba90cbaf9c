//! A failover of a team under traffic, then the recovery of a handle from lost notifications.
//!
//! ```sh
//! cargo run --example failover
//! ```
//!
//! A team in the mode `activebackup` gets two ports, each a veth pair, and sends a numbered packet
//! every millisecond to a peer behind them. Twice the far end of the active port is set down, and a
//! change handler moves the traffic to the other port. Then thousands of link notifications arrive
//! while the program reads none, until the kernel drops some. The next
//! [`TeamHandle::handle_events`] detects the loss and reads the state again; afterwards the cache
//! equals the output of `ip -j link`.
//!
//! Everything happens in network namespaces that end with the program. The exit status is 0 only if
//! each of these steps was observed.
//!
//! This file has the part that uses libteam. `network` and `ip` create namespaces and links,
//! `traffic` sends and counts, `flood` makes the kernel drop notifications, `cache_check` compares
//! the cache with `ip -j link`, `report` prints.

#[path = "../common/alone.rs"]
mod alone;
mod cache_check;
mod flood;
mod ip;
#[path = "../common/namespace.rs"]
mod namespace;
mod network;
#[path = "../common/print_line.rs"]
mod print_line;
mod report;
mod traffic;

use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use libteam::{BoxError, ChangeKind, IfIndex, Link, LinkScope, Mode, Port, TeamHandle};

use network::FarEnd;
use report::{Report, Summary};
use traffic::Traffic;

/// The result of a step of the example.
type Result<T, E = BoxError> = std::result::Result<T, E>;

/// How long the traffic is observed after each step.
const WATCH: Duration = Duration::from_secs(1);
/// The limit of every wait. The kernel and the handler need milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);

const HELP: &str = "\
Usage: failover

Shows a team in the mode activebackup that moves its traffic to another port when the active port loses its link, and
a handle that recovers from lost notifications. Creates the team in a network namespace of its own. The exit status is
0 only if every step was observed.

  -h, --help  this help
";

fn main() -> ExitCode {
    alone::main("failover", HELP, || {
        report::summary(&run(Report::start())?);
        Ok(ExitCode::SUCCESS)
    })
}

fn run(report: Report) -> Result<Summary> {
    namespace::enter_new_namespace()?;

    report::title("a team over two veth pairs");
    // By default the kernel filters other links, and a flood of them could not fill the buffer.
    let mut team = TeamHandle::builder().link_scope(LinkScope::All).create("team0")?;
    team.set_mode(Mode::ActiveBackup)?;
    team.add_handler(ChangeKind::all(), move |team, changes| {
        report.changes(team, changes);
        Ok(())
    });
    let switches = keep_a_live_port_active(&mut team);
    let mut far_ends = connect(&mut team)?;
    // The far end of the active port first.
    far_ends.sort_by_key(|far_end| Some(far_end.port()) != team.active_port());

    report::title("steady traffic");
    let mut traffic = Traffic::start(&far_ends)?;
    watch(&mut team, &mut traffic, report)?;
    for far_end in &mut far_ends {
        report::title(&format!("the far end of {} is set down", far_end.port_name()));
        fail_over(&mut team, far_end, &mut traffic, &switches, report)?;
        report::title(&format!("the far end of {} is set up again", far_end.port_name()));
        restore(&mut team, far_end)?;
    }
    let delivery = traffic.stop()?;
    report.line("traffic", &delivery.to_string());
    delivery.check(far_ends.len())?;

    report::title("a flood of notifications that the handle does not read");
    let flood = flood::survive(&mut team, report)?;

    team.destroy()?;
    far_ends.into_iter().try_for_each(FarEnd::close)?;
    Ok(Summary { delivery, flood })
}

/// A change of the active port by the handler.
struct Switch {
    to: IfIndex,
    /// When the handler was called.
    noticed: Instant,
    /// When the kernel had set the other port.
    done: Instant,
}

/// Adds the handler that the example is about: after each change of a port it makes sure that the
/// active port has a link.
///
/// It runs before the handler that prints, because its work is urgent.
fn keep_a_live_port_active(team: &mut TeamHandle) -> Receiver<Switch> {
    let (switches, receiver) = mpsc::channel();
    team.add_handler_first(ChangeKind::PORT, move |team, _changes| {
        activate_live_port(team, &switches)
    });
    receiver
}

fn activate_live_port(team: &mut TeamHandle, switches: &Sender<Switch>) -> Result<()> {
    let noticed = Instant::now();
    let active = team.active_port().and_then(|active| team.port(active));
    if active.is_some_and(Port::is_link_up) {
        return Ok(());
    }
    let live = team.ports().find(|port| port.is_link_up()).map(Port::ifindex);
    if let Some(to) = live {
        team.set_active_port(to)?;
        switches.send(Switch { to, noticed, done: Instant::now() })?;
    }
    Ok(())
}

/// Gives the team two ports and an address, and waits until it can send.
fn connect(team: &mut TeamHandle) -> Result<Vec<FarEnd>> {
    let mut far_ends = Vec::new();
    for port_name in ["port1", "port2"] {
        let far_end = FarEnd::create(team, port_name)?;
        team.add_port(far_end.port())?;
        far_ends.push(far_end);
    }
    network::configure(team.name())?;
    follow_until(team, "the team and its ports to be up", |team| {
        let has_carrier = team.team_link().is_some_and(Link::has_carrier);
        has_carrier && team.active_port().is_some() && team.ports().all(Port::is_link_up)
    })?;
    Ok(far_ends)
}

/// Removes the carrier of the active port, and checks that the handler and the traffic move to the
/// other port.
fn fail_over(
    team: &mut TeamHandle,
    far_end: &mut FarEnd,
    traffic: &mut Traffic,
    switches: &Receiver<Switch>,
    report: Report,
) -> Result<()> {
    let cut = far_end.port();
    ensure(team.active_port() == Some(cut), || {
        format!("{} is not the active port", far_end.port_name())
    })?;
    // Discards what belongs to earlier steps.
    switches.try_iter().for_each(drop);

    far_end.set("down")?;
    follow_until(team, "the port to lose its carrier and the team to leave it", |team| {
        let has_carrier = team.link(cut).is_none_or(Link::has_carrier);
        let is_up = team.port(cut).is_none_or(Port::is_link_up);
        !has_carrier && !is_up && team.active_port() != Some(cut)
    })?;
    let switch = switches
        .try_recv()
        .map_err(|_| "the active port changed, but not by the change handler")?;
    watch(team, traffic, report)?;

    let failover = traffic.last_failover()?;
    report.failover(team, &failover, switch.done - switch.noticed);
    let seen = (failover.from, failover.to);
    ensure(seen == (cut, switch.to), || {
        "the traffic moved between other ports than those of the handler".to_owned()
    })
}

/// Restores the carrier of a port, which alone must not move the traffic.
fn restore(team: &mut TeamHandle, far_end: &mut FarEnd) -> Result<()> {
    let active = team.active_port();
    far_end.set("up")?;
    follow_until(team, "the port to be up again", |team| {
        let has_carrier = team.link(far_end.port()).is_some_and(Link::has_carrier);
        has_carrier && team.port(far_end.port()).is_some_and(Port::is_link_up)
    })?;
    ensure(team.active_port() == active, || {
        "the active port changed although its link was up".to_owned()
    })
}

/// Handles events for a second, and checks that the traffic arrives over the active port.
fn watch(team: &mut TeamHandle, traffic: &mut Traffic, report: Report) -> Result<()> {
    follow(team, WATCH)?;
    let active = team.active_port().ok_or("there is no active port")?;
    let packets = traffic.flow_over(active)?;
    report.flow(team, active, packets);
    Ok(())
}

/// Handles events for a duration.
fn follow(team: &mut TeamHandle, duration: Duration) -> Result<()> {
    let end = Instant::now() + duration;
    while let Some(left) = time_until(end) {
        handle_events_within(team, left)?;
    }
    Ok(())
}

/// Handles events until the condition holds.
fn follow_until(
    team: &mut TeamHandle,
    what: &str,
    holds: impl Fn(&TeamHandle) -> bool,
) -> Result<()> {
    let end = Instant::now() + TIMEOUT;
    while !holds(team) {
        let left = time_until(end)
            .ok_or_else(|| format!("timeout after {TIMEOUT:?}, waiting for {what}"))?;
        handle_events_within(team, left)?;
    }
    // The next call reports what a handler's command changed.
    handle_events_within(team, Duration::ZERO)
}

fn handle_events_within(team: &mut TeamHandle, limit: Duration) -> Result<()> {
    if team.wait(Some(limit))? {
        let changes = team.handle_events()?;
        ensure(!changes.is_resynced(), || "notifications were lost before the flood".to_owned())?;
    }
    Ok(())
}

fn time_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Returns an error unless the condition holds.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
