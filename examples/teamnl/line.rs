//! A line of output, which the C tool formats in a buffer of fixed size.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use libteam::{Change, Link, Port, TeamHandle, TeamOption};

/// The number of bytes that fit into the buffer.
const ROOM: usize = 119;

/// The end of a line, after its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) whole: &'static str,
    /// If the text does not fit.
    pub(crate) cut: &'static str,
}

/// An item of a line: its text can contain the name of a link.
pub(crate) trait Item: Display {
    /// Returns the name in the text, with the kernel's bytes.
    fn name<'a>(&'a self, team: &'a TeamHandle) -> Option<&'a OsStr>;
}

impl Item for Port {
    fn name<'a>(&'a self, _team: &'a TeamHandle) -> Option<&'a OsStr> {
        self.name_os()
    }
}

impl Item for Link {
    fn name<'a>(&'a self, _team: &'a TeamHandle) -> Option<&'a OsStr> {
        Some(self.name_os())
    }
}

impl Item for TeamOption {
    fn name<'a>(&'a self, team: &'a TeamHandle) -> Option<&'a OsStr> {
        team.port(self.id().port?)?.name_os()
    }
}

impl<T: Item> Item for Change<T>
where
    Self: Display,
{
    fn name<'a>(&'a self, team: &'a TeamHandle) -> Option<&'a OsStr> {
        self.latest().name(team)
    }
}

/// A text that is cut if it is too long.
#[derive(Debug)]
pub(crate) struct Line {
    text: Vec<u8>,
}

impl Line {
    pub(crate) fn of(item: &impl Item, team: &TeamHandle) -> Self {
        let text = item.to_string();
        let Some(name) = item.name(team).filter(|name| name.to_str().is_none()) else {
            return Self { text: text.into_bytes() };
        };
        // The text has U+FFFD for bytes that are not UTF-8, first in the name.
        let bytes = text
            .split_once(&*name.to_string_lossy())
            .map(|(before, after)| [before.as_bytes(), name.as_bytes(), after.as_bytes()].concat());
        Self { text: bytes.unwrap_or(text.into_bytes()) }
    }

    /// Writes the line between a start and an end.
    pub(crate) fn write(&self, before: &str, end: End, out: &mut impl Write) -> io::Result<()> {
        let (text, end) = match self.text.split_at_checked(ROOM) {
            Some((fitting, rest)) if !rest.is_empty() => (fitting, end.cut),
            _ => (&self.text[..], end.whole),
        };
        out.write_all(before.as_bytes())?;
        out.write_all(text)?;
        writeln!(out, "{end}")
    }
}
