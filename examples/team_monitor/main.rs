//! Prints the ports of a team, or its options, whenever one of them changes. With `--live` it shows
//! the team on the whole screen instead, until the user quits.
//!
//! ```sh
//! cargo build --example team_monitor
//! tests/kernel/run unshare -n bash -c '
//!     ip link add eth1 type dummy && ip link add team0 type team && (sleep 1; ip link set eth1 master team0) &
//!     sleep 0.5; timeout --preserve-status -s INT 3 target/debug/examples/team_monitor team0'
//! ```
//!
//! In a terminal, this shows the whole screen for a team that the program creates:
//!
//! ```sh
//! cargo run --example team_monitor -- --demo
//! ```
//!
//! `lines` prints the lists, `live` draws the screen, `demo` creates the team of `--demo`. If
//! standard output is not a terminal, the program always prints lists.

#[path = "../common/closed_output.rs"]
mod closed_output;
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

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use libteam::BoxError;

const HELP: &str = "\
Usage: team_monitor [--live] TEAMDEV
       team_monitor --demo

Prints the ports of a team, or its options, whenever one of them changes, until Ctrl-C.

      --live  show the team on the whole screen instead
      --demo  the same for a team that this program creates, in a network namespace of its own
  -h, --help  this help

Keys of the whole screen:

  q, Ctrl-C         quit
  Ctrl-Z            suspend; fg continues
  Up, Down, k, j    scroll by one port
  PageUp, PageDown  scroll by one screen; Space is PageDown
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
            "team_monitor: standard output is not a terminal: printing lines instead of the live screen"
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
    /// Returns `None` if the help is requested.
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
            team => team.ok_or("missing argument TEAMDEV")?,
        };
        Ok(Some(Self { is_live: is_live || is_demo, is_demo, team }))
    }
}
