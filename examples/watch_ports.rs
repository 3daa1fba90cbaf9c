//! Prints the ports of a team, then each port whose link goes up or down, until a port is removed.
//! The guide shows `watch_ports/watch.rs` next to the same program in C.
//!
//! ```sh
//! cargo build --example watch_ports
//! tests/kernel/run unshare -n bash -c '
//!     ip link add eth1 type veth peer far1 && ip link set far1 up
//!     ip link add team0 type team && ip link set eth1 master team0
//!     (sleep 1; ip link set far1 down; sleep 1; ip link set eth1 nomaster) &
//!     target/debug/examples/watch_ports team0'
//! ```

#[path = "common/closed_output.rs"]
mod closed_output;
#[path = "common/driver.rs"]
mod driver;
#[path = "common/ending.rs"]
mod ending;
#[path = "watch_ports/watch.rs"]
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

const HELP: &str = "\
Usage: watch_ports TEAM

Prints the ports of a team, then each port whose link goes up or down, until a port is removed.

  -h, --help  this help
";

fn main() -> ExitCode {
    let team = match parse(lexopt::Parser::from_env()) {
        Ok(Some(team)) => team,
        Ok(None) => return ending::help(HELP),
        Err(misuse) => return ending::misuse("watch_ports", misuse, HELP),
    };
    match watch::watch(&team) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::failure("watch_ports: ", &*error),
    }
}

/// Returns the name of the team, or `None` if the help is requested.
fn parse(mut parser: lexopt::Parser) -> Result<Option<OsString>, lexopt::Error> {
    let mut team = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Value(name) if team.is_none() => team = Some(name),
            other => return Err(other.unexpected()),
        }
    }
    team.map(Some).ok_or_else(|| "missing argument TEAM".into())
}
