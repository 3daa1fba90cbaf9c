//! What the examples of event loops follow: teams, each with one port at the end of a cable that is
//! pulled.

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

/// Any error, with a sentence that says what was being done.
pub(crate) type Result<T, E = BoxError> = std::result::Result<T, E>;

/// What has to come comes within milliseconds; this is a machine that does not work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Runs an example, unless its command line asks for help or is wrong.
pub(crate) fn main(name: &str, summary: &str, run: impl FnOnce() -> Result<()>) -> ExitCode {
    let help = format!(
        "Usage: {name}\n\n{summary}\nMakes the teams itself, in a network namespace of its own. The status is 0 if each \
         change arrived.\n\n  -h, --help  this help\n"
    );
    alone::main(name, &help, || run().map(|()| ExitCode::SUCCESS))
}

/// Has one team followed, then three, while their plugs are pulled.
#[allow(dead_code, reason = "the example of threads has one team only")]
pub(crate) fn play(follow: impl Fn(Vec<TeamHandle>) -> Result<()>) -> Result<()> {
    enter_new_namespace()?;
    for names in [&["one"][..], &["first", "second", "third"]] {
        let (teams, cables) = teams(names)?;
        cables.pull_soon();
        follow(teams)?;
    }
    Ok(())
}

/// The far ends of the cables.
pub(crate) struct Cables {
    rtnl: RtnlSocket,
    far_ends: Vec<IfIndex>,
}

/// Makes teams of these names. Each has a port that is up.
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

    /// Pulls one plug after the other, on another thread, and not before the caller had time to
    /// wait for it.
    pub(crate) fn pull_soon(mut self) {
        thread::spawn(move || {
            for far_end in self.far_ends {
                thread::sleep(Duration::from_millis(50));
                if let Err(error) = self.rtnl.set_link(far_end, &LinkSettings::new().down()) {
                    eprintln!("the plug stays where it is: {error}");
                }
            }
        });
    }
}

fn wait_until_up(team: &mut TeamHandle, port: IfIndex) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !team.port(port).is_some_and(Port::is_link_up) {
        let left = deadline.saturating_duration_since(Instant::now());
        if !team.wait(Some(left))? && left.is_zero() {
            return Err(format!("the port of {} never comes up", team.name()).into());
        }
        team.handle_events()?;
    }
    Ok(())
}

/// Prints what changed of a team's ports. True if one lost its link: then the example has seen what
/// it waits for.
pub(crate) fn lost_its_link(team: &TeamHandle, changes: &Changes) -> bool {
    for port in changes.ports() {
        print_line(format_args!("{}: {port}", team.name()));
    }
    changes.ports().any(|change| change.after().is_some_and(|port| !port.is_link_up()))
}

/// How an example fails.
pub(crate) fn nothing_came() -> BoxError {
    format!("a port lost its link, and in {PATIENCE:?} nobody was told").into()
}
