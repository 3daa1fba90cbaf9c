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

/// One team device under control: commands go through it, and it follows every change.
///
/// The handle keeps a cache of the team's ports and options, of the team's own link and of its
/// ports' links; with [`LinkScope::All`](crate::LinkScope::All), of all links of the network
/// namespace. Reading the cache costs no system call. [`handle_events`](Self::handle_events) brings
/// the cache up to date, and so does each command. After a command the cache holds what the kernel
/// announced before it acknowledged the command: ports, options, names, addresses. The kernel
/// announces a carrier later, and that of a link that is down not at all: see
/// [`set_carrier`](Self::set_carrier). The next `handle_events` returns what the update by a
/// command found.
///
/// Dropping the handle closes its sockets and leaves the device as it is.
///
/// # Permissions
///
/// The driver answers only to `CAP_NET_ADMIN` in the *initial* user namespace: root of an
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
    /// The network namespace of the sockets, where it is known.
    pub(crate) home: Option<File>,
    handlers: Handlers<Self>,
}

/// # Opening, creating and deleting a team
impl TeamHandle {
    /// Creates a team device and opens it. The device is down and has no mode yet.
    ///
    /// The kernel loads the driver if it has to.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`](crate::Error::InvalidName) before anything is sent.
    /// - [`Error::Kernel`](crate::Error::Kernel): `EEXIST` if a link has this name or alternative
    ///   name, of whatever kind; `EOPNOTSUPP` if the kernel has no team driver; `EPERM` without the
    ///   right to.
    /// - Those of [`open_index`](Self::open_index); the new device is then deleted again.
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
    /// `%d` in the pattern stands for the number, which is the smallest one, counted from 0, that
    /// makes a name no other link has, as its own or as an alternative name. `team%d` is what the
    /// kernel and the C library name a team without a name. Other processes may create devices with
    /// the same pattern at the same time: each one gets a device of its own.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`](crate::Error::InvalidName) before anything is sent, for a pattern
    ///   without `%d` or with another `%`, and when the name with its number would be too long.
    /// - Those of [`create`](Self::create); `EEXIST` only after the first 32768 numbers are taken.
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

    /// Opens the team device that has this name, or creates it if no link has the name.
    ///
    /// A device that exists keeps its mode, ports and options; [`mode`](Self::mode) of a new one is
    /// [`Mode::Unset`](crate::Mode::Unset). Another process may create or delete the device at the
    /// same time: then the call tries again, up to 16 times.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), but for
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), and of [`create`](Self::create).
    /// [`Error::NotTeam`](crate::Error::NotTeam) if a link of another kind has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// for _ in 0..2 {
    ///     let mut team = TeamHandle::open_or_create("team0")?;
    ///     team.set_mode(Mode::ActiveBackup)?; // does nothing the second time
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

    /// Creates a team device, after deleting the team device that has this name.
    ///
    /// # Errors
    ///
    /// [`Error::NotTeam`](crate::Error::NotTeam) if the name belongs to a device of another kind,
    /// which is left alone; otherwise as [`create`](Self::create).
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
    /// assert_eq!(team.mode(), Some(Mode::Unset), "it is a new one");
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

    /// Opens the team device that has this name or alternative name; of these one may have up to
    /// 127 bytes, and any characters.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), or
    /// [`Error::InvalidName`](crate::Error::InvalidName) where no device can have the name as its
    /// own either; those of [`open_index`](Self::open_index).
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
    /// `RTM_GETLINK`, rtnetlink(7); then as [`open_index`](Self::open_index).
    #[doc(alias = "team_init")]
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        TeamBuilder::new().open(name)
    }

    /// Opens the team device that has this interface index.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice),
    ///   [`Error::NotTeam`](crate::Error::NotTeam),
    ///   [`Error::FamilyNotFound`](crate::Error::FamilyNotFound).
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EPERM` without `CAP_NET_ADMIN` in the
    ///   initial user namespace.
    /// - [`Error::InvalidSetting`](crate::Error::InvalidSetting) for an environment variable
    ///   `TEAM_EVENT_BUFSIZE` that is no number.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone) if the device was deleted meanwhile.
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

    /// For other settings than the default ones: see [`TeamBuilder`].
    pub fn builder() -> TeamBuilder {
        TeamBuilder::new()
    }

    pub(crate) fn new(session: Session, readiness: ReadyFd, home: Option<File>) -> Result<Self> {
        let mut this = Self { session, readiness, home, handlers: Handlers::default() };
        this.update_readiness()?;
        Ok(this)
    }

    /// Deletes the device. Its ports stay as links of their own, set down.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceGone`](crate::Error::DeviceGone) if somebody else deleted it first, or
    /// [`Error::Kernel`](crate::Error::Kernel).
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

    /// Brings the cache up to date, and makes sure that there still is a device to command: what a
    /// command needs to know before it is carried out. `op` makes the operation for the error from
    /// the name of the team.
    pub(crate) fn sync(&mut self, op: impl FnOnce(&str) -> String) -> Result<()> {
        let updated = self.session.update();
        self.update_readiness()?;
        updated?;
        self.ensure_exists(op)
    }

    fn ensure_exists(&self, op: impl FnOnce(&str) -> String) -> Result<()> {
        self.session.ensure_exists().map_err(|error| error.with_op(op(self.name())))
    }

    /// Brings the cache up to date with the effect of a command that was just sent, after
    /// [`sync`](Self::sync).
    ///
    /// Fails if the command failed because the device is gone.
    pub(crate) fn sync_after<R, E>(
        &mut self,
        result: &Result<R, E>,
        op: impl FnOnce(&str) -> String,
    ) -> Result<()> {
        // The kernel queues a command's events before it acknowledges the command. If they cannot
        // be read now, that is no error of the command: the handle stays readable, and
        // handle_events reports it.
        if let Err(error) = self.session.update() {
            warn!(target: RESYNC, "{}: the cache is behind until events can be handled: {error}", self.name());
        }
        self.update_readiness()?;
        if result.is_err() { self.ensure_exists(op) } else { Ok(()) }
    }

    /// Makes the descriptor readable while there is work that no socket announces.
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
        // Closing the sockets is not enough where a forked process has them too: a duplicate of
        // the descriptor would stay readable.
        self.readiness.remove(&self.session.event_sockets());
    }
}

/// What identifies the team, without the cache: that can be very long.
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

/// The descriptor to wait on with poll(2), epoll(7) or an event loop: readable while there is
/// something to handle.
///
/// Do not read from it. It stays the same for the life of the handle;
/// [`try_clone_fd`](TeamHandle::try_clone_fd) duplicates it.
///
/// A loop that is notified of each event once (`EPOLLET`, as mio and tokio use it) calls
/// [`handle_events`](TeamHandle::handle_events) once each time: where that leaves something to do,
/// the descriptor becomes readable again.
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
/// let mut waiting = [PollFd::new(&team, PollFlags::IN)]; // and whatever else the loop waits for
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

/// For event loops that take nothing else.
impl AsRawFd for TeamHandle {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
