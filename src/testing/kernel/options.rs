//! The options that the team has, and the values that processes set.

use super::event::{Slot, ifindex};
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;

/// The driver cannot report a program of more bytes than this in a property test.
pub(crate) const SHORT_LIMIT: usize = 32;
/// The driver cannot report a program of more bytes than this: about what fits into a message of
/// generic netlink.
pub(crate) const LIMIT: usize = 3_500;
/// The number of hash values of the mode `loadbalance`.
const HASH_VALUES: u32 = 256;
/// The size of the driver's `lb_stats`, in bytes.
const STATISTICS_LEN: usize = 8;

type Options = Vec<(OptionId, OptionValue)>;

fn index(number: u32) -> IfIndex {
    IfIndex::new(number).expect("not 0")
}

/// The options that a team always has.
pub(crate) const CORE: [&str; 5] = [
    names::MODE,
    names::NOTIFY_PEERS_COUNT,
    names::NOTIFY_PEERS_INTERVAL,
    names::MCAST_REJOIN_COUNT,
    names::MCAST_REJOIN_INTERVAL,
];

/// The modes of the driver.
pub(crate) const MODES: [&str; 5] =
    ["roundrobin", "activebackup", "loadbalance", "random", "broadcast"];

/// How many of the driver's options the model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionSet {
    /// All options.
    All,
    /// The options that behave differently from each other: enough for the property tests.
    Typical,
    /// One option of the team and one option of each port: enough for the enumeration.
    Fewest,
}

/// Returns the options of a team without a mode.
pub(crate) fn core_options(set: OptionSet) -> Options {
    if set == OptionSet::Fewest {
        return vec![(OptionId::global(names::NOTIFY_PEERS_COUNT), OptionValue::U32(0))];
    }
    let all = set == OptionSet::All;
    let mode = (OptionId::global(names::MODE), OptionValue::String("*NOMODE*".to_owned()));
    let numbers = CORE.iter().skip(1).filter(|name| all || !name.ends_with("interval"));
    let numbers = numbers.map(|name| (OptionId::global(*name), OptionValue::U32(0)));
    [mode].into_iter().chain(numbers).collect()
}

pub(crate) fn mode_options(mode: &str) -> Options {
    match mode {
        "activebackup" => vec![(OptionId::global(names::ACTIVE_PORT), OptionValue::U32(0))],
        "loadbalance" => {
            let element = |index| {
                (OptionId::element(names::LB_TX_HASH_TO_PORT_MAPPING, index), OptionValue::U32(0))
            };
            let program =
                (OptionId::global(names::BPF_HASH_FUNC), OptionValue::Binary(vec![0; 16]));
            vec![program, element(0), element(1), element(2)]
        }
        _ => vec![],
    }
}

/// All options that the driver has in a mode.
pub(crate) fn all_mode_options(mode: &str) -> Options {
    if mode != "loadbalance" {
        return mode_options(mode);
    }
    let number = |name| (OptionId::global(name), OptionValue::U32(0));
    let elements = |name, value: OptionValue| {
        (0..HASH_VALUES).map(move |index| (OptionId::element(name, index), value.clone()))
    };
    let method = OptionValue::String("hash".to_owned());
    let statistics = OptionValue::Binary(vec![0; STATISTICS_LEN]);
    let mut options = vec![
        (OptionId::global(names::BPF_HASH_FUNC), OptionValue::Binary(vec![])),
        (OptionId::global(names::LB_TX_METHOD), method),
    ];
    options.extend(elements(names::LB_TX_HASH_TO_PORT_MAPPING, OptionValue::U32(0)));
    options.extend(elements(names::LB_HASH_STATS, statistics));
    options.push(number(names::LB_STATS_REFRESH_INTERVAL));
    options
}

/// All options that the driver has for a port.
pub(crate) fn all_port_options(ifindex: u32, mode: &str) -> Options {
    let mut options = port_options(ifindex);
    if mode == "loadbalance" {
        let id = OptionId::port(names::LB_PORT_STATS, index(ifindex));
        options.push((id, OptionValue::Binary(vec![0; STATISTICS_LEN])));
    }
    options
}

/// The one option that each port has in [`OptionSet::Fewest`].
pub(crate) fn fewest_port_options(ifindex: u32) -> Options {
    vec![(OptionId::port(names::PRIORITY, index(ifindex)), OptionValue::I32(0))]
}

pub(crate) fn port_options(ifindex: u32) -> Options {
    let id = |name| OptionId::port(name, index(ifindex));
    let on = |name| (id(name), OptionValue::Bool(true));
    let off = |name| (id(name), OptionValue::Bool(false));
    vec![
        on(names::ENABLED),
        on(names::RX_ENABLED),
        on(names::TX_ENABLED),
        off(names::USER_LINKUP),
        off(names::USER_LINKUP_ENABLED),
        (id(names::PRIORITY), OptionValue::I32(0)),
        (id(names::QUEUE_ID), OptionValue::U32(0)),
    ]
}

/// Returns one of the settings that processes make.
pub(crate) fn setting(slot: Slot, which: u8, value: u8) -> (OptionId, OptionValue) {
    let on_port = |name| OptionId::port(name, index(ifindex(slot)));
    match which % 9 {
        0 => (OptionId::global(names::NOTIFY_PEERS_COUNT), OptionValue::U32(value.into())),
        1 => (OptionId::global(names::MCAST_REJOIN_COUNT), OptionValue::U32(value.into())),
        2 => (on_port(names::ENABLED), OptionValue::Bool(value % 2 == 0)),
        3 => (on_port(names::RX_ENABLED), OptionValue::Bool(value % 2 == 0)),
        4 => (on_port(names::TX_ENABLED), OptionValue::Bool(value % 2 == 0)),
        5 => (on_port(names::PRIORITY), OptionValue::I32(-i32::from(value))),
        6 => (OptionId::global(names::ACTIVE_PORT), OptionValue::U32(ifindex(slot))),
        7 => (OptionId::global(names::BPF_HASH_FUNC), OptionValue::Binary(vec![value; 16])),
        _ => {
            let element =
                OptionId::element(names::LB_TX_HASH_TO_PORT_MAPPING, u32::from(value) % 3);
            (element, OptionValue::U32(ifindex(slot)))
        }
    }
}

/// Returns what another library may set, and the driver cannot report.
pub(crate) fn long_program() -> OptionValue {
    OptionValue::Binary(vec![7; SHORT_LIMIT + 1])
}

pub(crate) fn is_reportable(value: &OptionValue, limit: usize) -> bool {
    !matches!(value, OptionValue::Binary(bytes) if bytes.len() > limit)
}
