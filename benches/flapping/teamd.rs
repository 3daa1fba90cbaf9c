//! teamd, unmodified, once for each team: it is asked for its state over its socket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;
use serde_json::Value;

use crate::c_library;
use crate::follow::monotonic;
use crate::process::processor_time;
use crate::scene::team_name;

/// How long teamd may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two questions about the state.
const INTERVAL: Duration = Duration::from_millis(20);

/// The longest answer.
const LONGEST: usize = 1 << 20;

/// One teamd, which creates its team.
pub(crate) struct Teamd {
    child: Child,
    name: String,
    log: PathBuf,
}

/// The ports that a teamd knows, with whether each is up.
pub(crate) type Ports = BTreeMap<u32, bool>;

impl Teamd {
    /// Starts teamd for a team; `library` is a file to use in place of Debian's libteam.so.5.
    pub(crate) fn start(number: u16, library: Option<&Path>) -> Self {
        let name = team_name(number);
        let root = c_library::root();
        let program = [root.join("usr/bin/teamd"), PathBuf::from("/usr/bin/teamd")];
        let program = program.iter().find(|program| program.exists()).expect("teamd is installed");
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
            .map(|directory| root.join(directory).display().to_string())
            .join(":");
        let config = format!(
            r#"{{"device": "{name}", "runner": {{"name": "activebackup"}}, "link_watch": {{"name": "ethtool"}}}}"#
        );
        let log = std::env::temp_dir().join(format!("teamd-{name}-{}", std::process::id()));
        let output = File::create(&log).unwrap();
        let child = Command::new(program)
            .args(["-U", "-t", &name, "-c", &config])
            .env("LD_LIBRARY_PATH", libraries)
            .envs(library.map(|library| ("LD_PRELOAD", library)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut teamd = Self { child, name, log };
        teamd.wait_until_open();
        teamd
    }

    fn wait_until_open(&mut self) {
        let start = Instant::now();
        while let Err(error) = self.ports() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "teamd ended: {log}");
            assert!(start.elapsed() < PATIENCE, "teamd does not answer: {error}: {log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for the ports.
    pub(crate) fn ports(&self) -> io::Result<Ports> {
        let reply = self.ask("StateDump")?;
        let state =
            reply.strip_prefix("REPLY_SUCCESS\n").ok_or_else(|| io::Error::other(reply.clone()))?;
        let state: Value = serde_json::from_str(state.trim_end_matches('\0'))?;
        let ports = state.get("ports").and_then(Value::as_object);
        let port = |port: &Value| {
            let ifindex = port.pointer("/ifinfo/ifindex")?.as_u64()?;
            Some((u32::try_from(ifindex).ok()?, port.pointer("/link/up")?.as_bool()?))
        };
        Ok(ports.into_iter().flat_map(|ports| ports.values()).filter_map(port).collect())
    }

    fn ask(&self, method: &str) -> io::Result<String> {
        let none = SockFlag::SOCK_CLOEXEC;
        let socket: OwnedFd = socket(AddressFamily::Unix, SockType::SeqPacket, none, None)?;
        let patience = TimeVal::new(PATIENCE.as_secs().try_into().unwrap(), 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        let path = format!("/run/teamd/{}.sock", self.name);
        connect(socket.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
        let request = format!("REQUEST\n{method}\n");
        send(socket.as_raw_fd(), request.as_bytes(), MsgFlags::empty())?;
        let mut reply = vec![0; LONGEST];
        let length = recv(socket.as_raw_fd(), &mut reply, MsgFlags::empty())?;
        reply.truncate(length);
        String::from_utf8(reply).map_err(io::Error::other)
    }

    /// Returns what teamd wrote last, and how it ended, if it has.
    pub(crate) fn failure(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(4).collect();
        Some(format!("teamd of {} ended ({status}): {}", self.name, last.join(" < ")))
    }

    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.child.id())
    }
}

impl Drop for Teamd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for file in [PathBuf::from(format!("/run/teamd/{}.pid", self.name)), self.log.clone()] {
            let _ = fs::remove_file(file);
        }
    }
}

/// Asks all of them again and again until their answers are `wanted`, which is known once the
/// kernel is quiet; returns since when they were, and the number of ports that are wrong at the
/// end.
pub(crate) fn wait_until_right(
    teamds: &[Teamd],
    quiet: Duration,
    wanted: impl FnOnce() -> Vec<Ports>,
    patience: Duration,
) -> (Option<Duration>, usize) {
    let mut answers = Vec::new();
    while monotonic() < quiet {
        answers.push((monotonic(), ask_all(teamds)));
        thread::sleep(INTERVAL);
    }
    let wanted = wanted();
    let end = monotonic() + patience;
    loop {
        let right = answers.iter().rev().take_while(|(_, ports)| *ports == wanted).last();
        if let Some((since, _)) = right {
            return (Some(*since), 0);
        }
        let last = ask_all(teamds);
        if monotonic() > end {
            eprintln!("teamd has {last:?}, the kernel has {wanted:?}");
            teamds
                .iter()
                .filter_map(|teamd| teamd.ports().err())
                .for_each(|error| eprintln!("teamd: {error}"));
            return (None, wrong(&last, &wanted));
        }
        answers.push((monotonic(), last));
        thread::sleep(INTERVAL);
    }
}

fn ask_all(teamds: &[Teamd]) -> Vec<Ports> {
    teamds.iter().map(|teamd| teamd.ports().unwrap_or_default()).collect()
}

/// How many ports are missing, too many, or in another state.
fn wrong(found: &[Ports], wanted: &[Ports]) -> usize {
    let differ = |(found, wanted): (&Ports, &Ports)| {
        let indices = found.keys().chain(wanted.keys().filter(|port| !found.contains_key(port)));
        indices.filter(|port| found.get(port) != wanted.get(port)).count()
    };
    found.iter().zip(wanted).map(differ).sum()
}
