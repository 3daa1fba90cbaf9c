//! [`TeamHandle`]: opens, creates and controls one team, and tracks its changes.
//!
//! | file | contents |
//! |---|---|
//! | `builder` | settings, and everything that opens a handle |
//! | `session` | the sockets and the cache, kept in step: events, lost events, resync |
//! | `event_filter`, `driver` | the filter of link events; requests to the team driver |
//! | `events`, `handlers` | waiting, `handle_events`, and the delivery of changes |
//! | `accessors` | methods that read the cache |
//! | `mode`, `ports`, `port_options`, `options`, `set_results`, `notify`, `load_balance`, `links` | commands |
//! | `announce` | gratuitous ARP and neighbour advertisements |
//!
//! The room uses all rooms below it except `link_events`. Only `testing` and the crate root use it.

mod accessors;
pub(crate) mod announce;
pub(crate) mod builder;
pub(crate) mod driver;
pub(crate) mod event_filter;
mod events;
pub(crate) mod handlers;
mod links;
mod load_balance;
mod mode;
mod notify;
mod options;
mod port_options;
mod ports;
pub(crate) mod session;
mod set_results;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use log::warn;

use crate::error::Result;
use crate::log_target::RESYNC;
use crate::model::ifindex::IfIndex;
use crate::netlink::error::ErrorContext;
use crate::netlink::ready_fd::ReadyFd;
use crate::team::builder::TeamBuilder;
use crate::team::handlers::Handlers;
use crate::team::session::Session;

/// The log text for a cache that could not be updated after a command.
const CACHE_IS_OUTDATED: &str =
    "updating the cache after a command failed, it is outdated until handle_events succeeds";

/// A handle that controls one team device and tracks its changes.
///
/// ```text
///    set_mode, add_port, set_option, …                  ports, option, link, …
///                  │ commands                                    ▲ reads
///  ┌───────────────▼───────────── TeamHandle ────────────────────┴────────────┐
///  │  request sockets                                     ┌──────────────────┐│
///  │    rtnetlink, family "team" ────── replies ─────────►│      cache       ││
///  │  event sockets                                       │  links           ││
///  │    RTNLGRP_LINK, change_event ───── events ─────────►│  ports           ││
///  │         │                                            │  options         ││
///  │   epoll descriptor                                   └────────┬─────────┘│
///  └─────────┼─────────────────────────────────────────────────────┼──────────┘
///            ▼ readable                                            ▼ Changes
///       event loop, wait                              handle_events, change handlers
/// ```
///
/// The cache contains the team's ports and options, the team's own link and the links of its ports;
/// with [`LinkScope::All`](crate::LinkScope::All), it contains all links of the network namespace.
/// Reading the cache takes no system call.
///
/// [`handle_events`](Self::handle_events) brings the cache up to date, and so does each command.
/// After a command, the cache contains everything that the kernel announced before its
/// acknowledgement: ports, options, names, addresses. The kernel announces a carrier later, and not
/// at all while the link is down: see [`set_carrier`](Self::set_carrier). The next `handle_events`
/// returns the changes that a command found.
///
/// Dropping the handle closes its sockets and does not change the team.
///
/// # Permissions
///
/// The team driver requires `CAP_NET_ADMIN` in the *initial* user namespace: root in an
/// unprivileged container gets an [`Error::Kernel`](crate::Error::Kernel) with `EPERM`.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{NewLink, RtnlSocket};
/// use libteam::{Mode, TeamHandle};
///
/// # test_netns::enter();
/// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
/// let mut team = TeamHandle::create("team0")?;
/// team.set_mode(Mode::ActiveBackup)?;
/// team.add_port(eth1)?;
/// team.set_active_port(eth1)?;
/// assert_eq!((team.mode(), team.active_port()), (Some(Mode::ActiveBackup), Some(eth1)));
///
/// for port in team.ports() {
///     println!("{port}, priority {:?}", team.port_priority(port.ifindex()));
/// }
/// team.destroy()?;
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// The generic netlink family `team` for ports and options: `linux/if_team.h`, and the kernel's
/// `drivers/net/team/`. rtnetlink(7) for links.
#[doc(alias = "team_handle")]
#[doc(alias = "team_alloc")]
#[doc(alias = "team_free")]
#[doc(alias = "bond")]
pub struct TeamHandle {
    pub(crate) session: Session,
    readiness: ReadyFd,
    /// The network namespace of the sockets, if it is known.
    pub(crate) netns: Option<File>,
    handlers: Handlers<Self>,
}

