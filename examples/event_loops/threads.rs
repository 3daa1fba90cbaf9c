//! Moves a handle to another thread, which sends the changes over a channel and returns the handle
//! when it is asked to stop.
//!
//! ```sh
//! cargo run --example event_loop_threads
//! ```
//!
//! The exit status is 0 if the change was received.

mod scene;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;

use libteam::{Changes, TeamHandle};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use scene::{Result, TIMEOUT};

fn main() -> ExitCode {
    let summary = "Follows a team on a thread of its own until the port loses its link, then returns the handle.";
    scene::main("event_loop_threads", summary, run)
}

fn run() -> Result<()> {
    scene::enter_new_namespace()?;
    let (teams, cables) = scene::teams(&["one"])?;
    let team = teams.into_iter().next().ok_or("there is no team")?;
    let (sender, receiver) = mpsc::channel();
    // The thread ends when `stop` is dropped: it polls the other end together with the team.
    let (stop, stopped) = UnixStream::pair()?;

    let follower = thread::spawn(move || follow(team, &stopped, &sender));
    cables.pull_soon();
    loop {
        let changes = receiver.recv_timeout(TIMEOUT).map_err(|_| scene::no_change())?;
        if changes.ports().any(|port| !port.latest().is_link_up()) {
            break;
        }
    }

    drop(stop);
    let team = follower.join().map_err(|_| "the thread panicked")??;
    scene::print_line(format_args!("{} is back on the thread that created it", team.name()));
    team.destroy()?;
    Ok(())
}

/// Follows a team until it is asked to stop, then returns the handle.
fn follow(
    mut team: TeamHandle,
    stopped: &UnixStream,
    sender: &Sender<Changes>,
) -> Result<TeamHandle> {
    // A handle stays in the namespace where it was opened, whichever namespace its thread is in.
    scene::enter_new_namespace()?;
    loop {
        let mut sources =
            [team.as_fd(), stopped.as_fd()].map(|source| PollFd::new(source, PollFlags::POLLIN));
        match poll(&mut sources, PollTimeout::NONE) {
            // After a signal the results are undefined.
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let [_, stopped] = sources;
        if stopped.any() != Some(false) {
            return Ok(team);
        }
        let changes = team.handle_events()?;
        scene::lost_its_link(&team, &changes);
        // `Changes` do not borrow from the handle, so another thread can receive them.
        sender.send(changes)?;
    }
}
