//! The main function of a program that takes no arguments but `--help`.

#[path = "closed_output.rs"]
pub(crate) mod closed_output;
#[path = "driver.rs"]
pub(crate) mod driver;
#[path = "ending.rs"]
mod ending;

use std::process::ExitCode;

use lexopt::prelude::{Long, Short};
use libteam::BoxError;

/// Runs the program, or prints the help or what is wrong with the command line.
pub(crate) fn main(
    name: &str,
    help: &str,
    run: impl FnOnce() -> Result<ExitCode, BoxError>,
) -> ExitCode {
    match lexopt::Parser::from_env().next() {
        Ok(None) => {}
        Ok(Some(Short('h') | Long("help"))) => return ending::help(help),
        Ok(Some(other)) => return ending::misuse(name, other.unexpected(), help),
        Err(error) => return ending::misuse(name, error, help),
    }
    run().unwrap_or_else(|error| ending::failure(&format!("{name}: "), &*error))
}
