//! Follows one team with poll(2), then three.
//!
//! ```sh
//! cargo run --example event_loop_poll
//! ```
//!
//! The exit status is 0 if every change was received.

mod scene;

use std::os::fd::AsFd as _;

use std::process::ExitCode;
use std::time::Instant;

use libteam::TeamHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};

use scene::{Result, TIMEOUT};

fn main() -> ExitCode {
    let summary = "Follows one team with poll(2), then three, each until its port loses its link.";
    scene::main("event_loop_poll", summary, || scene::play(follow))
}

/// Follows the teams until the port of each has lost its link.
fn follow(mut teams: Vec<TeamHandle>) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !teams.is_empty() {
        let mut sources: Vec<_> =
            teams.iter().map(|team| PollFd::new(team.as_fd(), PollFlags::POLLIN)).collect();
        let remaining = deadline.saturating_duration_since(Instant::now());
        match ppoll(&mut sources, Some(remaining.into()), None) {
            Ok(0) => return Err(scene::no_change()),
            // After a signal the results are undefined.
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let is_ready: Vec<bool> =
            sources.iter().map(|source| source.any() != Some(false)).collect();
        let mut followed = Vec::new();
        for (mut team, is_ready) in teams.into_iter().zip(is_ready) {
            // If a call leaves work, the next poll returns at once: poll is level-triggered.
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