/// # Opening, creating and deleting a team
impl TeamHandle {
    /// Creates a team device, which is down and has no mode, and opens it.
    ///
    /// The kernel loads the driver if necessary.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`](crate::Error::InvalidName) before anything is sent.
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EEXIST` if a link of any kind has this name
    ///   or alternative name, with `EOPNOTSUPP` if the kernel has no team driver, or with `EPERM`
    ///   without `CAP_NET_ADMIN`.
    /// - The errors of [`open_index`](Self::open_index); the new device is then deleted again.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::create("team0")?;
    /// assert_eq!(team.mode(), Some(Mode::Unset));
    ///
    /// let again = TeamHandle::create("team0");
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWLINK` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7).
    #[doc(alias = "team_create")]
    pub fn create(name: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().create(name)
    }

    /// Creates a team device with the first free number in its name, and opens it.
    ///
    /// `%d` in the pattern stands for the number: the smallest one, counted from 0, for which no
    /// link has the resulting name or alternative name. The kernel and the C library use `team%d`
    /// for a team without a name. Other processes may create devices with the same pattern at the
    /// same time: each call gets a device of its own. A call sends one request per number that it
    /// tries.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`](crate::Error::InvalidName) before anything is sent, for a pattern
    ///   without `%d` or with another `%`, and if the name with its number would be too long.
    /// - The errors of [`create`](Self::create), `EEXIST` only if the first 32768 numbers are
    ///   taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let first = TeamHandle::create_numbered("team%d")?;
    /// let second = TeamHandle::create_numbered("team%d")?;
    /// assert_eq!([first.name(), second.name()], ["team0", "team1"]);
    ///
    /// first.destroy()?;
    /// assert_eq!(TeamHandle::create_numbered("team%d")?.name(), "team0");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWLINK` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7); `dev_alloc_name` in the
    /// kernel's `net/core/dev.c`.
    #[doc(alias = "team_create")]
    pub fn create_numbered(pattern: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().create_numbered(pattern)
    }

    /// Opens the team device with this name, or creates it if no link has the name.
    ///
    /// An existing device keeps its mode, ports and options; the [`mode`](Self::mode) of a new one
    /// is [`Mode::Unset`](crate::Mode::Unset). If another process creates or deletes the device at
    /// the same time, the call tries again, up to 16 times.
    ///
    /// # Errors
    ///
    /// - [`Error::NotTeam`](crate::Error::NotTeam) if a link of another kind has the name.
    /// - The errors of [`open`](Self::open), except for
    ///   [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), and of [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// for _ in 0..2 {
    ///     let mut team = TeamHandle::open_or_create("team0")?;
    ///     team.set_mode(Mode::ActiveBackup)?; // does nothing if the mode is set already
    /// }
    /// assert!(matches!(TeamHandle::open_or_create("lo"), Err(Error::NotTeam { .. })));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK` and `RTM_NEWLINK`, rtnetlink(7).
    pub fn open_or_create(name: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().open_or_create(name)
    }

    /// Creates a team device, and deletes the team device with this name first, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::NotTeam`](crate::Error::NotTeam) if a link of another kind has the name, which is
    /// not deleted; otherwise the errors of [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// TeamHandle::create("team0")?.set_mode(Mode::Random)?;
    ///
    /// let team = TeamHandle::recreate("team0")?;
    /// assert_eq!(team.mode(), Some(Mode::Unset), "the device is a new one");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELLINK` and `RTM_NEWLINK`, rtnetlink(7).
    #[doc(alias = "team_recreate")]
    pub fn recreate(name: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().recreate(name)
    }

    /// Opens the team device with this name or alternative name.
    ///
    /// An alternative name may have up to 127 bytes and any characters.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if no link has the name, or
    ///   [`Error::InvalidName`](crate::Error::InvalidName) if no link can have it.
    /// - The errors of [`open_index`](Self::open_index).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let created = TeamHandle::create("team0")?;
    /// let opened = TeamHandle::open("team0")?;
    /// assert_eq!(opened.ifindex(), created.ifindex());
    ///
    /// assert!(matches!(TeamHandle::open("lo"), Err(Error::NotTeam { .. })));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); and those of [`open_index`](Self::open_index).
    #[doc(alias = "team_init")]
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().open(name)
    }

    /// Opens the team device with this interface index.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if no link has the index,
    ///   [`Error::NotTeam`](crate::Error::NotTeam) if the link is not a team, or
    ///   [`Error::FamilyNotFound`](crate::Error::FamilyNotFound) if the driver is not loaded.
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EPERM` without `CAP_NET_ADMIN` in the
    ///   initial user namespace.
    /// - [`Error::InvalidSetting`](crate::Error::InvalidSetting) if the environment variable
    ///   `TEAM_EVENT_BUFSIZE` is not a number.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone) if the device was deleted in the meantime.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let created = TeamHandle::create("team0")?;
    /// let opened = TeamHandle::open_index(created.ifindex())?;
    /// assert_eq!(opened.name(), "team0");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `CTRL_CMD_GETFAMILY`, `linux/genetlink.h`; `TEAM_CMD_PORT_LIST_GET` and
    /// `TEAM_CMD_OPTIONS_GET`, `linux/if_team.h`; `RTM_GETLINK`, rtnetlink(7).
    #[doc(alias = "team_init")]
    pub fn open_index(ifindex: IfIndex) -> Result<Self> {
        TeamBuilder::new().open_index(ifindex)
    }

    /// Returns a builder, for other settings than the defaults: see [`TeamBuilder`].
    pub fn builder() -> TeamBuilder {
        TeamBuilder::new()
    }

    pub(crate) fn new(session: Session, readiness: ReadyFd, netns: Option<File>) -> Result<Self> {
        let mut this = Self { session, readiness, netns, handlers: Handlers::default() };
        this.update_readiness()?;
        Ok(this)
    }

    /// Deletes the team device, and releases its ports, which are then down.
    ///
    /// # Errors
    ///
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone) if another process deleted the team
    ///   before.
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EPERM` without `CAP_NET_ADMIN`, and the
    ///   other errors of [`RtnlSocket::delete_link`](crate::rtnl::RtnlSocket::delete_link).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, TeamHandle};
    ///
    /// # test_netns::enter();
    /// TeamHandle::create("team0")?.destroy()?;
    /// assert_eq!(TeamHandle::open("team0").unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELLINK`, rtnetlink(7).
    #[doc(alias = "team_destroy")]
    pub fn destroy(mut self) -> Result<()> {
        let ifindex = self.ifindex();
        let op = |team: &str| format!("deleting team device {team}");
        self.sync(op)?;
        let result = self.session.rtnl.delete(ifindex);
        self.sync_after(&result, op)?;
        result.with_context(|| op(self.name()))
    }

    /// Brings the cache up to date before a command, and fails if the team was deleted. `op` makes
    /// the operation for the error from the name of the team.
    pub(crate) fn sync(&mut self, op: impl FnOnce(&str) -> String) -> Result<()> {
        let updated = self.session.update();
        self.update_readiness()?;
        updated?;
        self.ensure_exists(op)
    }

    fn ensure_exists(&self, op: impl FnOnce(&str) -> String) -> Result<()> {
        self.session.ensure_exists().map_err(|error| error.with_op(op(self.name())))
    }

    /// Brings the cache up to date with the effects of a command that was just sent.
    ///
    /// Fails if the command failed because the team was deleted.
    pub(crate) fn sync_after<R, E>(
        &mut self,
        result: &Result<R, E>,
        op: impl FnOnce(&str) -> String,
    ) -> Result<()> {
        // The kernel queues a command's events before it acknowledges the command. An error while
        // reading them is not an error of the command: the handle stays readable, and handle_events
        // returns the error.
        if let Err(error) = self.session.update() {
            warn!(target: RESYNC, "{}: {CACHE_IS_OUTDATED}: {error}", self.name());
        }
        self.update_readiness()?;
        if result.is_err() { self.ensure_exists(op) } else { Ok(()) }
    }

    /// Makes the descriptor readable while work is pending for which no socket is readable.
    pub(crate) fn update_readiness(&mut self) -> Result<()> {
        self.set_pending(self.session.is_pending() || self.handlers.is_pending())
    }

    pub(crate) fn set_pending(&mut self, pending: bool) -> Result<()> {
        let socket = self.session.event_socket();
        self.readiness
            .set_pending(socket, pending)
            .with_context(|| "setting the handle's readiness".to_owned())
    }
}

