use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::time::Duration;

use log::warn;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::model::link_scope::LinkScope;
use crate::netlink::builder::{MAX_RECEIVE_BUFFER, SocketBuilder};
use crate::netlink::codec::link::RTNLGRP_LINK;
use crate::netlink::error::ErrorContext;
use crate::netlink::filter;
use crate::netlink::ifname;
use crate::netlink::multicast::{Filter, MulticastSocket};
use crate::netlink::protocol::Protocol;
use crate::netlink::ready_fd::ReadyFd;
use crate::rtnl::{LinkInfo, NewLink, RtnlSocket};
use crate::team::TeamHandle;
use crate::team::driver::TeamDriver;
use crate::team::event_filter::EventFilter;
use crate::team::session::Session;

/// The environment variable with the receive buffer size, the same as in the C library.
const BUFFER_VARIABLE: &str = "TEAM_EVENT_BUFSIZE";
/// The default receive buffer size of the event sockets, in bytes.
///
/// The kernel doubles the size, and counts 2304 bytes for a link notification. The buffer thus
/// holds 920 notifications, as many as one process can cause in 200 ms (`cargo bench --bench cost
/// -- notify`, in User Mode Linux). Even if all links are tracked, a program may be busy for that
/// time before events are lost. The buffer uses memory only for queued events, and grows after an
/// overrun.
const DEFAULT_RECEIVE_BUFFER: usize = 1 << 20;
/// The default limit of the receive buffer size in bytes, which four doublings reach.
///
/// A buffer of this size holds the notifications of 3 s.
const DEFAULT_RECEIVE_BUFFER_LIMIT: usize = 16 << 20;

/// How many numbers are tried for a name pattern: as many as a kernel with pages of 4 KiB tries.
const MAX_NUMBERS: u32 = 32768;
/// How often `open_or_create` tries again while another process creates and deletes the team.
const MAX_OPEN_ATTEMPTS: u32 = 16;

/// A builder that opens or creates a team with other settings, or in another network namespace.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use libteam::{LinkScope, TeamHandle};
///
/// # test_netns::enter();
/// let team = TeamHandle::builder()
///     .link_scope(LinkScope::All)
///     .receive_buffer(4 << 20)
///     .receive_buffer_limit(64 << 20)
///     .command_timeout(Duration::from_secs(1))
///     .create("team0")?;
/// assert!(team.receive_buffers()?.link >= 4 << 20);
/// team.destroy()?;
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TeamBuilder {
    sockets: SocketBuilder,
    receive_buffer: Option<usize>,
    receive_buffer_limit: Option<usize>,
    link_scope: LinkScope,
    reads_environment: bool,
}

impl Default for TeamBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TeamBuilder {
    /// Returns a builder with the default settings.
    pub fn new() -> Self {
        Self {
            sockets: SocketBuilder::new(),
            receive_buffer: None,
            receive_buffer_limit: None,
            link_scope: LinkScope::default(),
            reads_environment: true,
        }
    }

