//! A list on standard output, for a person or as JSON.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

/// Something of which a list can be printed.
pub(crate) trait Item: Display {
    fn json(&self) -> Value;
}

/// Writes the items one after the other, or all of them as one JSON array on one line.
pub(crate) fn print<T: Item>(items: &[T], as_json: bool, out: &mut impl Write) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{}", items.iter().map(Item::json).collect::<Value>());
    }
    items.iter().try_for_each(|item| writeln!(out, "{item}"))
}
