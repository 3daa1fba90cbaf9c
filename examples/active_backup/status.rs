//! The status of the daemon, and the client that requests it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::Result;

/// The time that the daemon has for its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The status of the daemon.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) device: String,
    /// `None` while the device does not exist.
    pub(crate) ifindex: Option<u32>,
    pub(crate) hwaddr: Option<String>,
    /// The name of the active port's link.
    pub(crate) active: Option<String>,
    /// How often the active port changed.
    pub(crate) failovers: u64,
    pub(crate) announcements: u64,
    /// How often notifications were lost and the state was read again.
    pub(crate) resyncs: u64,
    /// By their configured names.
    pub(crate) ports: BTreeMap<String, PortStatus>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PortStatus {
    pub(crate) state: PortState,
    pub(crate) is_active: bool,
    pub(crate) prio: i32,
    pub(crate) sticky: bool,
    pub(crate) ifindex: Option<u32>,
    /// The name that the link has now.
    pub(crate) link: Option<String>,
    pub(crate) hwaddr: Option<String>,
    pub(crate) speed_mbps: Option<u32>,
    /// The milliseconds until the state changes, if the link stays as it is.
    pub(crate) changes_in_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PortState {
    /// The port does not exist.
    #[default]
    Absent,
    Up,
    Down,
}

/// Requests the status of the daemon that listens on a path; returns it as JSON or as text.
pub(crate) fn ask(path: &Path, as_json: bool) -> Result<String> {
    let text = receive(path)?;
    let status: Status = serde_json::from_str(&text).map_err(|error| {
        format!("invalid status from the daemon at {}: {error}", path.display())
    })?;
    Ok(if as_json { text + "\n" } else { status.to_string() })
}

/// Receives what the daemon sends. A daemon that hangs can delay the connection or any byte, so
/// both have a timeout.
fn receive(path: &Path) -> Result<String> {
    let end = Instant::now() + TIMEOUT;
    let failed = |what: &str, error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            format!("the daemon at {} does not answer within {TIMEOUT:?}", path.display())
        }
        _ => format!("{what} the daemon at {}: {error}", path.display()),
    };
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The timeout applies to connect(2) too: unix(7) cannot poll for a connection in progress.
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.connect(&SockAddr::unix(path)?).map_err(|error| failed("connecting to", error))?;
    let mut stream = UnixStream::from(OwnedFd::from(socket));
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let remaining = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(remaining))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(String::from_utf8(text)?),
            Ok(length) if Instant::now() < end => text.extend(buffer.iter().take(length)),
            Ok(_) => return Err(failed("", io::ErrorKind::WouldBlock.into()).into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("receiving from", error).into()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        writeln!(
            f,
            "{}: active {}, hwaddr {}, {} failovers, {} announcements, {} resyncs",
            self.device,
            or_dash(self.active.as_deref()),
            or_dash(self.hwaddr.as_deref()),
            self.failovers,
            self.announcements,
            self.resyncs
        )?;
        writeln!(
            f,
            "  {:15} {:6} {:>6} {:6} {:>10} {:17} LINK",
            "PORT", "STATE", "PRIO", "STICKY", "SPEED", "HWADDR"
        )?;
        for (name, port) in &self.ports {
            writeln!(
                f,
                "{} {name:15} {:6} {:>6} {:6} {:>10} {:17} {}",
                if port.is_active { '*' } else { ' ' },
                port.state,
                port.prio,
                if port.sticky { "yes" } else { "no" },
                port.speed_mbps.map_or_else(|| "-".to_owned(), |speed| format!("{speed} Mb/s")),
                or_dash(port.hwaddr.as_deref()),
                or_dash(port.link.as_deref()),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}
