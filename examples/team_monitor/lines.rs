//! Prints the ports of a team, or its options, whenever one of them changes, until SIGINT (Ctrl-C).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use libteam::{BoxError, Change, ChangeKind, Changes, Duplex, Port, TeamHandle};
use nix::sys::signal::Signal;

use crate::interrupt::Interrupt;

pub(crate) fn run(name: &OsStr) -> Result<(), BoxError> {
    let mut team = TeamHandle::open(name)?;
    let mut out = io::stdout().lock();
    let interrupt = Interrupt::on(&[Signal::SIGINT])?;
    while interrupt.wait(&team)? {
        let batch = team.handle_events()?;
        if batch.kinds().contains(ChangeKind::PORT) {
            print_ports(&team, &batch, &mut out)?;
        }
        if batch.kinds().contains(ChangeKind::OPTION) {
            print_options(&team, &batch, &mut out)?;
        }
        if team.team_link().is_none() {
            return Err(format!("team device {} is gone", team.name()).into());
        }
    }
    Ok(())
}

fn print_ports(team: &TeamHandle, batch: &Changes, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "------------------\nport change\n\tport list:")?;
    let mut removed = batch.ports().filter(|change| change.is_removed()).map(Change::latest);
    removed.try_for_each(|port| print_port(port, true, out))?;
    team.ports().rev().try_for_each(|port| {
        let is_changed = batch.ports().any(|change| change.latest().ifindex() == port.ifindex());
        print_port(port, is_changed, out)
    })
}

fn print_port(port: &Port, is_changed: bool, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\tifname ")?;
    out.write_all(port.name_os().map_or(b"(removed)", OsStr::as_bytes))?;
    writeln!(
        out,
        ", linkup {}, changed {}, speed {}, duplex {}",
        u8::from(port.is_link_up()),
        u8::from(is_changed),
        port.speed_mbps().unwrap_or(0),
        u8::from(port.duplex() == Duplex::Full),
    )
}

fn print_options(team: &TeamHandle, batch: &Changes, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "------------------\noption change\n\toption list:")?;
    let changed: HashSet<_> = batch.options().map(|change| change.latest().id()).collect();
    team.options().rev().try_for_each(|option| {
        writeln!(
            out,
            "\topt_name: {}, changed {}",
            option.id().name,
            u8::from(changed.contains(option.id()))
        )
    })
}
