//! A daemon that keeps a team in the mode `activebackup`: the kernel sends over one port, and this program chooses which.
//!
//! ```sh
//! cargo run --example active_backup -- team0.json            # until SIGTERM, SIGINT or SIGQUIT
//! cargo run --example active_backup -- --status team0.json   # asks the one that runs; --json for programs
//! ```
//!
//! The configuration is a part of `teamd.conf(5)`; what is not listed here is an error, and so is a key that is given
//! twice. A list of link watchers is not supported, and names have at most 15 bytes, as those of links have.
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
//! - The best port that is up is active: the highest `prio`, then the highest speed, then full duplex, then the one that
//!   is active already. A `sticky` port stays active as long as it is up. The port that is active is enabled.
//! - A port counts as up when it had a link for `delay_up` milliseconds, as down when it had none for `delay_down`. Only
//!   the port that is active already when the daemon takes it over counts as up at once.
//! - A port that cannot be enabled, made active or, where the policy requires it, given the team's address is passed over
//!   for the next best. It is tried again after 1 second, then 2, 4 and so on, at most a minute, and when no other is left.
//! - `same_all` gives all ports the team's hardware address, `by_active` gives the team that of the active port,
//!   `only_active` gives the active port the team's, and the others their own.
//! - Another active port is announced at once to the neighbours, VLANs on top of the team included, and again every
//!   `interval` milliseconds until it was done `count` times; so is one that is up again after none was.
//! - A link with the name of a port, be it an alternative name, is made one as soon as it is there and has no other
//!   master. A port that is renamed stays one until another link takes its name. A link that is configured under several
//!   of its names is one port, under its interface name if that is among them. Ports that are not configured are let be,
//!   and not chosen.
//! - A link that is up is set down to be made a port, as the driver requires. If the driver refuses the link, it is set up
//!   again, and that is not repeated before the link, the team, or a link above or below the link has changed. A refused
//!   link that is down is tried again with the delays above; after such a change, as soon as a second has passed.
//! - The team is created unless it is there, put into its mode, and set up. One that this program created and somebody
//!   deletes it creates again, after a second in which somebody else may; for one that was there it waits, and so does a
//!   daemon that was killed and started again. Its IP addresses are somebody else's.
//! - At the end a team that this program created is deleted, and its ports are what they were, set down; `--keep` keeps
//!   it. A team that was there before stays as it is: its traffic goes on.
//! - SIGHUP is ignored, as teamd ignores it: another configuration needs a restart, which leaves the traffic where it is
//!   with `--keep`.
//! - Only one daemon uses a socket: it holds a lock (`flock(2)`) on the file that has the socket's name and `.lock`, which
//!   stays when it ends.
//!
//! To link this into a daemon of your own: `daemon` is the loop and the only place that waits, `team` the decisions,
//! `members` which links are ports, `refusals` those that cannot be, `retry` when to try again, `watch` the delays, `hwaddr`
//! the addresses, `announcer` the repetitions, `status` and `server` what others may ask, `signals` how it is ended,
//! `config`, `object` and `names` what is configured.

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

#[path = "../common/nobody_reads.rs"]
mod nobody_reads;
#[path = "../common/report.rs"]
mod report;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg::{Long, Value};
use libteam::BoxError;

use config::Config;
use nobody_reads::NOBODY_READS;
use report::Report;
use say::say;

type Result<T, E = BoxError> = std::result::Result<T, E>;

const USAGE: &str = "Usage: active_backup [--keep] [--socket PATH] CONFIG
       active_backup --status [--json] [--socket PATH] CONFIG
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
    let Some(arguments) = arguments() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
            _ => {
                say!("active_backup: {}", Report(&*error));
                ExitCode::FAILURE
            }
        },
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let socket = arguments.socket.clone();
    let socket = socket.unwrap_or_else(|| format!("/run/active_backup.{}.sock", config.device).into());
    if arguments.status {
        let text = status::ask(&socket, arguments.json)?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    daemon::run(&config, &socket, arguments.keep)
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments::default();
    let mut config = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().ok()? {
        match argument {
            Long("status") => arguments.status = true,
            Long("json") => arguments.json = true,
            Long("keep") => arguments.keep = true,
            Long("socket") => arguments.socket = Some(parser.value().ok()?.into()),
            Value(path) if config.is_none() => config = Some(path.into()),
            _ => return None,
        }
    }
    let is_clear = if arguments.status { !arguments.keep } else { !arguments.json };
    arguments.config = config?;
    is_clear.then_some(arguments)
}
