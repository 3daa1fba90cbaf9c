//! A teamd that runs beside a test.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use super::library::{Library, scratch};
use super::process::Process;
use super::wait::{timeout, wait_for, wait_within};

pub(crate) struct Teamd {
    pub(crate) process: Process,
    pub(crate) library: Library,
    device: String,
}

impl Teamd {
    /// Starts teamd with a configuration, and returns when it answers.
    pub(crate) fn start(library: Library, config: &Value) -> Self {
        Self::start_with(library, config, &[], &[])
    }

    /// Starts teamd with more arguments and environment variables, and returns when it answers.
    pub(crate) fn start_with(
        library: Library,
        config: &Value,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut teamd = Self::launch(library, config, arguments, environment);
        wait_for("teamd's first answer", || {
            assert_eq!(teamd.process.ended(), None, "teamd ended:\n{}", teamd.process.printed());
            teamd.try_state()
        });
        teamd
    }

    /// Starts teamd and does not wait.
    pub(crate) fn launch(
        library: Library,
        config: &Value,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let device = config["device"].as_str().unwrap_or("team0").to_owned();
        let mut command = library.command("teamd");
        command.args(["-t", &device, "-c", &config.to_string()]).args(arguments);
        command.envs(environment.iter().copied());
        let thread = std::thread::current();
        let name = thread.id();
        let output =
            scratch("output").join(format!("{}.{device}.{library:?}.{name:?}", std::process::id()));
        Self { process: Process::start(command, &output), library, device }
    }

    /// Runs `teamdctl DEVICE` with these words.
    pub(crate) fn control(&self, words: &str) -> Output {
        let mut command = self.library.command("teamdctl");
        command.arg(&self.device).args(words.split_whitespace());
        command.output().unwrap()
    }

    /// Runs `teamdctl DEVICE` with these words; panics if it fails.
    pub(crate) fn order(&self, words: &str) -> String {
        let output = self.control(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "teamdctl {words}: {stderr}\nteamd:\n{}",
            self.process.printed()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns `teamdctl state dump`, if teamd answers.
    pub(crate) fn try_state(&self) -> Option<Value> {
        let output = self.control("state dump");
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).expect("teamdctl prints JSON"))
    }

    /// Returns the state as a text to compare, without what differs from process to process, as
    /// soon as the state meets a condition.
    pub(crate) fn state_when(&mut self, what: &str, holds: impl FnMut(&Value) -> bool) -> String {
        self.state_within(timeout(), what, holds)
    }

    /// Like `state_when`, for a state that teamd may not reach with Debian's library.
    pub(crate) fn state_if_ever(
        &mut self,
        what: &str,
        holds: impl FnMut(&Value) -> bool,
    ) -> String {
        self.state_within(self.library.patience(), what, holds)
    }

    /// Like `state_when`, with another limit.
    pub(crate) fn state_within(
        &mut self,
        limit: Duration,
        what: &str,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> String {
        let mut last = Value::Null;
        let ended = wait_within(limit, || {
            if let Some(status) = self.process.ended() {
                return Some(Some(status));
            }
            last = self.try_state().unwrap_or(Value::Null);
            holds(&last).then_some(None)
        });
        if !last.is_null() {
            last["setup"]["pid"] = json!(0);
        }
        match ended {
            Some(None) => format!("{last:#}"),
            Some(Some(status)) => format!("teamd ended: {status}"),
            None => format!("not reached: {what}\n{last:#}"),
        }
    }

    /// Returns how teamd ends, which with Debian's library it may not.
    pub(crate) fn end_if_ever(&mut self) -> String {
        let ended = wait_within(self.library.patience(), || self.process.ended());
        ended.map_or("does not end".to_owned(), |status| status.to_string())
    }
}

/// Returns whether a port's link is up, for teamd.
pub(crate) fn is_up(state: &Value, port: &str) -> bool {
    state["ports"][port]["link"]["up"] == json!(true)
}

/// Returns the names of the ports that teamd has.
pub(crate) fn ports(state: &Value) -> Vec<&str> {
    state["ports"]
        .as_object()
        .map(|ports| ports.keys().map(String::as_str).collect())
        .unwrap_or_default()
}
