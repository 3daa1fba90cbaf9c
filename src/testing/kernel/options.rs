//! The options that the team has, and those that somebody sets.

use super::event::{Slot, ifindex};
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;

/// Of longer bytes nothing can be told.
const TELLABLE: usize = 32;

type Options = Vec<(OptionId, OptionValue)>;

fn index(number: u32) -> IfIndex {
    IfIndex::new(number).expect("not 0")
}

/// The options that a team always has.
pub(crate) const CORE: [&str; 3] =
    [names::MODE, names::NOTIFY_PEERS_COUNT, names::MCAST_REJOIN_COUNT];

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

pub(crate) fn port_options(ifindex: u32) -> Options {
    let id = |name| OptionId::port(name, index(ifindex));
    let on = |name| (id(name), OptionValue::Bool(true));
    let priority = (id(names::PRIORITY), OptionValue::I32(0));
    vec![on(names::ENABLED), on(names::RX_ENABLED), on(names::TX_ENABLED), priority]
}

/// One of the settings that somebody makes.
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

/// What somebody sets by another library, and nobody can be told.
pub(crate) fn long_program() -> OptionValue {
    OptionValue::Binary(vec![7; TELLABLE + 1])
}

pub(crate) fn is_tellable(value: &OptionValue) -> bool {
    !matches!(value, OptionValue::Binary(bytes) if bytes.len() > TELLABLE)
}
