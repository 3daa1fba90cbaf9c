//! One line of output, which the C tool makes in a buffer of fixed size.

use std::io::{self, Write};

/// So many bytes of a text fit.
const ROOM: usize = 119;

/// What stands behind a line's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) whole: &'static str,
    /// Where the text did not fit.
    pub(crate) cut: &'static str,
}

/// A text of which only the beginning is written if it is long.
#[derive(Debug)]
pub(crate) struct Line {
    text: String,
}

impl Line {
    pub(crate) fn of(thing: &impl ToString) -> Self {
        Self { text: thing.to_string() }
    }

    /// Writes the line with something before and something behind it.
    pub(crate) fn write(&self, before: &str, end: End, out: &mut impl Write) -> io::Result<()> {
        let (text, end) = match self.text.as_bytes().split_at_checked(ROOM) {
            Some((fitting, rest)) if !rest.is_empty() => (fitting, end.cut),
            _ => (self.text.as_bytes(), end.whole),
        };
        out.write_all(before.as_bytes())?;
        out.write_all(text)?;
        writeln!(out, "{end}")
    }
}
