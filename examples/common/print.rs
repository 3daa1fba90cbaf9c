//! Prints a list as text or as JSON.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

/// An item of a list.
pub(crate) trait Item: Display {
    fn json(&self) -> Value;
}

/// Writes one item per line, or all items as a JSON array on one line.
pub(crate) fn print<T: Item>(items: &[T], as_json: bool, out: &mut impl Write) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{}", items.iter().map(Item::json).collect::<Value>());
    }
    items.iter().try_for_each(|item| writeln!(out, "{item}"))
}
