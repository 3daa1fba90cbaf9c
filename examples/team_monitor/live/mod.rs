//! A team on the whole screen, until somebody has seen enough.
//!
//! `view` is what is shown, taken from a handle; `draw` puts it on a screen, and `screen` is the
//! terminal's; `sources` is what the loop waits for besides the team.

mod columns;
mod draw;
mod meter;
mod news;
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
use sources::{Key, Sources, Woken};
use view::View;

/// How often the screen is drawn when nothing happens: times and rates grow old by themselves.
const REST: Duration = Duration::from_secs(1);
/// How often it is drawn at most.
const FRAME: Duration = Duration::from_millis(50);

/// Shows the team until a key or a signal ends it.
pub(crate) fn run(name: &OsStr) -> Result<ExitCode, BoxError> {
    let mut team = Some(TeamHandle::open(name)?);
    let mut view = View::default();
    // Before the screen: what starts a thread has to come after the signals, which no thread may
    // take.
    let signals = sources::block_signals()?;
    let mut screen =
        Screen::enter().map_err(|error| format!("cannot use the terminal: {error}"))?;
    let sources = Sources::new(signals)?;
    let mut scroll = Scroll::default();
    loop {
        let now = Instant::now();
        follow(&mut team, &mut view, now)?;
        screen.draw(|frame| draw::draw(frame, &view, &mut scroll, now))?;

        // From now: where drawing takes longer than that, what comes is heard all the same.
        let drawn = Instant::now();
        let next_frame = drawn + FRAME;
        let mut until = drawn + REST;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match sources.wait(team.as_ref(), left)? {
                Woken::Not => break,
                Woken::ByTeam => {
                    if let Some(team) = &mut team {
                        view.hear(&team.handle_events()?, team, Instant::now());
                    }
                }
                Woken::By(Key::Quit) => return Ok(ExitCode::SUCCESS),
                Woken::BySignal(code) => return Ok(code),
                Woken::By(Key::Suspend) => screen.suspend()?,
                Woken::By(Key::Scroll(by)) => scroll.by(by),
                Woken::By(Key::Other) => {}
            }
            // What came is shown at once, unless it comes too fast for that.
            until = until.min(next_frame);
        }
    }
}

/// Takes over what the handle knows. A team that is gone is looked for again under its name.
fn follow(team: &mut Option<TeamHandle>, view: &mut View, now: Instant) -> Result<(), BoxError> {
    match team {
        Some(handle) if handle.team_link().is_some() => view.look(handle, now),
        Some(_) => {
            view.lose(now);
            *team = None;
        }
        None => match TeamHandle::open(view.os_name()) {
            Ok(handle) => {
                view.find(&handle, now);
                *team = Some(handle);
            }
            Err(NoSuchDevice { .. } | NotTeam { .. } | DeviceGone { .. }) => {}
            Err(error) => return Err(error.into()),
        },
    }
    Ok(())
}
