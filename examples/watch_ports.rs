//! Prints the ports of a team, and each port whose link goes up or down, until one is removed. The guide shows it beside
//! the same program for the C library.
//!
//! ```console
//! $ cargo run --example watch_ports -- team0
//! ```

#![allow(clippy::print_stdout, reason = "to print is what the program is for")]

use std::env;
use std::process::ExitCode;

use libteam::{Mode, Port, TeamHandle};

fn print_port(port: &Port) {
    println!("{}: {}", port.name().unwrap_or("?"), if port.is_link_up() { "up" } else { "down" });
}

fn watch(name: &str) -> libteam::Result<()> {
    let mut team = TeamHandle::open(name)?;
    println!("mode {}", team.mode().unwrap_or(Mode::Unset));
    team.set_notify_peers_count(2)?;
    team.ports().for_each(print_port);

    loop {
        team.wait(None)?;
        for port in team.handle_events()?.ports() {
            let Some(port) = port.after() else {
                println!("removed");
                return Ok(());
            };
            print_port(port);
        }
    }
}

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        eprintln!("usage: watch_ports TEAM");
        return ExitCode::FAILURE;
    };
    match watch(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