    /// Returns a builder that opens sockets of a model of the kernel.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn with_sockets(sockets: SocketBuilder) -> Self {
        Self { sockets, reads_environment: false, ..Self::new() }
    }

    /// Sets the receive buffer size of each event socket in bytes; 1 MiB by default.
    ///
    /// The kernel doubles the size for its bookkeeping, and without `CAP_NET_ADMIN` limits it to
    /// `net.core.rmem_max`. [`TeamHandle::receive_buffers`] returns the resulting size. After an
    /// overrun of a buffer, the handle requests all links, ports and options again (a resync), so
    /// that its state is correct. The environment variable `TEAM_EVENT_BUFSIZE` takes precedence
    /// over this setting.
    ///
    /// # Source
    ///
    /// `SO_RCVBUF` and `SO_RCVBUFFORCE`, socket(7).
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Sets the limit in bytes for the growth of the receive buffers; 16 MiB by default.
    ///
    /// After each overrun, a receive buffer is doubled up to this limit. If
    /// [`receive_buffer`](Self::receive_buffer) or `TEAM_EVENT_BUFSIZE` sets the size, the default
    /// limit is that size.
    pub fn receive_buffer_limit(mut self, bytes: usize) -> Self {
        self.receive_buffer_limit = Some(bytes);
        self
    }

    /// Ignores the environment variable `TEAM_EVENT_BUFSIZE`.
    pub fn ignore_environment(mut self) -> Self {
        self.reads_environment = false;
        self
    }

    /// Sets how many times a dump of the links is requested at most; 5 by default.
    ///
    /// The handle requests a dump again if changes interrupted it.
    ///
    /// The last attempt is used even if it was interrupted: see
    /// [`Changes::is_inconsistent`](crate::Changes::is_inconsistent).
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP_INTR`, `linux/netlink.h`.
    pub fn dump_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.sockets = self.sockets.dump_attempts(attempts);
        self
    }

    /// Sets which links the handle tracks; by default, those of the team and its ports.
    pub fn link_scope(mut self, scope: LinkScope) -> Self {
        self.link_scope = scope;
        self
    }

    /// Sets how long to wait for the kernel's reply to one request; 5 seconds by default.
    ///
    /// The timeout does not limit how long a call takes: sending a request can wait for the
    /// kernel's rtnl lock, and one call can send several requests. See
    /// [`SocketBuilder::command_timeout`].
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.sockets = self.sockets.command_timeout(timeout);
        self
    }

    /// Sets the network namespace of the team; by default, that of the calling thread.
    ///
    /// The calling thread does not change its namespace, and the handle works from any thread. See
    /// [`SocketBuilder::in_namespace`] for the descriptor and the permissions.
    ///
    /// # Errors
    ///
    /// Those of [`SocketBuilder::in_namespace`]. Opening or creating the team fails later with
    /// [`Error::Io`] if the descriptor is not a network namespace (`EINVAL`), or the caller may not
    /// enter it (`EPERM`).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use libteam::{ErrorKind, TeamHandle};
    ///
    /// # test_netns::enter();
    /// // Or a file under /run/netns, /proc/PID/ns/net, or a pidfd.
    /// let there = File::open("/proc/thread-self/ns/net")?;
    /// # test_netns::enter();
    /// let team = TeamHandle::builder().in_namespace(&there)?.create("team0")?;
    ///
    /// let here = TeamHandle::open("team0");
    /// assert_eq!(here.unwrap_err().kind(), ErrorKind::NotFound);
    /// team.destroy()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(mut self, namespace: impl AsFd) -> Result<Self> {
        self.sockets = self.sockets.in_namespace(namespace)?;
        Ok(self)
    }

    /// Creates a team and opens it, like [`TeamHandle::create`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::create`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkScope, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::builder().link_scope(LinkScope::All).create("team0")?;
    /// assert!(team.links().any(|link| link.name() == "lo"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn create(&self, name: impl AsRef<OsStr>) -> Result<TeamHandle> {
        let name = name.as_ref();
        ifname::validate_ifname(name)?;
        self.create_with(self.sockets.rtnl()?, name)
    }

    /// Creates a team with the first free number in its name, like [`TeamHandle::create_numbered`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::create_numbered`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkScope, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::builder().link_scope(LinkScope::All).create_numbered("team%d")?;
    /// assert_eq!(team.name(), "team0");
    /// assert!(team.links().any(|link| link.name() == "lo"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn create_numbered(&self, pattern: impl AsRef<OsStr>) -> Result<TeamHandle> {
        let pattern = pattern.as_ref();
        ifname::validate_pattern(pattern)?;
        let mut rtnl = self.sockets.rtnl()?;
        let mut number = 0;
        loop {
            let name = ifname::numbered(pattern, number);
            ifname::validate_ifname(&name)?;
            // The creation itself checks that the name is free, so that there is no race with other
            // processes.
            match rtnl.create_link(&NewLink::team(&name)) {
                Ok(ifindex) => return self.open_new(rtnl, ifindex, &name),
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                Err(error) if number + 1 == MAX_NUMBERS => return Err(error),
                Err(_) => number += 1,
            }
        }
    }

    /// Opens a team, or creates it if no link has the name, like [`TeamHandle::open_or_create`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::open_or_create`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkScope, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let builder = TeamHandle::builder().link_scope(LinkScope::All);
    /// let created = builder.open_or_create("team0")?;
    /// let opened = builder.open_or_create("team0")?;
    /// assert_eq!(opened.ifindex(), created.ifindex());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn open_or_create(&self, name: impl AsRef<OsStr>) -> Result<TeamHandle> {
        let name = name.as_ref();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let result = match self.open(name) {
                Err(Error::NoSuchDevice { .. }) => self.create(name),
                opened => opened,
            };
            // Another process created or deleted the team in the meantime.
            let has_changed = match &result {
                Err(Error::DeviceGone { .. }) => true,
                Err(error) => error.kind() == ErrorKind::AlreadyExists,
                Ok(_) => false,
            };
            if !has_changed || attempts == MAX_OPEN_ATTEMPTS {
                return result;
            }
        }
    }

    /// Deletes a team and creates it again, like [`TeamHandle::recreate`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::recreate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let builder = TeamHandle::builder().receive_buffer(4 << 20);
    /// let old = builder.create("team0")?;
    /// let new = builder.recreate("team0")?;
    /// assert_ne!(new.ifindex(), old.ifindex());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn recreate(&self, name: impl AsRef<OsStr>) -> Result<TeamHandle> {
        let name = name.as_ref();
        ifname::validate_ifname(name)?;
        let mut rtnl = self.sockets.rtnl()?;
        match rtnl.link_by_name(name) {
            // A link with this alternative name is not deleted: the creation below fails.
            Ok(link) if link.name_os() != name => {}
            Ok(link) => {
                let ifindex =
                    require_team(&link, || format!("recreating {}", name.to_string_lossy()))?;
                rtnl.delete(ifindex)
                    .with_context(|| format!("deleting team device {}", name.to_string_lossy()))?;
            }
            Err(Error::NoSuchDevice { .. }) => {}
            Err(error) => return Err(error),
        }
        self.create_with(rtnl, name)
    }

    /// Opens the team with this name or alternative name, like [`TeamHandle::open`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkScope, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let created = TeamHandle::create("team0")?;
    /// assert!(created.links().all(|link| link.name() != "lo"));
    ///
    /// let opened = TeamHandle::builder().link_scope(LinkScope::All).open("team0")?;
    /// assert!(opened.links().any(|link| link.name() == "lo"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn open(&self, name: impl AsRef<OsStr>) -> Result<TeamHandle> {
        let name = name.as_ref();
        let mut rtnl = self.sockets.rtnl()?;
        let op = || format!("opening {}", name.to_string_lossy());
        let link = rtnl.link_by_name(name).map_err(|error| match error {
            // An alternative name may be invalid as a name, so check the name only now.
            Error::NoSuchDevice { .. } => {
                ifname::validate_ifname(name).err().unwrap_or_else(|| error.with_op(op()))
            }
            error => error,
        })?;
        self.open_session(rtnl, require_team(&link, op)?, link.name_os())
    }

    /// Opens the team with this interface index, like [`TeamHandle::open_index`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::open_index`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let created = TeamHandle::create("team0")?;
    /// let opened = TeamHandle::builder().receive_buffer(4 << 20).open_index(created.ifindex())?;
    /// assert!(opened.receive_buffers()?.link >= 4 << 20);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn open_index(&self, ifindex: IfIndex) -> Result<TeamHandle> {
        let mut rtnl = self.sockets.rtnl()?;
        let op = || format!("opening link {ifindex}");
        let link = rtnl.link_by_index(ifindex).map_err(|error| error.with_op(op()))?;
        self.open_session(rtnl, require_team(&link, op)?, link.name_os())
    }

    fn create_with(&self, mut rtnl: RtnlSocket, name: &OsStr) -> Result<TeamHandle> {
        let ifindex = rtnl.create_link(&NewLink::team(name))?;
        self.open_new(rtnl, ifindex, name)
    }

    /// Opens the team that was just created, or deletes it if that fails.
    fn open_new(&self, rtnl: RtnlSocket, ifindex: IfIndex, name: &OsStr) -> Result<TeamHandle> {
        self.open_session(rtnl, ifindex, name).inspect_err(|_| {
            let name = name.to_string_lossy();
            // The caller returns the first error, so an error of the deletion is only logged.
            let rtnl = self.sockets.rtnl();
            let deleted = rtnl.and_then(|mut rtnl| {
                rtnl.delete(ifindex).with_context(|| format!("deleting {name}"))
            });
            if let Err(error) = deleted {
                warn!(
                    target: COMMAND,
                    "{name} was created, but cannot be opened and has to be deleted: {error}"
                );
            }
        })
    }

    /// Opens the other sockets and fills the cache.
    fn open_session(&self, rtnl: RtnlSocket, ifindex: IfIndex, name: &OsStr) -> Result<TeamHandle> {
        let preparing = || "preparing an event socket".to_owned();
        let netns =
            self.sockets.namespace().with_context(|| "finding the network namespace".to_owned())?;
        let mut genl = TeamDriver::resolve(self.sockets.connect(Protocol::GENERIC, Ok)?)?;
        let size = self.event_buffer()?;
        let sockets = self.sockets.clone().receive_buffer(size.unwrap_or(DEFAULT_RECEIVE_BUFFER));
        let limit = self.receive_buffer_limit.or(size).unwrap_or(DEFAULT_RECEIVE_BUFFER_LIMIT);
        let limit = 2 * limit.min(MAX_RECEIVE_BUFFER);
        let mut link_events = sockets.listener(Protocol::ROUTE)?;
        let mut team_events = sockets.listener(Protocol::GENERIC)?;
        // Set the filters first: a socket that joins its group without one receives all messages.
        let team_filter =
            Filter::of(&mut *team_events, Some(filter::team_events(ifindex, genl.family_id())));
        let mut link_filter = Filter::None;
        let event_filter = match self.link_scope {
            LinkScope::All => None,
            LinkScope::Team => {
                // The ports may change before the socket joins its group. The list is only a guess,
                // which saves requests for each port later.
                let links = genl.port_indices(ifindex).chain([ifindex]).collect();
                link_filter = Filter::of(&mut *link_events, filter::link_events(ifindex, &links));
                Some(EventFilter::new(ifindex, links))
            }
        };
        link_events.join(RTNLGRP_LINK).with_context(preparing)?;
        team_events.join(genl.event_group()).with_context(preparing)?;
        let readiness =
            ReadyFd::new(&[link_events.as_fd(), team_events.as_fd()]).with_context(preparing)?;
        // The name may change later, the index does not.
        let name_text = name.to_string_lossy();
        let label = |events| format!("{name_text} (index {ifindex}), {events} events");
        let link_events = MulticastSocket::from_boxed(link_events)
            .with_label(label("link"))
            .with_max_recv_buffer(limit)
            .filtered_by(link_filter);
        let team_events = MulticastSocket::from_boxed(team_events)
            .with_label(label("team"))
            .with_max_recv_buffer(limit)
            .filtered_by(team_filter);
        let cache = Cache::new(ifindex, name.into(), self.link_scope);
        let session = Session::open(rtnl, genl, link_events, team_events, cache, event_filter)
            .map_err(|error| error.with_op(format!("opening {}", name.to_string_lossy())))?;
        TeamHandle::new(session, readiness, netns)
    }

    /// Returns the receive buffer size that the environment or the caller sets, if any.
    fn event_buffer(&self) -> Result<Option<usize>> {
        let value = env::var_os(BUFFER_VARIABLE).filter(|_| self.reads_environment);
        let Some(value) = value else { return Ok(self.receive_buffer) };
        let size = value.to_str().and_then(|text| text.parse().ok());
        size.map(Some).ok_or_else(|| Error::InvalidSetting {
            setting: BUFFER_VARIABLE,
            value: value.to_string_lossy().into_owned(),
            reason: "expected a number of bytes",
        })
    }
}

/// Returns the index of the link, or an error if it is not a team.
fn require_team(link: &LinkInfo, op: impl FnOnce() -> String) -> Result<IfIndex> {
    if link.is_team() {
        Ok(link.ifindex())
    } else {
        Err(Error::NotTeam {
            op: op(),
            device: link.name().into_owned(),
            kind: link.kind().map(Cow::into_owned),
        })
    }
}
