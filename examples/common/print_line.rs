//! Lines on standard output.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// Prints a line. If the output is closed, ends the program with the status for SIGPIPE.
pub(crate) fn print_line(line: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() == ErrorKind::BrokenPipe {
            process::exit(super::alone::closed_output::CLOSED_OUTPUT.into());
        }
        drop(writeln!(io::stderr(), "writing the output: {error}"));
        process::exit(1);
    }
}
