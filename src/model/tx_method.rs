use std::fmt;
use std::str::FromStr;

/// The transmit method of a load-balancing team: how it maps a packet's hash to a port.
///
/// The method is the value of the option `lb_tx_method`, which a team has in the mode
/// [`LoadBalance`](crate::Mode::LoadBalance).
///
/// # Examples
///
/// ```
/// use libteam::TxMethod;
///
/// assert_eq!(TxMethod::Hash.to_string(), "hash");
/// assert_eq!("hash_to_port_mapping".parse(), Ok(TxMethod::HashToPortMapping));
/// ```
///
/// # Source
///
/// The kernel's `drivers/net/team/team_mode_loadbalance.c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TxMethod {
    /// Selects the port by the hash modulo the number of enabled ports (the kernel's default).
    Hash,
    /// Selects the port by a table; a hash without an entry is handled like [`TxMethod::Hash`].
    HashToPortMapping,
    /// A method that this version of the crate does not know.
    Other(String),
}

impl TxMethod {
    const HASH: &'static str = "hash";
    const HASH_TO_PORT_MAPPING: &'static str = "hash_to_port_mapping";

    /// Returns the kernel's name of the method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hash => Self::HASH,
            Self::HashToPortMapping => Self::HASH_TO_PORT_MAPPING,
            Self::Other(name) => name,
        }
    }

    /// Returns the method that the kernel calls `name`, or [`TxMethod::Other`] for an unknown name.
    ///
    /// Setting a method that the running kernel does not have fails. For input from users prefer
    /// [`str::parse`], which accepts only known names.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TxMethod;
    ///
    /// assert_eq!(TxMethod::from_kernel_name("hash"), TxMethod::Hash);
    /// assert_eq!(TxMethod::from_kernel_name("rss"), TxMethod::Other("rss".to_owned()));
    /// ```
    #[must_use]
    pub fn from_kernel_name(name: &str) -> Self {
        match name {
            Self::HASH => Self::Hash,
            Self::HASH_TO_PORT_MAPPING => Self::HashToPortMapping,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Parses the kernel's name of a known method.
impl FromStr for TxMethod {
    type Err = ParseTxMethodError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match Self::from_kernel_name(name) {
            Self::Other(name) => Err(ParseTxMethodError { name }),
            known => Ok(known),
        }
    }
}

impl fmt::Display for TxMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error of a string that is not the name of a known transmit method.
///
/// # Examples
///
/// ```
/// let error = "rss".parse::<libteam::TxMethod>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid transmit method \"rss\": expected hash or hash_to_port_mapping");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid transmit method {name:?}: expected hash or hash_to_port_mapping")]
pub struct ParseTxMethodError {
    name: String,
}
