//! The kernel's notifications, and messages that are not about this team.

use super::event::TEAM;
use super::state::PortState;
use super::wire::{self, Mark};
use crate::netlink::codec::link::RTM_DELLINK;
use crate::testing::bytes::message;
use crate::testing::messages::FAMILY;

/// A notification to one of the groups, in messages.
#[derive(Debug)]
pub(crate) enum Notice {
    Links(Vec<u8>),
    Team(Vec<Vec<u8>>),
}

/// Returns a message that is not about links or this team: a port that left a bridge, a wireless
/// event, another team, another family.
pub(crate) fn noise(value: u8) -> Notice {
    match value % 4 {
        0 => Notice::Links(message(
            RTM_DELLINK,
            0,
            &[&[7, 0, 0, 0, 3, 0, 0, 0][..], &[0; 8]].concat(),
        )),
        1 => Notice::Links(wire::wireless_event(TEAM)),
        2 => Notice::Team(wire::ports(
            77,
            &[(3, PortState { link_up: true, speed: 1 })],
            Mark::Removed,
            1,
        )),
        _ => Notice::Team(vec![message(FAMILY + 1, 0, &[2, 1, 0, 0])]),
    }
}
