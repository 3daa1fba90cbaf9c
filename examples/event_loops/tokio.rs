//! Follows one team with tokio, then three.
//!
//! ```sh
//! cargo run --example event_loop_tokio
//! ```
//!
//! The exit status is 0 if every change was received.

mod scene;

use std::process::ExitCode;

use libteam::TeamHandle;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::time::timeout;

use scene::{Result, TIMEOUT};

fn main() -> ExitCode {
    let summary = "Follows one team with tokio, then three, each until its port loses its link.";
    scene::main("event_loop_tokio", summary, run)
}

fn run() -> Result<()> {
    // One thread is enough. With several the code is the same, because handles are `Send`.
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    scene::play(|teams| {
        runtime.block_on(async {
            // One task per team.
            let tasks: Vec<_> = teams
                .into_iter()
                .map(|team| tokio::spawn(timeout(TIMEOUT, follow(team))))
                .collect();
            for task in tasks {
                task.await?.map_err(|_| scene::no_change())??;
            }
            Ok(())
        })
    })
}

/// Follows a team until its port has lost its link.
#[allow(
    deprecated,
    reason = "the replacement is unsafe; its condition holds, because the descriptor of a handle never changes"
)]
async fn follow(team: TeamHandle) -> Result<()> {
    // Nothing is ever written to a handle.
    let mut source = AsyncFd::with_interest(team, Interest::READABLE)?;
    loop {
        let mut ready = source.readable_mut().await?;
        // Cleared before the call: work that the call leaves, and events that arrive during the
        // call, make the descriptor readable again.
        ready.clear_ready();
        let team = ready.get_inner_mut();
        // The call waits at most for replies of the kernel, so it can run on this thread.
        let changes = team.handle_events()?;
        if scene::lost_its_link(team, &changes) {
            return Ok(());
        }
    }
}
