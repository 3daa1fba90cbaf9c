//! A daemon that keeps a team in the mode `activebackup`: the kernel sends over one port, and this
//! program chooses which.
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
//! It runs until SIGTERM, SIGINT or SIGQUIT. `--status` asks the one that runs; `--json` is for
//! programs.
//!
//! The configuration is a part of `teamd.conf(5)`; what is not listed here is an error, and so is a
//! key that is given twice. A list of link watchers is not supported, and names have at most 15
//! bytes, as those of links have.
//!
//! ```json
//! {
//!     "device": "team0",
//!     "hwaddr": "02:00:00:00:00:01",
//!     "runner": { "name": "activebackup", "hwaddr_policy": "same_all" },
//!     "notify_peers": { "count": 3, "interval": 100 },
//!     "link_watch": { "name": "ethtool", "delay_up": 2500, "delay_down": 0 },
//!     "ports": {
//!         "eth1": { "prio": 100, "sticky": true, "queue_id": 1 },
//!         "eth2": { "link_watch": { "name": "ethtool", "delay_up": 500 } }
//!     }
//! }
//! ```
//!
//! - The best port that is up is active: the highest `prio`, then the highest speed, then full
//!   duplex, then the one that is active already. A `sticky` port stays active as long as it is up.
//!   The port that is active is enabled.
//! - A port counts as up when it had a link for `delay_up` milliseconds, as down when it had none
//!   for `delay_down`. Only the port that is active already when the daemon takes it over counts as
//!   up at once.
//! - A port that cannot be enabled, made active or, where the policy requires it, given the team's
//!   address is passed over for the next best. It is tried again after 1 second, then 2, 4 and so
//!   on, at most a minute, and when no other is left.
//! - `same_all` gives all ports the team's hardware address, `by_active` gives the team that of the
//!   active port, `only_active` gives the active port the team's, and the others their own.
//! - Another active port is announced at once to the neighbours, VLANs on top of the team included,
//!   and again every `interval` milliseconds until it was done `count` times; so is one that is up
//!   again after none was.
//! - A link with the name of a port, be it an alternative name, is made one as soon as it is there
//!   and has no other master. A port that is renamed stays one until another link takes its name. A
//!   link that is configured under several of its names is one port, under its interface name if
//!   that is among them. Ports that are not configured are let be, and not chosen.
//! - A link that is up is set down to be made a port, as the driver requires. If the driver refuses
//!   the link, it is set up again, and that is not repeated before the link, the team, or a link
//!   above or below the link has changed. A refused link that is down is tried again with the
//!   delays above; after such a change, as soon as a second has passed.
//! - The team is created unless it is there, put into its mode, and set up. One that this program
//!   created and somebody deletes it creates again, after a second in which somebody else may; for
//!   one that was there it waits, and so does a daemon that was killed and started again. Its IP
//!   addresses are somebody else's.
//! - At the end a team that this program created is deleted, and its ports are what they were, set
//!   down; `--keep` keeps it. A team that was there before stays as it is: its traffic goes on.
//! - SIGHUP is ignored, as teamd ignores it: another configuration needs a restart, which leaves
//!   the traffic where it is with `--keep`.
//! - Only one daemon uses a socket: it holds a lock (`flock(2)`) on the file that has the socket's
//!   name and `.lock`, which stays when it ends.
//!
//! To link this into a daemon of your own: `daemon` is the loop and the only place that waits,
//! `team` the decisions, `members` which links are ports, `refusals` those that cannot be, `retry`
//! when to try again, `watch` the delays, `hwaddr` the addresses, `announcer` the repetitions,
//! `status` and `server` what others may ask, `signals` how it is ended, `config`, `object` and
//! `names` what is configured.

mod announcer;
mod config;
mod daemon;
mod hwaddr;
mod members;
mod names;
mod object;
mod refusals;
mod retry;
mod say;
mod server;
mod signals;
mod status;
mod team;
mod watch;

#[path = "../common/driver.rs"]
mod driver;
#[path = "../common/ending.rs"]
mod ending;
#[path = "../common/nobody_reads.rs"]
mod nobody_reads;

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

Keeps a team in the mode activebackup, as the file CONFIG says, until SIGTERM or SIGINT.

      --keep         leave the team as it is at the end, also if this program created it
      --status       print the state of the one that runs with this file
      --json         print it as JSON
      --socket PATH  where it answers; /run/active_backup.DEVICE.sock by default
  -h, --help         this help
";

/// What the command line says.
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

/// Returns `None` if the command line asks for help.
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
    arguments.config = config.ok_or("no configuration is named")?;
    match arguments {
        Arguments { status: true, keep: true, .. } => {
            Err("--keep does not go with --status".into())
        }
        Arguments { status: false, json: true, .. } => Err("--json goes with --status only".into()),
        arguments => Ok(Some(arguments)),
    }
}
