//! The example `active_backup` as it runs beside a test.

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

/// A daemon in the namespace of the thread that started it.
pub(crate) struct Daemon {
    child: Child,
    directory: Directory,
}

impl Daemon {
    /// Starts it with this configuration, and waits until it answers.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_with(config, &[], &[])
    }

    /// Starts it with more words on its command line, and with variables in its environment.
    pub(crate) fn start_with(config: &Value, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = Directory::for_sockets();
        File::create(directory.join("log")).unwrap();
        Self::start_in(directory, config, words, variables)
    }

    /// Starts one whose standard error takes nothing.
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
        while daemon.ask().is_none() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "it does not start: {ended:?}\n{}",
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

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }

    /// What it answers.
    pub(crate) fn status(&self) -> Value {
        self.ask().unwrap_or_else(|| panic!("it does not answer:\n{}", self.log()))
    }

    fn ask(&self) -> Option<Value> {
        let mut text = String::new();
        let mut stream = UnixStream::connect(self.directory.join("socket")).ok()?;
        stream.set_read_timeout(Some(timeout())).unwrap();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Asks until the answer is this; panics if it never is.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + timeout();
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not happen: {what}: {status:#}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(5));
        }
    }

    /// Asks until this link is the active port.
    #[track_caller]
    pub(crate) fn until_active(&self, link: &str) -> Value {
        self.until(&format!("{link} is active"), |status| status["active"] == link)
    }

    /// Asks until a port has this state.
    #[track_caller]
    pub(crate) fn until_port(&self, port: &str, state: &str) -> Value {
        self.until(&format!("{port} is {state}"), |status| status["ports"][port]["state"] == state)
    }

    /// Returns how long it has run so far, for itself and in the kernel, in hundredths of a second.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The name, which may have spaces, is in parentheses; utime and stime are the 14th and the
        // 15th.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).unwrap();
    }

    /// Ends it, and returns how it ended.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let deadline = Instant::now() + timeout();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the virtual cables `eth1` to `far1`, and so on, whose ends send nothing by themselves.
pub(crate) fn cables(count: u32) {
    crate::support::neighbourhood::set_ipv6("default", "disable_ipv6", "1");
    for number in 1..=count {
        cable(number);
    }
}

/// Makes one of the cables. The hardware address of `eth1` ends with 1.
pub(crate) fn cable(number: u32) {
    veth(&format!("eth{number}"), &format!("far{number}"));
    ip(&format!("link set eth{number} address {}", own_hwaddr(number)));
}

/// The hardware address of a cable's end before it is a port.
pub(crate) fn own_hwaddr(number: u32) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// A configuration with these ports, and what else is given.
pub(crate) fn config(ports: &Value, more: &Value) -> Value {
    let mut config = json!({"device": "team0", "runner": {"name": "activebackup"}, "ports": ports});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// A configuration of `eth1`, which is preferred, and `eth2`.
pub(crate) fn two_ports() -> Value {
    config(&json!({"eth1": {"prio": 10}, "eth2": {}}), &json!({"hwaddr": TEAM_HWADDR}))
}

pub(crate) fn hwaddr(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["address"].as_str().unwrap().to_owned()
}

/// The master of a link; empty for none.
pub(crate) fn master(link: &str) -> String {
    ip_json(&format!("link show dev {link}"))[0]["master"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + timeout();
    while !holds() {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        sleep(Duration::from_millis(10));
    }
}
