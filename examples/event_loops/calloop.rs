//! Follows one team with calloop, then three.
//!
//! ```sh
//! cargo run --example event_loop_calloop
//! ```
//!
//! The exit status is 0 if every change was received.

mod scene;

use std::process::ExitCode;
use std::time::Instant;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use libteam::TeamHandle;

use scene::{Result, TIMEOUT};

/// The state that all callbacks of the loop share.
struct State {
    /// The number of teams that are still followed.
    followed: usize,
}

fn main() -> ExitCode {
    let summary = "Follows one team with calloop, then three, each until its port loses its link.";
    scene::main("event_loop_calloop", summary, || scene::play(run))
}

/// Follows the teams until the port of each has lost its link.
fn run(teams: Vec<TeamHandle>) -> Result<()> {
    let mut event_loop = EventLoop::try_new()?;
    let mut state = State { followed: teams.len() };
    for team in teams {
        follow(team, &event_loop.handle())?;
    }
    let deadline = Instant::now() + TIMEOUT;
    while state.followed > 0 {
        let remaining = deadline.saturating_duration_since(Instant::now());
        event_loop.dispatch(remaining, &mut state)?;
        if remaining.is_zero() {
            return Err(scene::no_change());
        }
    }
    Ok(())
}

fn follow(mut team: TeamHandle, event_loop: &LoopHandle<'_, State>) -> Result<()> {
    // calloop passes a source to its callback as a shared reference. The source is therefore a
    // duplicate of the descriptor, and the callback owns the handle. Both are dropped when the
    // callback returns `PostAction::Remove`.
    let descriptor = team.try_clone_fd()?;
    // `Mode::Edge` works too: if a call leaves work, the descriptor becomes readable again.
    let source = Generic::new(descriptor, Interest::READ, Mode::Level);
    event_loop.insert_source(source, move |_, _, state| {
        let changes = team.handle_events().map_err(std::io::Error::other)?;
        if !scene::lost_its_link(&team, &changes) {
            return Ok(PostAction::Continue);
        }
        state.followed -= 1;
        Ok(PostAction::Remove)
    })?;
    Ok(())
}
