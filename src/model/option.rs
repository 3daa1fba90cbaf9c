use std::borrow::Cow;
use std::fmt;

use super::ifindex::IfIndex;

/// The names of the driver's options, as the kernel spells them.
pub(crate) mod names {
    pub(crate) const MODE: &str = "mode";
    pub(crate) const ACTIVE_PORT: &str = "activeport";
    pub(crate) const ENABLED: &str = "enabled";
    pub(crate) const RX_ENABLED: &str = "rx_enabled";
    pub(crate) const TX_ENABLED: &str = "tx_enabled";
    pub(crate) const PRIORITY: &str = "priority";

    /// Every name that a known kernel uses; a decoded name that is here costs no allocation.
    pub(crate) const KNOWN: [&str; 19] = [
        MODE,
        "notify_peers_count",
        "notify_peers_interval",
        "mcast_rejoin_count",
        "mcast_rejoin_interval",
        ENABLED,
        RX_ENABLED,
        TX_ENABLED,
        "user_linkup",
        "user_linkup_enabled",
        PRIORITY,
        "queue_id",
        ACTIVE_PORT,
        "bpf_hash_func",
        "lb_tx_method",
        "lb_tx_hash_to_port_mapping",
        "lb_hash_stats",
        "lb_port_stats",
        "lb_stats_refresh_interval",
    ];
}

/// Which option: its name, and for a per-port or array option which instance.
///
/// # Examples
///
/// ```
/// use libteam::{IfIndex, OptionId};
///
/// let eth1 = IfIndex::new(7).expect("not 0");
/// assert_eq!(OptionId::global("mode").to_string(), "mode");
/// assert_eq!(OptionId::port("enabled", eth1).to_string(), "enabled of port 7");
/// assert_eq!(OptionId::element("lb_hash_stats", 3).to_string(), "lb_hash_stats[3]");
/// ```
#[doc(alias = "team_is_option_per_port")]
#[doc(alias = "team_is_option_array")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionId {
    /// The kernel's name of the option.
    #[doc(alias = "team_get_option_name")]
    pub name: Cow<'static, str>,
    /// The port, if the option is one that each port has.
    #[doc(alias = "team_get_option_port_ifindex")]
    pub port: Option<IfIndex>,
    /// The position in an array option, from 0.
    #[doc(alias = "team_get_option_array_index")]
    pub array_index: Option<u32>,
}

impl OptionId {
    /// An option that the team has once, `mode` say.
    #[must_use]
    pub fn global(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), port: None, array_index: None }
    }

    /// An option that every port has, `enabled` say.
    #[must_use]
    pub fn port(name: impl Into<Cow<'static, str>>, port: IfIndex) -> Self {
        Self { port: Some(port), ..Self::global(name) }
    }

    /// One element of an array option, `lb_tx_hash_to_port_mapping` say.
    #[must_use]
    pub fn element(name: impl Into<Cow<'static, str>>, array_index: u32) -> Self {
        Self { array_index: Some(array_index), ..Self::global(name) }
    }
}

impl fmt::Display for OptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(index) = self.array_index {
            write!(f, "[{index}]")?;
        }
        match self.port {
            Some(port) => write!(f, " of port {port}"),
            None => Ok(()),
        }
    }
}

/// An option's value in the type that the driver gives the option.
#[doc(alias = "team_option_type")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// An unsigned number.
    #[doc(alias = "team_get_option_value_u32")]
    U32(u32),
    /// A signed number.
    #[doc(alias = "team_get_option_value_s32")]
    I32(i32),
    /// On or off.
    #[doc(alias = "team_get_option_value_bool")]
    Bool(bool),
    /// Text, at most 31 bytes: the kernel wants the NUL among its 32.
    #[doc(alias = "team_get_option_value_string")]
    String(String),
    /// Raw bytes.
    #[doc(alias = "team_get_option_value_binary")]
    Binary(Vec<u8>),
    /// A type that this version of the crate does not know; it can be read, not set.
    Other {
        /// The kernel's number of the type.
        type_code: u8,
        /// The value's bytes.
        data: Vec<u8>,
    },
}

impl OptionValue {
    /// The type as an error message names it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::Bool(_) => "bool",
            Self::String(_) => "string",
            Self::Binary(_) => "binary",
            Self::Other { .. } => "unknown",
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U32(value) => value.fmt(f),
            Self::I32(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
            Self::Binary(bytes) | Self::Other { data: bytes, .. } => {
                bytes.iter().try_for_each(|byte| write!(f, "\\{byte:02x}"))
            }
        }
    }
}

macro_rules! from_value {
    ($($native:ty => $variant:ident),+) => {
        $(impl From<$native> for OptionValue {
            fn from(value: $native) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from_value!(u32 => U32, i32 => I32, bool => Bool, &str => String, String => String, &[u8] => Binary, Vec<u8> => Binary);

/// One option of the team with its value.
#[doc(alias = "team_option")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamOption {
    pub(crate) id: OptionId,
    pub(crate) value: OptionValue,
}

impl TeamOption {
    /// Which option it is.
    #[must_use]
    pub fn id(&self) -> &OptionId {
        &self.id
    }

    /// The value when the kernel last told it.
    #[doc(alias = "team_get_option_type")]
    #[must_use]
    pub fn value(&self) -> &OptionValue {
        &self.value
    }
}

impl fmt::Display for TeamOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.id, self.value)
    }
}
