//! Shows and sets the mode and the active port of a team by hand.
//!
//! ```sh
//! cargo run --example team_manual_control -- team0 set activeport eth1
//! ```

#[path = "common/nobody_reads.rs"]
mod nobody_reads;
#[path = "common/report.rs"]
mod report;

use std::env;
use std::io::{self, ErrorKind, Write, stdout};
use std::process::ExitCode;

use libteam::{BoxError, Duplex, Error, Mode, OptionId, TeamHandle};

use nobody_reads::NOBODY_READS;
use report::Report;

type Result<T, E = BoxError> = std::result::Result<T, E>;

const USAGE: &str = "\
Usage: team_manual_control help
       team_manual_control TEAMDEV dumplist { ports }
       team_manual_control TEAMDEV get { mode | activeport }
       team_manual_control TEAMDEV set { mode | activeport } value";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [team, "dumplist", "ports", ..] => print_ports(team),
        [team, "get", "mode", ..] => print_mode(team),
        [team, "get", "activeport", ..] => print_active_port(team),
        [team, "set", "mode", mode, ..] => set_mode(team, mode),
        [team, "set", "activeport", port, ..] => set_active_port(team, port),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
            _ => {
                eprintln!("{}", Report(&*error));
                ExitCode::FAILURE
            }
        },
    }
}

fn print_ports(team: &str) -> Result<()> {
    for port in TeamHandle::open(team)?.ports().rev() {
        writeln!(
            stdout(),
            "ifname {}, linkup {}, changed 0, speed {}, duplex {}",
            port.name().unwrap_or("(removed)"),
            u8::from(port.is_link_up()),
            port.speed_mbps().unwrap_or(0),
            u8::from(port.duplex() == Duplex::Full),
        )?;
    }
    Ok(())
}

fn print_mode(team: &str) -> Result<()> {
    let team = TeamHandle::open(team)?;
    Ok(writeln!(stdout(), "{}", team.mode().unwrap_or(Mode::Unset))?)
}

fn print_active_port(team: &str) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let id = OptionId::global("activeport");
    if team.option(&id).is_none() {
        return Err(Error::UnknownOption { team: team.name().to_owned(), id }.into());
    }
    match team.active_port() {
        Some(ifindex) => writeln!(stdout(), "{}", team.ifname(ifindex)?)?,
        None => writeln!(stdout(), "NONE")?,
    }
    Ok(())
}

fn set_mode(team: &str, mode: &str) -> Result<()> {
    Ok(TeamHandle::open(team)?.set_mode(Mode::from(mode))?)
}

fn set_active_port(team: &str, port: &str) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let ifindex = team.ifindex(port)?;
    Ok(team.set_active_port(ifindex)?)
}
