use std::process::ExitCode;

use libteam::rtnl::RtnlSocket;
use libteam::{ChangeKind, LinkSettings, Mode, Result, TeamHandle};

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    let mut team = TeamHandle::open_or_create("team0")?;
    // Does nothing if the team has this mode already.
    team.set_mode(Mode::ActiveBackup)?;
    let eth1 = team.lookup_ifindex("eth1")?;
    if !team.is_port(eth1) {
        // The driver accepts only a link that is down, and then sets it up.
        RtnlSocket::new()?.set_link(eth1, &LinkSettings::new().down())?;
        team.add_port(eth1)?;
    }
    team.set_active_port(eth1)?;
    team.set_link(&LinkSettings::new().up())?;

    team.add_handler(ChangeKind::PORT, |team, changes| {
        for port in changes.ports() {
            println!("{}: {port}", team.name());
        }
        Ok(())
    });
    // Until the team is deleted, by `ip link del team0` for example.
    while team.team_link().is_some() {
        team.wait(None)?;
        team.handle_events()?;
    }
    println!("{} is gone", team.name());
    Ok(())
}
