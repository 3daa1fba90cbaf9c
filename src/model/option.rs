use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::ifindex::IfIndex;
use super::name::Name;
use super::option_value::OptionValue;

/// The names of the driver's options, as the kernel spells them.
pub(crate) mod names {
    pub(crate) const MODE: &str = "mode";
    pub(crate) const NOTIFY_PEERS_COUNT: &str = "notify_peers_count";
    pub(crate) const NOTIFY_PEERS_INTERVAL: &str = "notify_peers_interval";
    pub(crate) const MCAST_REJOIN_COUNT: &str = "mcast_rejoin_count";
    pub(crate) const MCAST_REJOIN_INTERVAL: &str = "mcast_rejoin_interval";
    pub(crate) const ACTIVE_PORT: &str = "activeport";
    pub(crate) const ENABLED: &str = "enabled";
    pub(crate) const RX_ENABLED: &str = "rx_enabled";
    pub(crate) const TX_ENABLED: &str = "tx_enabled";
    pub(crate) const USER_LINKUP: &str = "user_linkup";
    pub(crate) const USER_LINKUP_ENABLED: &str = "user_linkup_enabled";
    pub(crate) const PRIORITY: &str = "priority";
    pub(crate) const QUEUE_ID: &str = "queue_id";
    pub(crate) const BPF_HASH_FUNC: &str = "bpf_hash_func";
    pub(crate) const LB_TX_METHOD: &str = "lb_tx_method";
    pub(crate) const LB_TX_HASH_TO_PORT_MAPPING: &str = "lb_tx_hash_to_port_mapping";
    pub(crate) const LB_HASH_STATS: &str = "lb_hash_stats";
    pub(crate) const LB_PORT_STATS: &str = "lb_port_stats";
    pub(crate) const LB_STATS_REFRESH_INTERVAL: &str = "lb_stats_refresh_interval";

    /// The per-port options that exist in every mode; older kernels have not all of them.
    pub(crate) const OF_ANY_PORT: [&str; 7] =
        [ENABLED, RX_ENABLED, TX_ENABLED, USER_LINKUP, USER_LINKUP_ENABLED, PRIORITY, QUEUE_ID];

    /// The options of the mode `loadbalance`.
    pub(crate) const OF_LOAD_BALANCE: [&str; 6] = [
        BPF_HASH_FUNC,
        LB_TX_METHOD,
        LB_TX_HASH_TO_PORT_MAPPING,
        LB_HASH_STATS,
        LB_PORT_STATS,
        LB_STATS_REFRESH_INTERVAL,
    ];

    /// Every option name of the known kernels; decoding one of these names allocates nothing.
    pub(crate) const KNOWN: [&str; 19] = [
        MODE,
        NOTIFY_PEERS_COUNT,
        NOTIFY_PEERS_INTERVAL,
        MCAST_REJOIN_COUNT,
        MCAST_REJOIN_INTERVAL,
        ENABLED,
        RX_ENABLED,
        TX_ENABLED,
        USER_LINKUP,
        USER_LINKUP_ENABLED,
        PRIORITY,
        QUEUE_ID,
        ACTIVE_PORT,
        BPF_HASH_FUNC,
        LB_TX_METHOD,
        LB_TX_HASH_TO_PORT_MAPPING,
        LB_HASH_STATS,
        LB_PORT_STATS,
        LB_STATS_REFRESH_INTERVAL,
    ];
}

/// The identity of an option: its name, and the port or array index of the instance.
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
///
/// # Source
///
/// `TEAM_ATTR_OPTION_NAME`, `TEAM_ATTR_OPTION_PORT_IFINDEX` and `TEAM_ATTR_OPTION_ARRAY_INDEX`,
/// `linux/if_team.h`.
#[doc(alias = "team_is_option_per_port")]
#[doc(alias = "team_is_option_array")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OptionId {
    /// The kernel's name of the option, e.g. `mode`.
    #[doc(alias = "team_get_option_name")]
    pub name: Cow<'static, str>,
    /// The port, for an option that each port has.
    #[doc(alias = "team_get_option_port_ifindex")]
    pub port: Option<IfIndex>,
    /// The position in an array option, counted from 0.
    #[doc(alias = "team_get_option_array_index")]
    pub array_index: Option<u32>,
}

impl OptionId {
    /// Returns the identity of an option that the team has once, e.g. `mode`.
    #[must_use]
    pub fn global(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), port: None, array_index: None }
    }

    /// Returns the identity of an option that each port has, e.g. `enabled`.
    #[must_use]
    pub fn port(name: impl Into<Cow<'static, str>>, port: IfIndex) -> Self {
        Self { port: Some(port), ..Self::global(name) }
    }

    /// Returns the identity of one element of an array option, e.g. `lb_tx_hash_to_port_mapping`.
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

/// An option of the team with its value.
///
/// # Examples
///
/// ```
/// use libteam::{OptionId, OptionValue, TeamHandle};
///
/// # test_netns::enter();
/// let team = TeamHandle::create("team0")?;
/// let count = team.option(&OptionId::global("notify_peers_count")).expect("every team has it");
/// assert_eq!(count.value(), &OptionValue::U32(0));
/// assert_eq!((count.id().port, count.id().array_index), (None, None));
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// `TEAM_ATTR_ITEM_OPTION`, `linux/if_team.h`.
#[doc(alias = "team_option")]
#[doc(alias = "team_option_str")]
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TeamOption {
    pub(crate) id: OptionId,
    pub(crate) value: OptionValue,
    /// The name of the option's port, for printing; comparisons ignore it.
    pub(crate) port_name: Option<Arc<Name>>,
}

impl TeamOption {
    /// Returns the identity of the option.
    #[must_use]
    pub fn id(&self) -> &OptionId {
        &self.id
    }

    /// Returns the value that the kernel reported last.
    #[must_use]
    pub fn value(&self) -> &OptionValue {
        &self.value
    }

    pub(crate) fn fmt_marked(&self, mark: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{mark}{} ", self.id.name)?;
        if self.id.port.is_some() {
            write!(f, "(port:{}) ", self.port_name.as_deref().map_or("", Name::as_str))?;
        }
        if let Some(index) = self.id.array_index {
            write!(f, "(arridx:{index}) ")?;
        }
        fmt::Display::fmt(&self.value, f)
    }
}

impl PartialEq for TeamOption {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.value == other.value
    }
}

impl Eq for TeamOption {}

/// Prints a blank, then name, port, array index and value.
///
/// The format is that of the C library's `team_option_str` for an option that did not change.
/// [`Change`](crate::Change) prints a mark instead of the blank.
impl fmt::Display for TeamOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_marked(' ', f)
    }
}
