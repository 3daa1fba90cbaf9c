//! Follows teams with tokio, one as well as many.
//!
//! ```sh
//! cargo run --example event_loop_tokio
//! ```
//!
//! The status is 0 if each change arrived.

mod scene;

use std::process::ExitCode;

use libteam::TeamHandle;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::time::timeout;

use scene::{PATIENCE, Result};

fn main() -> ExitCode {
    let summary = "Follows one team with tokio, then three, each until its port loses its link.";
    scene::main("event_loop_tokio", summary, run)
}

fn run() -> Result<()> {
    // One thread. On several it is the same, as handles may move between threads.
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    scene::play(|teams| {
        runtime.block_on(async {
            // A task for each team.
            let tasks: Vec<_> = teams
                .into_iter()
                .map(|team| tokio::spawn(timeout(PATIENCE, follow(team))))
                .collect();
            for task in tasks {
                task.await?.map_err(|_| scene::nothing_came())??;
            }
            Ok(())
        })
    })
}

/// Follows a team until its port lost its link.
#[allow(
    deprecated,
    reason = "its successor is the same and unsafe; what that asks for holds: a handle has one descriptor for life"
)]
async fn follow(team: TeamHandle) -> Result<()> {
    // A handle is never written to.
    let mut source = AsyncFd::with_interest(team, Interest::READABLE)?;
    loop {
        let mut ready = source.readable_mut().await?;
        // tokio remembers that the descriptor was readable until it is told to forget that. To
        // forget it before the call is right: what the call leaves to do, and what comes meanwhile,
        // is announced anew.
        ready.clear_ready();
        let team = ready.get_inner_mut();
        // Neither this nor a command waits for anything but the kernel's answer: no need for
        // another thread.
        let changes = team.handle_events()?;
        if scene::lost_its_link(team, &changes) {
            return Ok(());
        }
    }
}
