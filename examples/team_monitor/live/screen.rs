//! The terminal, while its alternate screen is in use.

use std::io;
use std::mem::ManuallyDrop;

use nix::sys::signal::{Signal, raise};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, size};
use ratatui::layout::Rect;
use ratatui::{DefaultTerminal, Frame, TerminalOptions, Viewport};

/// The size for terminals that do not report one, such as those of `script` or a serial line.
const DEFAULT_SIZE: Rect = Rect { x: 0, y: 0, width: 80, height: 24 };

/// The alternate screen of the terminal, in raw mode. Unless the program is killed, the terminal is
/// restored when this is dropped, and before a panic prints its message.
#[derive(Debug)]
pub(crate) struct Screen(
    /// Never dropped: its destructor prints to the terminal, and panics if the terminal is closed.
    ManuallyDrop<DefaultTerminal>,
);

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        // Setting up may have been done in part.
        let terminal = set_up().inspect_err(|_| drop(ratatui::try_restore()))?;
        Ok(Self(ManuallyDrop::new(terminal)))
    }

    pub(crate) fn draw(&mut self, drawing: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(drawing).map(drop)
    }

    /// Restores the terminal, stops the program, and sets the terminal up again when it continues.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        self.restore()?;
        raise(Signal::SIGSTOP)?;
        self.0 = ManuallyDrop::new(set_up()?);
        Ok(())
    }

    fn restore(&mut self) -> io::Result<()> {
        let shown = self.0.show_cursor();
        ratatui::try_restore().and(shown)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A closed terminal needs no restoring.
        drop(self.restore());
    }
}

fn set_up() -> io::Result<DefaultTerminal> {
    let (width, height) = size()?;
    if width > 0 && height > 0 {
        return ratatui::try_init();
    }
    let terminal = ratatui::try_init_with_options(TerminalOptions {
        viewport: Viewport::Fixed(DEFAULT_SIZE),
    })?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Ok(terminal)
}
