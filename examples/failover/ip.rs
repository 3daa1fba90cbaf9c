//! Runs `ip` of iproute2 in the network namespace of the calling thread. What it complains about is
//! for all to see.

use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use crate::{Result, ensure};

/// Runs `ip` with these words, and returns what it prints.
pub(crate) fn ip(words: &str) -> Result<String> {
    start(words)?.finish()
}

/// Runs one `ip` for all lines of the script.
pub(crate) fn batch(script: &str) -> Result<()> {
    let mut running = start_batch()?;
    // If ip has ended early, that is the better error.
    let written = running.run(script);
    running.finish()?;
    written
}

/// Starts an `ip` that runs one line after the other as it gets them.
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
            io::ErrorKind::NotFound => "there is no command ip: install iproute2".to_owned(),
            _ => format!("cannot run ip {words}: {error}"),
        })?;
    Ok(Running { words: words.to_owned(), child })
}

/// An `ip` that runs.
pub(crate) struct Running {
    words: String,
    child: Child,
}

impl Running {
    /// Gives it lines to run, and does not wait until they are done.
    pub(crate) fn run(&mut self, lines: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().ok_or("ip has no input")?;
        stdin
            .write_all(lines.as_bytes())
            .map_err(|error| format!("cannot write to ip {}: {error}", self.words).into())
    }

    /// Waits for its end, and returns what it printed; an error if it failed.
    pub(crate) fn finish(self) -> Result<String> {
        let output = self
            .child
            .wait_with_output()
            .map_err(|error| format!("cannot wait for ip {}: {error}", self.words))?;
        ensure(output.status.success(), || {
            format!("ip {} failed with {}", self.words, output.status)
        })?;
        String::from_utf8(output.stdout)
            .map_err(|_| format!("ip {} printed no text", self.words).into())
    }
}
