//! Follows teams with poll(2), one as well as many.
//!
//! ```sh
//! cargo run --example event_loop_poll
//! ```
//!
//! The status is 0 if each change arrived.

mod scene;

use std::os::fd::AsFd as _;

use std::process::ExitCode;
use std::time::Instant;

use libteam::TeamHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};

use scene::{PATIENCE, Result};

fn main() -> ExitCode {
    let summary = "Follows one team with poll(2), then three, each until its port loses its link.";
    scene::main("event_loop_poll", summary, || scene::play(follow))
}

/// Follows the teams until the port of each lost its link.
fn follow(mut teams: Vec<TeamHandle>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !teams.is_empty() {
        let mut sources: Vec<_> =
            teams.iter().map(|team| PollFd::new(team.as_fd(), PollFlags::POLLIN)).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        match ppoll(&mut sources, Some(left.into()), None) {
            Ok(0) => return Err(scene::nothing_came()),
            // A signal: nothing is known of the sources.
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let is_ready: Vec<bool> =
            sources.iter().map(|source| source.any() != Some(false)).collect();
        let mut followed = Vec::new();
        for (mut team, is_ready) in teams.into_iter().zip(is_ready) {
            // What one call leaves to do makes the next poll return at once: poll tells what is,
            // not what came.
            let is_done = is_ready && {
                let changes = team.handle_events()?;
                scene::lost_its_link(&team, &changes)
            };
            if !is_done {
                followed.push(team);
            }
        }
        teams = followed;
    }
    Ok(())
}
