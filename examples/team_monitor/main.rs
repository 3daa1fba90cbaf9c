//! Lists a team's ports, or its options, whenever one of them changes. With `--live` it shows the
//! team on the whole screen instead, for as long as it is watched.
//!
//! ```sh
//! cargo build --example team_monitor
//! tests/kernel/run unshare -n bash -c '
//!     ip link add eth1 type dummy && ip link add team0 type team && (sleep 1; ip link set eth1 master team0) &
//!     sleep 0.5; timeout --preserve-status -s INT 3 target/debug/examples/team_monitor team0'
//! ```
//!
//! This shows the live screen of a team that it makes itself, in a terminal:
//!
//! ```sh
//! cargo run --example team_monitor -- --demo
//! ```
//!
//! `lines` is the list, `live` the screen, `demo` the team that `--demo` makes. Where standard
//! output is not a terminal, there are lines in any case.

mod demo;
#[path = "../common/driver.rs"]
mod driver;
#[path = "../common/ending.rs"]
mod ending;
#[path = "../common/interrupt.rs"]
mod interrupt;
mod lines;
mod live;
#[path = "../common/namespace.rs"]
mod namespace;
#[path = "../common/nobody_reads.rs"]
mod nobody_reads;

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use libteam::BoxError;

const HELP: &str = "\
Usage: team_monitor [--live] TEAMDEV
       team_monitor --demo

Lists the ports of a team, or its options, whenever one of them changes. Ctrl-C ends it.

      --live  show the team on the whole screen instead
      --demo  show it so for a team that this program makes, in a network namespace of its own
  -h, --help  this help

The keys of the whole screen:

  q, Ctrl-C         quit
  Ctrl-Z            stop; fg continues
  Up, Down, k, j    scroll by one port
  PageUp, PageDown  scroll by one screen; so does the space bar
  Home, End, g, G   go to the first port, or to the last
";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ending::help(HELP),
        Err(misuse) => return ending::misuse("team_monitor", misuse, HELP),
    };
    monitor(&arguments).unwrap_or_else(|error| ending::failure("", &*error))
}

fn monitor(arguments: &Arguments) -> Result<ExitCode, BoxError> {
    if arguments.is_demo {
        demo::start()?;
    }
    if arguments.is_live {
        if stdout().is_terminal() {
            return live::run(&arguments.team);
        }
        drop(writeln!(
            stderr(),
            "team_monitor: standard output is not a terminal, so this prints lines instead of the live screen"
        ));
    }
    lines::run(&arguments.team)?;
    Ok(ExitCode::SUCCESS)
}

struct Arguments {
    is_live: bool,
    is_demo: bool,
    team: OsString,
}

impl Arguments {
    /// Returns `None` if the command line asks for help.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let (mut is_live, mut is_demo, mut team) = (false, false, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("live") => is_live = true,
                Long("demo") => is_demo = true,
                Value(name) if team.is_none() => team = Some(name),
                other => return Err(other.unexpected()),
            }
        }
        let team = match team {
            Some(name) if is_demo => return Err(Value(name).unexpected()),
            None if is_demo => demo::TEAM.into(),
            team => team.ok_or("no team device is named")?,
        };
        Ok(Some(Self { is_live: is_live || is_demo, is_demo, team }))
    }
}
