//! Runs `ip` of iproute2 in the network namespace of the calling thread. Its standard error is that
//! of the program.

use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use crate::{Result, ensure};

/// Runs `ip` with these arguments, and returns its output.
pub(crate) fn ip(words: &str) -> Result<String> {
    start(words)?.finish()
}

/// Runs one `ip` for all lines of the script.
pub(crate) fn batch(script: &str) -> Result<()> {
    let mut running = start_batch()?;
    // If ip ended early, its error is more useful than that of the write.
    let written = running.run(script);
    running.finish()?;
    written
}

/// Starts an `ip` that runs each line that it receives.
pub(crate) fn start_batch() -> Result<Running> {
    start("-batch -")
}

fn start(words: &str) -> Result<Running> {
    let child = Command::new("ip")
        .args(words.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "ip not found: install iproute2".to_owned(),
            _ => format!("running ip {words}: {error}"),
        })?;
    Ok(Running { words: words.to_owned(), child })
}

/// A running `ip`.
pub(crate) struct Running {
    words: String,
    child: Child,
}

impl Running {
    /// Sends lines to run, and does not wait for them.
    pub(crate) fn run(&mut self, lines: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().ok_or("ip has no input")?;
        stdin
            .write_all(lines.as_bytes())
            .map_err(|error| format!("writing to ip {}: {error}", self.words).into())
    }

    /// Waits until it ends, and returns its output, or an error if it failed.
    pub(crate) fn finish(self) -> Result<String> {
        let output = self
            .child
            .wait_with_output()
            .map_err(|error| format!("waiting for ip {}: {error}", self.words))?;
        ensure(output.status.success(), || {
            format!("ip {} failed with {}", self.words, output.status)
        })?;
        String::from_utf8(output.stdout)
            .map_err(|_| format!("the output of ip {} is not UTF-8", self.words).into())
    }
}
