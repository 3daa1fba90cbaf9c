use std::fmt;
use std::str::FromStr;

/// The names that [`ParseModeError`] lists.
const KNOWN_MODES: &str = "roundrobin, random, broadcast, activebackup or loadbalance";

/// The mode of a team: how it spreads traffic over its ports (the option `mode`).
///
/// # Examples
///
/// ```
/// use libteam::Mode;
///
/// assert_eq!(Mode::ActiveBackup.to_string(), "activebackup");
/// assert_eq!("loadbalance".parse(), Ok(Mode::LoadBalance));
/// assert!("load-balance".parse::<Mode>().is_err());
/// ```
///
/// # Source
///
/// The kernel's `drivers/net/team/team_mode_*.c`.
#[doc(alias = "bond")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// No mode was set yet (`*NOMODE*`): the team drops every packet that it should send.
    ///
    /// Once a mode was set, a team cannot return to this state.
    Unset,
    /// Sends each packet on the next port in turn.
    RoundRobin,
    /// Sends each packet on a port chosen at random.
    Random,
    /// Sends each packet on every port.
    Broadcast,
    /// Sends all packets on one active port.
    ActiveBackup,
    /// Sends each packet on the port that a hash of its headers selects.
    LoadBalance,
    /// A mode that this version of the crate does not know.
    Other(String),
}

impl Mode {
    pub(crate) const UNSET: &'static str = "*NOMODE*";
    const ROUND_ROBIN: &'static str = "roundrobin";
    const RANDOM: &'static str = "random";
    const BROADCAST: &'static str = "broadcast";
    pub(crate) const ACTIVE_BACKUP: &'static str = "activebackup";
    pub(crate) const LOAD_BALANCE: &'static str = "loadbalance";

    /// Returns the kernel's name of the mode.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unset => Self::UNSET,
            Self::RoundRobin => Self::ROUND_ROBIN,
            Self::Random => Self::RANDOM,
            Self::Broadcast => Self::BROADCAST,
            Self::ActiveBackup => Self::ACTIVE_BACKUP,
            Self::LoadBalance => Self::LOAD_BALANCE,
            Self::Other(name) => name,
        }
    }

    /// Returns the mode that the kernel calls `name`, or [`Mode::Other`] for an unknown name.
    ///
    /// Setting a mode that the running kernel does not have fails. For input from users prefer
    /// [`str::parse`], which accepts only known names.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::Mode;
    ///
    /// assert_eq!(Mode::from_kernel_name("random"), Mode::Random);
    /// assert_eq!(Mode::from_kernel_name("weighted"), Mode::Other("weighted".to_owned()));
    /// ```
    #[must_use]
    pub fn from_kernel_name(name: &str) -> Self {
        match name {
            Self::UNSET => Self::Unset,
            Self::ROUND_ROBIN => Self::RoundRobin,
            Self::RANDOM => Self::Random,
            Self::BROADCAST => Self::Broadcast,
            Self::ACTIVE_BACKUP => Self::ActiveBackup,
            Self::LOAD_BALANCE => Self::LoadBalance,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Parses the kernel's name of a known mode, including `*NOMODE*` for [`Mode::Unset`].
impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match Self::from_kernel_name(name) {
            Self::Other(name) => Err(ParseModeError { name }),
            known => Ok(known),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error of a string that is not the name of a known mode.
///
/// # Examples
///
/// ```
/// let error = "weighted".parse::<libteam::Mode>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid mode \"weighted\": expected roundrobin, random, broadcast, activebackup or loadbalance",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid mode {name:?}: expected {KNOWN_MODES}")]
pub struct ParseModeError {
    name: String,
}
