//! Network namespaces and the veth pairs between them.
//!
//! ```text
//!        192.0.2.1            192.0.2.2
//!                 ┌─ port1 ══ peer      one namespace
//!          team0 ─┤
//!                 └─ port2 ══ peer      another one
//! ```
//!
//! Each far end has a namespace of its own, and both act as the same peer, with the same hardware
//! address and IP address. So the peer's socket in a namespace receives exactly what came over one
//! port.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::thread;

use libteam::{IfIndex, Link, TeamHandle};
use nix::sched::{CloneFlags, setns};

use crate::Result;
use crate::ip::{self, Running, ip};
use crate::namespace::enter_new_namespace;

const TEAM_ADDRESS: &str = "192.0.2.1";
const PEER_ADDRESS: &str = "192.0.2.2";
const PEER_HWADDR: &str = "02:00:00:00:00:02";
const PEER_PORT: u16 = 4000;

/// Gives the team its address and sets it up.
pub(crate) fn configure(team: &str) -> Result<()> {
    ip(&format!("address add {TEAM_ADDRESS}/24 dev {team}"))?;
    ip(&format!("link set {team} up"))?;
    Ok(())
}

/// Returns a socket on the team's side that sends to the peer.
pub(crate) fn socket_to_peer() -> Result<UdpSocket> {
    let connect = || {
        let socket = UdpSocket::bind((TEAM_ADDRESS, 0))?;
        socket.connect((PEER_ADDRESS, PEER_PORT))?;
        Ok(socket)
    };
    connect().map_err(|error: std::io::Error| {
        format!("opening a socket to {PEER_ADDRESS}: {error}").into()
    })
}

/// The far end of a veth pair. The near end becomes a port of the team.
pub(crate) struct FarEnd {
    port_name: &'static str,
    port: IfIndex,
    namespace: Namespace,
    /// Runs in the namespace and waits for commands: starting a process for each command would
    /// disturb the measurement.
    operator: Running,
}

impl FarEnd {
    /// Creates the pair and sets its far end up.
    ///
    /// The near end gets the team's address: in the mode `activebackup` ports keep their own, and a
    /// port receives only packets that are addressed to it.
    pub(crate) fn create(team: &mut TeamHandle, port_name: &'static str) -> Result<Self> {
        let address =
            team.team_link().and_then(Link::hwaddr).ok_or("the team has no hardware address")?;
        let namespace = Namespace::new()?;
        let place = namespace.path();
        ip(&format!(
            "link add {port_name} address {address} type veth peer name peer address {PEER_HWADDR} netns {place}"
        ))?;
        let operator = namespace.within(|| {
            ip(&format!("address add {PEER_ADDRESS}/24 dev peer"))?;
            ip("link set peer up")?;
            ip::start_batch()
        })?;
        Ok(Self { port_name, port: team.lookup_ifindex(port_name)?, namespace, operator })
    }

    pub(crate) fn port_name(&self) -> &str {
        self.port_name
    }

    pub(crate) fn port(&self) -> IfIndex {
        self.port
    }

    /// Returns a socket of the peer that receives what comes over this port.
    pub(crate) fn listen(&self) -> Result<UdpSocket> {
        self.namespace.within(|| {
            UdpSocket::bind((PEER_ADDRESS, PEER_PORT))
                .map_err(|error| format!("opening the socket of the peer: {error}").into())
        })
    }

    /// Sets the far end `up` or `down`, so that the port gets or loses its carrier. Does not wait
    /// until that has happened.
    pub(crate) fn set(&mut self, state: &str) -> Result<()> {
        self.operator.run(&format!("link set peer {state}\n"))
    }

    /// Returns an error if one of the commands failed.
    pub(crate) fn close(self) -> Result<()> {
        self.operator.finish().map(drop)
    }
}

/// A network namespace that lives as long as this value.
struct Namespace {
    file: File,
}

impl Namespace {
    fn new() -> Result<Self> {
        on_own_thread(|| {
            enter_new_namespace()?;
            let file = File::open("/proc/thread-self/ns/net")
                .map_err(|error| format!("opening a network namespace: {error}"))?;
            Ok(Self { file })
        })
    }

    /// Runs a job in the namespace.
    fn within<T: Send>(&self, job: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_own_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET)
                .map_err(|error| format!("entering a network namespace: {error}"))?;
            job()
        })
    }

    /// Returns a path for other processes.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// Runs a job on a thread that may change its namespace, because it ends with the job.
fn on_own_thread<T: Send>(job: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(job).join()).map_err(|_| "a thread panicked")?
}
