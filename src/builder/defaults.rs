//! The ways to a handle with the default settings.

use std::ffi::OsStr;

use super::TeamBuilder;
use crate::error::Result;
use crate::handle::TeamHandle;
use crate::model::ifindex::IfIndex;

/// The ways to a handle with the default settings.
impl TeamHandle {
    /// Creates a team device and opens it. The device is down and has no mode yet.
    ///
    /// The kernel loads the driver if it has to.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`](crate::Error::InvalidName) before anything is sent.
    /// - [`Error::Kernel`](crate::Error::Kernel): `EEXIST` if a link has this name or alternative name, of whatever
    ///   kind; `EOPNOTSUPP` if the kernel has no team driver; `EPERM` without the right to.
    /// - Those of [`open_index`](Self::open_index); the new device is then deleted again.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, Mode, TeamHandle};
    ///
    /// # enter_namespace();
    /// let team = TeamHandle::create("team0")?;
    /// assert_eq!(team.mode(), Some(Mode::Unset));
    ///
    /// let again = TeamHandle::create("team0");
    /// assert_eq!(again.unwrap_err().kind(), ErrorKind::Exists);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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

    /// Creates a team device, after deleting the team device that has this name.
    ///
    /// # Errors
    ///
    /// [`Error::NotTeam`](crate::Error::NotTeam) if the name belongs to a device of another kind, which is left alone;
    /// otherwise as [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # enter_namespace();
    /// TeamHandle::create("team0")?.set_mode(Mode::Random)?;
    ///
    /// let team = TeamHandle::recreate("team0")?;
    /// assert_eq!(team.mode(), Some(Mode::Unset), "it is a new one");
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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

    /// Opens the team device that has this name or alternative name; of these one may have up to 127 bytes, and any
    /// characters.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), or [`Error::InvalidName`](crate::Error::InvalidName) where no
    /// device can have the name as its own either; those of [`open_index`](Self::open_index).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, TeamHandle};
    ///
    /// # enter_namespace();
    /// let created = TeamHandle::create("team0")?;
    /// let opened = TeamHandle::open("team0")?;
    /// assert_eq!(opened.team_ifindex(), created.team_ifindex());
    ///
    /// assert!(matches!(TeamHandle::open("lo"), Err(Error::NotTeam { .. })));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), [`Error::NotTeam`](crate::Error::NotTeam),
    ///   [`Error::FamilyNotFound`](crate::Error::FamilyNotFound).
    /// - [`Error::Kernel`](crate::Error::Kernel) with `EPERM` without `CAP_NET_ADMIN` in the initial user namespace.
    /// - [`Error::InvalidSetting`](crate::Error::InvalidSetting) for an environment variable `TEAM_EVENT_BUFSIZE` that
    ///   is no number.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone) if the device was deleted meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # enter_namespace();
    /// let created = TeamHandle::create("team0")?;
    /// let opened = TeamHandle::open_index(created.team_ifindex())?;
    /// assert_eq!(opened.name(), "team0");
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `CTRL_CMD_GETFAMILY`, `linux/genetlink.h`; `TEAM_CMD_PORT_LIST_GET` and `TEAM_CMD_OPTIONS_GET`,
    /// `linux/if_team.h`; `RTM_GETLINK`, rtnetlink(7).
    #[doc(alias = "team_init")]
    pub fn open_index(ifindex: IfIndex) -> Result<Self> {
        TeamBuilder::new().open_index(ifindex)
    }

    /// For other settings than the default ones: see [`TeamBuilder`].
    pub fn builder() -> TeamBuilder {
        TeamBuilder::new()
    }
}
