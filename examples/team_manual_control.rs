//! Shows and sets the mode and the active port of a team by hand.
//!
//! ```sh
//! cargo run --example team_manual_control -- team0 set activeport eth1
//! ```

#![allow(clippy::print_stdout, reason = "to print is what the program is for")]

#[path = "common/report.rs"]
mod report;

use std::env;
use std::process::ExitCode;

use libteam::{Duplex, Error, Mode, OptionId, Result, TeamHandle};

use report::Report;

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
        Err(error) => {
            eprintln!("{}", Report(&error));
            ExitCode::FAILURE
        }
    }
}

fn print_ports(team: &str) -> Result<()> {
    for port in TeamHandle::open(team)?.ports().rev() {
        println!(
            "ifname {}, linkup {}, changed 0, speed {}, duplex {}",
            port.name().unwrap_or("(removed)"),
            u8::from(port.is_link_up()),
            port.speed_mbps().unwrap_or(0),
            u8::from(port.duplex() == Duplex::Full),
        );
    }
    Ok(())
}

fn print_mode(team: &str) -> Result<()> {
    println!("{}", TeamHandle::open(team)?.mode().unwrap_or(Mode::Unset));
    Ok(())
}

fn print_active_port(team: &str) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let id = OptionId::global("activeport");
    if team.option(&id).is_none() {
        return Err(Error::UnknownOption { team: team.name().to_owned(), id });
    }
    match team.active_port() {
        Some(ifindex) => println!("{}", team.ifname(ifindex)?),
        None => println!("NONE"),
    }
    Ok(())
}

fn set_mode(team: &str, mode: &str) -> Result<()> {
    TeamHandle::open(team)?.set_mode(Mode::from(mode))
}

fn set_active_port(team: &str, port: &str) -> Result<()> {
    let mut team = TeamHandle::open(team)?;
    let ifindex = team.ifindex(port)?;
    team.set_active_port(ifindex)
}
