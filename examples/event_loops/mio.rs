//! Follows teams with mio, one as well as many.
//!
//! ```sh
//! cargo run --example event_loop_mio
//! ```
//!
//! The status is 0 if each change arrived.

mod scene;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use libteam::TeamHandle;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use scene::{PATIENCE, Result};

fn main() -> ExitCode {
    let summary = "Follows one team with mio, then three, each until its port loses its link.";
    scene::main("event_loop_mio", summary, || scene::play(follow))
}

/// Follows the teams until the port of each lost its link.
fn follow(teams: Vec<TeamHandle>) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut teams: BTreeMap<Token, TeamHandle> = (0..).map(Token).zip(teams).collect();
    for (token, team) in &teams {
        // What the handle has to tell by now is an event too.
        poll.registry().register(&mut SourceFd(&team.as_raw_fd()), *token, Interest::READABLE)?;
    }
    let mut events = Events::with_capacity(16);
    while !teams.is_empty() {
        match poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        if events.is_empty() {
            return Err(scene::nothing_came());
        }
        for event in &events {
            let Some(team) = teams.get_mut(&event.token()) else { continue };
            // mio tells of each event once (it is edge-triggered), and so the usual advice is to go
            // on until nothing is left. A handle wants one call: if that leaves something to do,
            // there is another event.
            let changes = team.handle_events()?;
            if scene::lost_its_link(team, &changes) {
                poll.registry().deregister(&mut SourceFd(&team.as_raw_fd()))?;
                teams.remove(&event.token());
            }
        }
    }
    Ok(())
}
