//! The example `active_backup`, running while a test changes its team.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::directory::Directory;
use crate::support::netns::{ip, ip_json, veth};
use crate::support::programs::example;
use crate::support::timeouts::timeout;

/// The hardware address of the team, as [`two_ports`] has it.
pub(crate) const TEAM_HWADDR: &str = "02:00:00:00:00:aa";

/// A daemon in the network namespace of the thread that started it.
pub(crate) struct Daemon {
    child: Child,
    directory: Directory,
}

impl Daemon {
    /// Starts a daemon with this configuration, and waits until it replies.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_with(config, &[], &[])
    }

    /// Starts a daemon with more arguments and environment variables.
    pub(crate) fn start_with(config: &Value, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = Directory::for_sockets();
        File::create(directory.join("log")).unwrap();
        Self::start_in(directory, config, words, variables)
    }

    /// Starts a daemon whose standard error cannot be written to.
    pub(crate) fn start_without_reader(config: &Value) -> Self {
        let directory = Directory::for_sockets();
        symlink("/dev/full", directory.join("log")).unwrap();
        Self::start_in(directory, config, &[], &[])
    }

    fn start_in(
        directory: Directory,
        config: &Value,
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        fs::write(directory.join("config"), config.to_string()).unwrap();
        let child = Command::new(example("active_backup"))
            .args(words)
            .arg("--socket")
            .arg(directory.join("socket"))
            .arg(directory.join("config"))
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).open(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Self { child, directory };
        let deadline = Instant::now() + timeout();
        while daemon.query().is_none() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the daemon did not start: {ended:?}\n{}",
                daemon.log()
            );
            sleep(Duration::from_millis(5));
        }
        daemon
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns what the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }

    /// Returns the daemon's status.
    pub(crate) fn status(&self) -> Value {
        self.query().unwrap_or_else(|| panic!("the daemon does not reply:\n{}", self.log()))
    }

    fn query(&self) -> Option<Value> {
        let mut text = String::new();
        let mut stream = UnixStream::connect(self.directory.join("socket")).ok()?;
        stream.set_read_timeout(Some(timeout())).unwrap();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Queries the status until a condition holds; panics after the timeout.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + timeout();
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "timeout: {what}: {status:#}\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }

    /// Queries the status until this link is the active port.
    #[track_caller]
    pub(crate) fn until_active(&self, link: &str) -> Value {
        self.until(&format!("{link} is active"), |status| status["active"] == link)
    }

    /// Queries the status until a port has this state.
    #[track_caller]
    pub(crate) fn until_port(&self, port: &str, state: &str) -> Value {
        self.until(&format!("{port} is {state}"), |status| status["ports"][port]["state"] == state)
    }

    /// Returns the processor time that the daemon has used so far, in hundredths of a second.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The name, which may contain spaces, is in parentheses; utime and stime are fields 14 and
        // 15.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).unwrap();
    }

    /// Sends a signal to the daemon, and returns its exit status.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let deadline = Instant::now() + timeout();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The daemon may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates the veth pairs `eth1` and `far1`, and so on, whose ends send nothing by themselves.
pub(crate) fn veth_pairs(count: u32) {
    crate::support::neighbourhood::set_ipv6("default", "disable_ipv6", "1");
    for number in 1..=count {
        veth_pair(number);
    }
}

/// Creates one of the veth pairs. The hardware address of `eth1` ends with 1.
pub(crate) fn veth_pair(number: u32) {
    veth(&format!("eth{number}"), &format!("far{number}"));
    ip(&format!("link set eth{number} address {}", own_hwaddr(number)));
}

/// Returns the hardware address of `ethN` before the link becomes a port.
pub(crate) fn own_hwaddr(number: u32) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// Returns a configuration with these ports and further settings.
pub(crate) fn config(ports: &Value, more: &Value) -> Value {
    let mut config = json!({"device": "team0", "runner": {"name": "activebackup"}, "ports": ports});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// Returns a configuration with `eth1`, which is preferred, and `eth2`.
pub(crate) fn two_ports() -> Value {
    config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &json!({"hwaddr": TEAM_HWADDR}))
}

pub(crate) fn hwaddr(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["address"].as_str().unwrap().to_owned()
}

/// Returns the master of a link, or an empty string.
pub(crate) fn master(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["master"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + timeout();
    while !holds() {
        assert!(Instant::now() < deadline, "timeout: {what}");
        sleep(Duration::from_millis(10));
    }
}
