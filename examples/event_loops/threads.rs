//! Moves a handle to a thread that follows it, tells the others what happened, and ends when it is
//! asked to.
//!
//! ```sh
//! cargo run --example event_loop_threads
//! ```
//!
//! The status is 0 if the change arrived.

mod scene;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;

use libteam::{Changes, TeamHandle};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use scene::{PATIENCE, Result};

fn main() -> ExitCode {
    let summary = "Follows a team on a thread of its own until the port loses its link, and gets the handle back.";
    scene::main("event_loop_threads", summary, run)
}

fn run() -> Result<()> {
    scene::enter_new_namespace()?;
    let (teams, cables) = scene::teams(&["one"])?;
    let team = teams.into_iter().next().ok_or("there is no team")?;
    let (tell, told) = mpsc::channel();
    // The thread ends when the other end is closed: it waits for that as it waits for the team.
    let (stop, stopped) = UnixStream::pair()?;

    let follower = thread::spawn(move || follow(team, &stopped, &tell));
    cables.pull_soon();
    loop {
        let changes = told.recv_timeout(PATIENCE).map_err(|_| scene::nothing_came())?;
        if changes.ports().any(|port| !port.latest().is_link_up()) {
            break;
        }
    }

    drop(stop);
    let team = follower.join().map_err(|_| "the thread panicked")??;
    scene::print_line(format_args!("{} is back on the thread that made it", team.name()));
    team.destroy()?;
    Ok(())
}

/// Follows a team until it is asked to stop, and gives it back then.
fn follow(
    mut team: TeamHandle,
    stopped: &UnixStream,
    tell: &Sender<Changes>,
) -> Result<TeamHandle> {
    // A handle stays in the network namespace where it was opened, whatever the thread's is.
    scene::enter_new_namespace()?;
    loop {
        let mut sources =
            [team.as_fd(), stopped.as_fd()].map(|source| PollFd::new(source, PollFlags::POLLIN));
        match poll(&mut sources, PollTimeout::NONE) {
            // A signal: nothing is known of the sources.
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let [_, stopped] = sources;
        if stopped.any() != Some(false) {
            return Ok(team);
        }
        let changes = team.handle_events()?;
        scene::lost_its_link(&team, &changes);
        // Changes hold no part of the handle: they may go to any thread.
        tell.send(changes)?;
    }
}
