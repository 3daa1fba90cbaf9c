//! Follows teams with calloop, one as well as many.
//!
//! ```sh
//! cargo run --example event_loop_calloop
//! ```
//!
//! The status is 0 if each change arrived.

mod scene;

use std::process::ExitCode;
use std::time::Instant;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use libteam::TeamHandle;

use scene::{PATIENCE, Result};

/// What the callbacks of the loop share.
struct State {
    /// How many teams are followed.
    followed: usize,
}

fn main() -> ExitCode {
    let summary = "Follows one team with calloop, then three, each until its port loses its link.";
    scene::main("event_loop_calloop", summary, || scene::play(run))
}

/// Follows the teams until the port of each lost its link.
fn run(teams: Vec<TeamHandle>) -> Result<()> {
    let mut event_loop = EventLoop::try_new()?;
    let mut state = State { followed: teams.len() };
    for team in teams {
        follow(team, &event_loop.handle())?;
    }
    let deadline = Instant::now() + PATIENCE;
    while state.followed > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        event_loop.dispatch(left, &mut state)?;
        if left.is_zero() {
            return Err(scene::nothing_came());
        }
    }
    Ok(())
}

fn follow(mut team: TeamHandle, event_loop: &LoopHandle<'_, State>) -> Result<()> {
    // calloop lends a source to its callback for reading only. So the source is a copy of the
    // descriptor, and the handle is the callback's own. They go together, when the callback asks
    // for its removal.
    let descriptor = team.try_clone_fd()?;
    // `Mode::Edge` would do as well: what a call leaves to do is announced anew.
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
