//! Shows the ports of a team, and shows and sets its mode and active port.
//!
//! ```sh
//! cargo build --example team_manual_control
//! tests/kernel/run unshare -n bash -c '
//!     ip link add eth1 type dummy && ip link add team0 type team && tool=target/debug/examples/team_manual_control
//!     "$tool" team0 set mode activebackup && ip link set eth1 master team0
//!     "$tool" team0 set activeport eth1 && "$tool" team0 get activeport'
//! ```

#[path = "common/closed_output.rs"]
mod closed_output;
#[path = "common/driver.rs"]
mod driver;
#[path = "common/ending.rs"]
mod ending;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{Write, stdout};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use libteam::{BoxError, Duplex, Mode, OptionId, TeamHandle};

type Result<T, E = BoxError> = std::result::Result<T, E>;

const HELP: &str = "\
Usage: team_manual_control help
       team_manual_control TEAMDEV dumplist { ports }
       team_manual_control TEAMDEV get { mode | activeport }
       team_manual_control TEAMDEV set { mode | activeport } value

Shows the ports of a team, and shows and sets its mode and its active port.

  -h, --help  this help
";

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let misuse = |reason: String| ending::misuse("team_manual_control", reason, HELP);
    // Only the names of the team and of a port can be other bytes than UTF-8.
    let texts: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let done = match (&words[..], &texts[..]) {
        (_, [.., "-h" | "--help"] | ["-h" | "--help" | "help", ..]) => return ending::help(HELP),
        (_, [option, ..]) if option.starts_with('-') => {
            return misuse(format!("unknown option {option}"));
        }
        ([team, ..], [_, "dumplist", "ports", ..]) => print_ports(team),
        ([team, ..], [_, "get", "mode", ..]) => print_mode(team),
        ([team, ..], [_, "get", "activeport", ..]) => print_active_port(team),
        ([team, ..], [_, "set", "mode", mode, ..]) => set_mode(team, mode),
        ([team, _, _, port, ..], [_, "set", "activeport", ..]) => set_active_port(team, port),
        (_, [_, "set", "mode" | "activeport"]) => {
            return misuse("missing argument value".to_owned());
        }
        (_, [] | [_] | [_, "dumplist" | "get" | "set"]) => {
            return misuse("missing argument".to_owned());
        }
        (_, [_, "dumplist" | "get" | "set", word, ..] | [_, word, ..]) => {
            return misuse(format!("unknown argument {word}"));
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::failure("", &*error),
    }
}

fn print_ports(team: &OsStr) -> Result<()> {
    for port in TeamHandle::open(team)?.ports().rev() {
        stdout().write_all(b"ifname ")?;
        stdout().write_all(port.name_os().map_or(b"(removed)", OsStr::as_bytes))?;
        writeln!(
            stdout(),
            ", linkup {}, changed 0, speed {}, duplex {}",
            u8::from(port.is_link_up()),
            port.speed_mbps().unwrap_or(0),
            u8::from(port.duplex() == Duplex::Full),
        )?;
    }
    Ok(())
}

fn print_mode(team: &OsStr) -> Result<()> {
    let team = TeamHandle::open(team)?;
    Ok(writeln!(stdout(), "{}", team.mode().unwrap_or(Mode::Unset))?)
}

fn print_active_port(team: &OsStr) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let id = OptionId::global("activeport");
    if team.option(&id).is_none() {
        return Err(format!("reading option {id} of {}: no such option", team.name()).into());
    }
    let Some(active) = team.active_port() else { return Ok(writeln!(stdout(), "NONE")?) };
    let name = match team.link(active) {
        Some(link) => link.name_os().to_owned(),
        None => team.lookup_ifname(active)?.into(),
    };
    Ok(stdout().write_all(&[name.as_bytes(), b"\n"].concat())?)
}

fn set_mode(team: &OsStr, mode: &str) -> Result<()> {
    Ok(TeamHandle::open(team)?.set_mode(Mode::from_kernel_name(mode))?)
}

fn set_active_port(team: &OsStr, port: &OsStr) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let ifindex = team.lookup_ifindex(port)?;
    Ok(team.set_active_port(ifindex)?)
}
