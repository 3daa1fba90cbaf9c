//! The ways in which a program ends: with its help, with a usage error, or with an error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use super::closed_output::CLOSED_OUTPUT;
use super::driver;

/// The exit status after a usage error.
const MISUSE: u8 = 2;

/// Prints the help.
pub(crate) fn help(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("", &error),
    }
}

/// Prints what is wrong with the command line, then the help.
pub(crate) fn misuse(program: &str, reason: impl Display, help: &str) -> ExitCode {
    drop(write!(io::stderr(), "{program}: {reason}\n\n{help}"));
    ExitCode::from(MISUSE)
}

/// Prints the prefix and the error, or nothing if the output is closed.
pub(crate) fn failure(prefix: &str, error: &(dyn Error + 'static)) -> ExitCode {
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(CLOSED_OUTPUT),
        _ => {
            // Standard error can be closed.
            drop(writeln!(io::stderr(), "{prefix}{error}{}", driver::hint()));
            ExitCode::FAILURE
        }
    }
}
