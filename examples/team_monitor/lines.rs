//! A team's ports, or its options, line by line whenever one of them changes. Ends on an interrupt (Ctrl-C).

use std::collections::HashSet;
use std::error::Error;

use libteam::{Change, ChangeKind, Changes, Duplex, Port, TeamHandle};
use nix::sys::signal::Signal;

use crate::interrupt::Interrupt;

pub(crate) fn run(name: &str) -> Result<(), Box<dyn Error>> {
    let mut team = TeamHandle::open(name)?;
    team.add_handler(ChangeKind::PORT, |team, batch| {
        print_ports(team, batch);
        Ok(())
    });
    team.add_handler(ChangeKind::OPTION, |team, batch| {
        print_options(team, batch);
        Ok(())
    });
    let interrupt = Interrupt::on(&[Signal::SIGINT])?;
    while interrupt.wait(&team)? {
        team.handle_events()?;
        if team.team_link().is_none() {
            return Err(format!("team device {name} is gone").into());
        }
    }
    Ok(())
}

fn print_ports(team: &TeamHandle, batch: &Changes) {
    println!("------------------\nport change\n\tport list:");
    let removed = batch.ports().filter(|change| change.is_removed()).map(Change::latest);
    for port in removed.chain(team.ports().rev()) {
        let is_changed = batch.ports().any(|change| change.latest().ifindex() == port.ifindex());
        print_port(port, is_changed);
    }
}

fn print_port(port: &Port, is_changed: bool) {
    println!(
        "\tifname {}, linkup {}, changed {}, speed {}, duplex {}",
        port.name().unwrap_or("(removed)"),
        u8::from(port.is_link_up()),
        u8::from(is_changed),
        port.speed_mbps().unwrap_or(0),
        u8::from(port.duplex() == Duplex::Full),
    );
}

fn print_options(team: &TeamHandle, batch: &Changes) {
    println!("------------------\noption change\n\toption list:");
    let changed: HashSet<_> = batch.options().map(|change| change.latest().id()).collect();
    for option in team.options().rev() {
        println!("\topt_name: {}, changed {}", option.id().name, u8::from(changed.contains(option.id())));
    }
}
