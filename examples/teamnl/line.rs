//! One line of output, which the C tool makes in a buffer of fixed size.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use libteam::{Change, Link, Port, TeamHandle, TeamOption};

/// So many bytes of a text fit.
const ROOM: usize = 119;

/// What stands behind a line's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) whole: &'static str,
    /// Where the text did not fit.
    pub(crate) cut: &'static str,
}

/// What a line can show: a text that may have the name of a link in it.
pub(crate) trait Item: Display {
    /// The name that the text has, as the kernel has it.
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

/// A text of which only the beginning is written if it is long.
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
        // In the text the name has U+FFFD for what is not UTF-8. Nothing before it has.
        let bytes = text
            .split_once(&*name.to_string_lossy())
            .map(|(before, after)| [before.as_bytes(), name.as_bytes(), after.as_bytes()].concat());
        Self { text: bytes.unwrap_or(text.into_bytes()) }
    }

    /// Writes the line with something before and something behind it.
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
