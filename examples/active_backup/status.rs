//! What others may ask of the daemon, over a socket in the file system: it answers each connection once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;

/// For so long the daemon has time to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// All that the daemon tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) device: String,
    /// `None` while there is no such device.
    pub(crate) ifindex: Option<u32>,
    pub(crate) hwaddr: Option<String>,
    /// The name of the active port's link.
    pub(crate) active: Option<String>,
    /// How often another port became active.
    pub(crate) failovers: u64,
    pub(crate) announcements: u64,
    /// How often notifications were lost and everything was asked for again.
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
    /// After how many milliseconds the opposite state counts, if the link stays as it is.
    pub(crate) changes_in_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PortState {
    /// There is no such port.
    #[default]
    Absent,
    Up,
    Down,
}

/// Where the daemon listens. The file goes with it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Listens. An error if another daemon answers there; what one left behind that was killed is replaced.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if UnixStream::connect(path).is_ok() {
            return Err(format!("{}: another one is running", path.display()).into());
        }
        if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers all who ask. Who does not listen gets nothing.
    pub(crate) fn answer(&self, status: impl Fn() -> Status) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let text = serde_json::to_vec(&status())?;
                    let _who_asked_may_be_gone = stream.write_all(&text);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // One that gave up while it waited is no trouble of the others.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _somebody_may_have_removed_it = fs::remove_file(&self.path);
    }
}

/// Asks the daemon that listens there; its answer as JSON, or for people.
pub(crate) fn ask(path: &Path, as_json: bool) -> Result<String> {
    let mut stream =
        UnixStream::connect(path).map_err(|error| format!("no daemon answers at {}: {error}", path.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .map_err(|error| format!("the daemon at {} does not answer: {error}", path.display()))?;
    if as_json {
        text.push('\n');
        return Ok(text);
    }
    let status: Status = serde_json::from_str(&text)?;
    Ok(status.to_string())
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
        writeln!(f, "  {:15} {:6} {:>6} {:6} {:>10} {:17} LINK", "PORT", "STATE", "PRIO", "STICKY", "SPEED", "HWADDR")?;
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
