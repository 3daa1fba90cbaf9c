use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use libteam::{BoxError, Mode, Port, TeamHandle};

fn print_port(port: &Port) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(port.name_os().map_or(b"?", OsStr::as_bytes))?;
    writeln!(out, ": {}", if port.is_link_up() { "up" } else { "down" })
}

pub(crate) fn watch(name: &OsStr) -> Result<(), BoxError> {
    let mut team = TeamHandle::open(name)?;
    writeln!(io::stdout(), "mode {}", team.mode().unwrap_or(Mode::Unset))?;
    team.set_notify_peers_count(2)?;
    team.ports().try_for_each(print_port)?;

    loop {
        team.wait(None)?;
        for port in team.handle_events()?.ports() {
            let Some(port) = port.after() else {
                writeln!(io::stdout(), "removed")?;
                return Ok(());
            };
            print_port(port)?;
        }
    }
}
