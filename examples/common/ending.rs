//! How a program ends: after its help, with a command line that it does not understand, or with an
//! error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use super::driver;
use super::nobody_reads::NOBODY_READS;

/// The status of a program whose command line is wrong.
const MISUSE: u8 = 2;

/// Prints the help that the command line asks for.
pub(crate) fn help(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("", &error),
    }
}

/// Prints what is wrong with the command line, and the help.
pub(crate) fn misuse(program: &str, reason: impl Display, help: &str) -> ExitCode {
    drop(write!(io::stderr(), "{program}: {reason}\n\n{help}"));
    ExitCode::from(MISUSE)
}

/// Prints an error after the prefix, or nothing if the error is that the output is closed.
pub(crate) fn failure(prefix: &str, error: &(dyn Error + 'static)) -> ExitCode {
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
        _ => {
            // The terminal may be gone.
            drop(writeln!(io::stderr(), "{prefix}{error}{}", driver::hint()));
            ExitCode::FAILURE
        }
    }
}
