//! The TCP states of connection tracking.

use crate::protocol::Protocol;

pub(crate) const TCP: Protocol = Protocol(6);

/// The names of the kernel's numbers, as in conntrack(8).
pub(crate) const STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// Returns the name of a state, or its number.
pub(crate) fn state_name(state: u8) -> String {
    STATES.get(usize::from(state)).map_or_else(|| state.to_string(), |name| (*name).to_owned())
}

/// Returns the number of a state.
pub(crate) fn state_number(name: &str) -> Option<u8> {
    STATES
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
        .and_then(|number| u8::try_from(number).ok())
}
