//! The teams that the examples of event loops follow: each has one port, a veth whose far end is
//! set down after a moment.

#[path = "../common/alone.rs"]
mod alone;
#[path = "../common/namespace.rs"]
mod namespace;
#[path = "../common/print_line.rs"]
mod print_line;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{BoxError, Changes, IfIndex, LinkSettings, Mode, Port, TeamHandle};

pub(crate) use namespace::enter_new_namespace;
pub(crate) use print_line::print_line;

/// The result of a step of the example.
pub(crate) type Result<T, E = BoxError> = std::result::Result<T, E>;

/// The limit of every wait. The events arrive within milliseconds.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs an example, or prints the help or what is wrong with the command line.
pub(crate) fn main(name: &str, summary: &str, run: impl FnOnce() -> Result<()>) -> ExitCode {
    let help = format!(
        "Usage: {name}\n\n{summary}\nCreates the teams in a network namespace of its own. The exit status is 0 if every \
         change was received.\n\n  -h, --help  this help\n"
    );
    alone::main(name, &help, || run().map(|()| ExitCode::SUCCESS))
}

/// Runs `follow` with one team, then with three, and sets the far ends of their ports down.
#[allow(dead_code, reason = "the example with threads has one team only")]
pub(crate) fn play(follow: impl Fn(Vec<TeamHandle>) -> Result<()>) -> Result<()> {
    enter_new_namespace()?;
    for names in [&["one"][..], &["first", "second", "third"]] {
        let (teams, cables) = teams(names)?;
        cables.pull_soon();
        follow(teams)?;
    }
    Ok(())
}

/// The far ends of the veth pairs.
pub(crate) struct Cables {
    rtnl: RtnlSocket,
    far_ends: Vec<IfIndex>,
}

/// Creates teams with these names. Each has a port that is up.
pub(crate) fn teams(names: &[&str]) -> Result<(Vec<TeamHandle>, Cables)> {
    let mut cables = Cables { rtnl: RtnlSocket::new()?, far_ends: Vec::new() };
    let teams = names.iter().map(|name| cables.team(name)).collect::<Result<_>>()?;
    Ok((teams, cables))
}

impl Cables {
    fn team(&mut self, name: &str) -> Result<TeamHandle> {
        let mut team = TeamHandle::create(name)?;
        team.set_mode(Mode::ActiveBackup)?;
        let [near_end, far_end] = ["port", "peer"].map(|end| format!("{name}-{end}"));
        let port = self.rtnl.create_link(&NewLink::veth(&near_end, &far_end))?;
        team.add_port(port)?;
        let far_end = self.rtnl.link_by_name(&far_end)?.ifindex();
        self.rtnl.set_link(far_end, &LinkSettings::new().up())?;
        self.far_ends.push(far_end);
        wait_until_up(&mut team, port)?;
        Ok(team)
    }

    /// Sets one far end after the other down, on another thread. The first one after a pause, so
    /// that the caller waits by then.
    pub(crate) fn pull_soon(mut self) {
        thread::spawn(move || {
            for far_end in self.far_ends {
                thread::sleep(Duration::from_millis(50));
                if let Err(error) = self.rtnl.set_link(far_end, &LinkSettings::new().down()) {
                    eprintln!("setting the far end down: {error}");
                }
            }
        });
    }
}

fn wait_until_up(team: &mut TeamHandle, port: IfIndex) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !team.port(port).is_some_and(Port::is_link_up) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if !team.wait(Some(remaining))? && remaining.is_zero() {
            return Err(
                format!("the port of {} is still down after {TIMEOUT:?}", team.name()).into()
            );
        }
        team.handle_events()?;
    }
    Ok(())
}

/// Prints the changes of a team's ports. Returns true if a port lost its link, which is what the
/// example waits for.
pub(crate) fn lost_its_link(team: &TeamHandle, changes: &Changes) -> bool {
    for port in changes.ports() {
        print_line(format_args!("{}: {port}", team.name()));
    }
    changes.ports().any(|change| change.after().is_some_and(|port| !port.is_link_up()))
}

/// Returns the error of an example that received no change.
pub(crate) fn no_change() -> BoxError {
    format!("no change was received within {TIMEOUT:?} after a port lost its link").into()
}
