//! Lines on standard output.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// Prints a line. If the output is closed the program ends, as one that writes to a pipe does.
pub(crate) fn print_line(line: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() == ErrorKind::BrokenPipe {
            process::exit(super::alone::nobody_reads::NOBODY_READS.into());
        }
        drop(writeln!(io::stderr(), "writing failed: {error}"));
        process::exit(1);
    }
}
