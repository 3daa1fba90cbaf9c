//! A daemon for teams in the mode `activebackup`: the kernel sends over the active port, and this
//! program chooses the active port.
//!
//! ```sh
//! cargo build --example active_backup
//! tests/kernel/run unshare -n bash -c '
//!     for eth in eth1 eth2; do ip link add "$eth" type veth peer "far-$eth" && ip link set "far-$eth" up; done
//!     config="{\"device\": \"team0\", \"runner\": {\"name\": \"activebackup\"}, \"ports\": {\"eth1\": {}, \"eth2\": {}}}"
//!     daemon="target/debug/examples/active_backup --socket /run/active_backup-example.sock"
//!     $daemon /dev/stdin <<<"$config" & sleep 2; ip link set far-eth1 down; sleep 1
//!     $daemon --status /dev/stdin <<<"$config"; kill %1; wait %1'
//! ```
//!
//! `README.md` in this directory describes the configuration and what the daemon does with it.
//!
//! To use the code in a daemon of your own: `daemon` is the loop, and the only place that waits;
//! `team` makes the decisions; `members` finds the links that become ports; `refusals` keeps the
//! links that the driver refused; `retry` delays retries; `watch` delays link states; `hwaddr` sets
//! hardware addresses; `announcer` repeats announcements; `status` and `server` answer status
//! requests; `signals` receives signals; `report` writes to standard error; `config`, `object` and
//! `names` parse the configuration.

mod announcer;
mod config;
mod daemon;
mod hwaddr;
mod members;
mod names;
mod object;
mod refusals;
mod report;
mod retry;
mod server;
mod signals;
mod status;
mod team;
mod watch;

#[path = "../common/closed_output.rs"]
mod closed_output;
#[path = "../common/driver.rs"]
mod driver;
#[path = "../common/ending.rs"]
mod ending;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg::{Long, Short, Value};
use libteam::BoxError;

use config::Config;

type Result<T, E = BoxError> = std::result::Result<T, E>;

const HELP: &str = "\
Usage: active_backup [--keep] [--socket PATH] CONFIG
       active_backup --status [--json] [--socket PATH] CONFIG

Keeps a team in the mode activebackup, as configured in the file CONFIG, until SIGTERM, SIGINT or SIGQUIT.

      --keep         do not delete the team at the end if this program created it
      --status       print the state of the running daemon
      --json         print the state as JSON
      --socket PATH  the socket of the daemon; /run/active_backup.DEVICE.sock by default
  -h, --help         this help
";

/// The command line.
#[derive(Debug, Default)]
struct Arguments {
    config: PathBuf,
    socket: Option<PathBuf>,
    keep: bool,
    status: bool,
    json: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ending::help(HELP),
        Err(misuse) => return ending::misuse("active_backup", misuse, HELP),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::failure("active_backup: ", &*error),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let socket = arguments.socket.clone();
    let socket =
        socket.unwrap_or_else(|| format!("/run/active_backup.{}.sock", config.device).into());
    if arguments.status {
        let text = status::ask(&socket, arguments.json)?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    daemon::run(&config, &socket, arguments.keep)
}

/// Returns `None` if the help is requested.
fn arguments(mut parser: lexopt::Parser) -> Result<Option<Arguments>, lexopt::Error> {
    let mut arguments = Arguments::default();
    let mut config = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("status") => arguments.status = true,
            Long("json") => arguments.json = true,
            Long("keep") => arguments.keep = true,
            Long("socket") => arguments.socket = Some(parser.value()?.into()),
            Value(path) if config.is_none() => config = Some(path.into()),
            other => return Err(other.unexpected()),
        }
    }
    arguments.config = config.ok_or("missing argument CONFIG")?;
    match arguments {
        Arguments { status: true, keep: true, .. } => {
            Err("--keep cannot be combined with --status".into())
        }
        Arguments { status: false, json: true, .. } => Err("--json requires --status".into()),
        arguments => Ok(Some(arguments)),
    }
}
