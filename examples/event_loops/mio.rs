//! Follows one team with mio, then three.
//!
//! ```sh
//! cargo run --example event_loop_mio
//! ```
//!
//! The exit status is 0 if every change was received.

mod scene;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use libteam::TeamHandle;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use scene::{Result, TIMEOUT};

fn main() -> ExitCode {
    let summary = "Follows one team with mio, then three, each until its port loses its link.";
    scene::main("event_loop_mio", summary, || scene::play(follow))
}

/// Follows the teams until the port of each has lost its link.
fn follow(teams: Vec<TeamHandle>) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut teams: BTreeMap<Token, TeamHandle> = (0..).map(Token).zip(teams).collect();
    for (token, team) in &teams {
        // mio reports a descriptor that is readable already.
        poll.registry().register(&mut SourceFd(&team.as_raw_fd()), *token, Interest::READABLE)?;
    }
    let mut events = Events::with_capacity(16);
    while !teams.is_empty() {
        match poll.poll(&mut events, Some(TIMEOUT)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        if events.is_empty() {
            return Err(scene::no_change());
        }
        for event in &events {
            let Some(team) = teams.get_mut(&event.token()) else { continue };
            // mio is edge-triggered: most sources must be read until they are empty. For a handle
            // one call is enough, because mio reports another event if the call leaves work.
            let changes = team.handle_events()?;
            if scene::lost_its_link(team, &changes) {
                poll.registry().deregister(&mut SourceFd(&team.as_raw_fd()))?;
                teams.remove(&event.token());
            }
        }
    }
    Ok(())
}
