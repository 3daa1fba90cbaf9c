//! Shows a team on the whole screen until the user quits.
//!
//! `view` holds what is shown, read from a handle; `draw` draws it; `screen` controls the terminal;
//! `sources` has what the loop waits for.

mod changes;
mod columns;
mod draw;
mod meter;

mod screen;
mod scroll;
mod sources;
/// Run by `tests/team_monitor.rs`.
#[cfg(test)]
mod tests;
mod units;
mod view;

use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libteam::Error::{DeviceGone, NoSuchDevice, NotTeam};
use libteam::{BoxError, TeamHandle};

use screen::Screen;
use scroll::Scroll;
use sources::{Key, Sources, Wakeup};
use view::View;

/// The longest time between two drawings: ages and rates change without events.
const IDLE: Duration = Duration::from_secs(1);
/// The shortest time between two drawings.
const FRAME: Duration = Duration::from_millis(50);

/// Shows the team until a key or a signal ends it.
pub(crate) fn run(name: &OsStr) -> Result<ExitCode, BoxError> {
    let mut team = Some(TeamHandle::open(name)?);
    let mut view = View::default();
    // Before any thread is started, so that every thread has the signals blocked.
    let signals = sources::block_signals()?;
    let mut screen =
        Screen::enter().map_err(|error| format!("setting up the terminal: {error}"))?;
    let sources = Sources::new(signals)?;
    let mut scroll = Scroll::default();
    loop {
        let now = Instant::now();
        follow(&mut team, &mut view, now)?;
        screen.draw(|frame| draw::draw(frame, &view, &mut scroll, now))?;

        // Counted from the end of the drawing, so that events are handled even if drawing is slow.
        let drawn = Instant::now();
        let next_frame = drawn + FRAME;
        let mut until = drawn + IDLE;
        while let Some(remaining) = until.checked_duration_since(Instant::now()) {
            match sources.wait(team.as_ref(), remaining)? {
                Wakeup::Timeout => break,
                Wakeup::Team => {
                    if let Some(team) = &mut team {
                        view.record(&team.handle_events()?, team, Instant::now());
                    }
                }
                Wakeup::Key(Key::Quit) => return Ok(ExitCode::SUCCESS),
                Wakeup::Signal(code) => return Ok(code),
                Wakeup::Key(Key::Suspend) => screen.suspend()?,
                Wakeup::Key(Key::Scroll(by)) => scroll.by(by),
                Wakeup::Key(Key::Other) => {}
            }
            // Events are shown at once, but no more often than every `FRAME`.
            until = until.min(next_frame);
        }
    }
}

/// Updates the view from the handle. If the team was deleted, tries to open a team of the same
/// name.
fn follow(team: &mut Option<TeamHandle>, view: &mut View, now: Instant) -> Result<(), BoxError> {
    match team {
        Some(handle) if handle.team_link().is_some() => view.update(handle, now),
        Some(_) => {
            view.vanish(now);
            *team = None;
        }
        None => match TeamHandle::open(view.os_name()) {
            Ok(handle) => {
                view.reappear(&handle, now);
                *team = Some(handle);
            }
            Err(NoSuchDevice { .. } | NotTeam { .. } | DeviceGone { .. }) => {}
            Err(error) => return Err(error.into()),
        },
    }
    Ok(())
}