impl Drop for TeamHandle {
    fn drop(&mut self) {
        // A process that was forked in the meantime keeps the sockets open. A duplicate of the
        // descriptor would then stay readable.
        self.readiness.remove(&self.session.event_sockets());
    }
}

/// Prints what identifies the team, without the cache, which can be very long.
impl fmt::Debug for TeamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TeamHandle")
            .field("name", &self.name())
            .field("ifindex", &self.ifindex())
            .field("mode", &self.mode())
            .field("ports", &self.ports().len())
            .finish_non_exhaustive()
    }
}

/// Returns a descriptor that is readable while there are events to handle.
///
/// The descriptor is readable exactly while [`handle_events`](TeamHandle::handle_events) has
/// something to do. Use it with poll(2), epoll(7) or an event loop, but do not read from it. It
/// stays the same for the life of the handle; [`try_clone_fd`](TeamHandle::try_clone_fd) duplicates
/// it.
///
/// An edge-triggered loop (`EPOLLET`, which mio and tokio use) has to call `handle_events` once per
/// edge: if work remains, the call causes another edge.
///
/// # Examples
///
/// ```
/// use libteam::TeamHandle;
/// use rustix::event::{PollFd, PollFlags, poll};
///
/// # test_netns::enter();
/// let mut team = TeamHandle::create("team0")?;
/// team.set_notify_peers_count(3)?;
///
/// let mut waiting = [PollFd::new(&team, PollFlags::IN)]; // and other descriptors of the loop
/// poll(&mut waiting, None)?;
/// if waiting[0].revents().contains(PollFlags::IN) {
///     team.handle_events()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl AsFd for TeamHandle {
    #[doc(alias = "team_get_event_fd")]
    #[doc(alias = "team_get_eventfd_fd")]
    #[doc(alias = "team_get_next_eventfd")]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

/// Returns the same descriptor as [`AsFd`], for event loops that require a raw one.
impl AsRawFd for TeamHandle {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
