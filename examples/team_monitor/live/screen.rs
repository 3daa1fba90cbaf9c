//! The terminal, from entering its second screen until leaving that.

use std::io;
use std::mem::ManuallyDrop;

use nix::sys::signal::{Signal, raise};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, size};
use ratatui::layout::Rect;
use ratatui::{DefaultTerminal, Frame, TerminalOptions, Viewport};

/// Of a terminal that does not know its size, as one behind `script` or a serial line.
const USUAL_SIZE: Rect = Rect { x: 0, y: 0, width: 80, height: 24 };

/// The second screen of the terminal, in raw mode. However the program ends, short of being killed,
/// the terminal is given back as it was: when this is dropped, and before a panic tells what it has
/// to tell.
#[derive(Debug)]
pub(crate) struct Screen(
    /// Never dropped: where the terminal is gone it would want to print that there, and panic.
    ManuallyDrop<DefaultTerminal>,
);

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        // Half of it may have been done.
        let terminal = take_over().inspect_err(|_| drop(ratatui::try_restore()))?;
        Ok(Self(ManuallyDrop::new(terminal)))
    }

    pub(crate) fn draw(&mut self, drawing: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(drawing).map(drop)
    }

    /// Gives the terminal back, stops the program, and enters again when it goes on.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        self.give_back()?;
        raise(Signal::SIGSTOP)?;
        self.0 = ManuallyDrop::new(take_over()?);
        Ok(())
    }

    fn give_back(&mut self) -> io::Result<()> {
        let shown = self.0.show_cursor();
        ratatui::try_restore().and(shown)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        drop(self.give_back());
    }
}

fn take_over() -> io::Result<DefaultTerminal> {
    let (width, height) = size()?;
    if width > 0 && height > 0 {
        return ratatui::try_init();
    }
    let terminal =
        ratatui::try_init_with_options(TerminalOptions { viewport: Viewport::Fixed(USUAL_SIZE) })?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Ok(terminal)
}
