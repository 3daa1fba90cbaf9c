//! Classic BPF programs for the event sockets: the kernel throws away what the handle has no use
//! for, before it costs buffer or wakes anybody.
//!
//! A program sees a datagram from its netlink header on and judges it by its first message. It
//! reads big-endian, while netlink has the machine's own byte order.

use std::collections::BTreeSet;

use netlink_packet_core::NLMSG_DONE;

use super::codec::link::{AF_BRIDGE, IFLA_MASTER, RTM_DELLINK, RTM_NEWLINK};
use super::codec::team::TEAM_ATTR_TEAM_IFINDEX;
use crate::bpf::BpfInstruction;
use crate::bpf::code::{
    COPY_TO_X, JUMP_IF_EQUAL, LOAD_BYTE, LOAD_CONSTANT, LOAD_HALF, LOAD_WORD, LOAD_WORD_AT_X,
    LOAD_X_CONSTANT, RETURN_CONSTANT,
};
use crate::model::ifindex::IfIndex;

/// The longest program that the kernel takes, in instructions (`BPF_MAXINSNS`).
const MAX_LEN: usize = 4096;

const TYPE_OFFSET: u32 = 4;
/// Behind the netlink header: `ifi_family` and `ifi_index` of `struct ifinfomsg`, and what follows
/// that.
const FAMILY_OFFSET: u32 = 16;
const INDEX_OFFSET: u32 = 20;
const LINK_ATTRIBUTES_OFFSET: u32 = 32;
/// Behind the netlink and the generic netlink header.
const TEAM_ATTRIBUTES_OFFSET: u32 = 20;
/// Every attribute's own header.
const ATTRIBUTE_HEADER_LEN: u32 = 4;
/// Where a load finds the attribute of type X, from place A on: `SKF_AD_OFF + SKF_AD_NLATTR`. It is
/// 0 if there is none.
const SKF_AD_NLATTR: u32 = 0_u32.wrapping_sub(0x1000).wrapping_add(12);

const PASS: BpfInstruction = BpfInstruction::stmt(RETURN_CONSTANT, u32::MAX);
const DROP: BpfInstruction = BpfInstruction::stmt(RETURN_CONSTANT, 0);

/// Passes what a link event socket is to tell of one team: messages about the links in `followed`,
/// and about any link that is a port of `team`. `None` if that is more than a program can name.
///
/// A release shows as a message without a master, and a deletion as one without any attribute to go
/// by: of a link that is not in `followed` neither passes. So what becomes a port has to be
/// followed from then on, and looked at once more when the new program is in place.
pub(crate) fn link_events(
    team: IfIndex,
    followed: &BTreeSet<IfIndex>,
) -> Option<Vec<BpfInstruction>> {
    let mut program = Vec::new();
    program.push(load(LOAD_HALF, TYPE_OFFSET));
    program.extend(unless_equal(
        as_loaded_u16(RTM_NEWLINK),
        [jump_if(as_loaded_u16(RTM_DELLINK), 1, 0), PASS],
    ));
    // A bridge's view of its port.
    program.push(load(LOAD_BYTE, FAMILY_OFFSET));
    program.extend(if_equal(AF_BRIDGE.into(), DROP));
    program.push(load(LOAD_WORD, INDEX_OFFSET));
    for ifindex in followed {
        program.extend(if_equal(as_loaded_u32(*ifindex), PASS));
    }
    program.extend(load_attr(LINK_ATTRIBUTES_OFFSET, IFLA_MASTER));
    program.extend(if_equal(0, DROP));
    program.extend(load_attr_value());
    program.extend(if_equal(as_loaded_u32(team), PASS));
    program.push(DROP);
    (program.len() <= MAX_LEN).then_some(program)
}

/// Passes what an event socket of the team driver, whose messages are of type `family`, is to tell
/// of one team.
pub(crate) fn team_events(team: IfIndex, family: u16) -> Vec<BpfInstruction> {
    let mut program = vec![load(LOAD_HALF, TYPE_OFFSET)];
    // The end of an event that did not fit one datagram says nothing, not even of which team.
    program.extend(if_equal(as_loaded_u16(NLMSG_DONE), DROP));
    program.extend(unless_equal(as_loaded_u16(family), [PASS]));
    program.extend(load_attr(TEAM_ATTRIBUTES_OFFSET, TEAM_ATTR_TEAM_IFINDEX));
    program.extend(if_equal(0, PASS));
    program.extend(load_attr_value());
    program.extend(if_equal(as_loaded_u32(team), PASS));
    program.push(DROP);
    program
}

fn load(code: u16, offset: u32) -> BpfInstruction {
    BpfInstruction::stmt(code, offset)
}

fn jump_if(value: u32, yes: u8, no: u8) -> BpfInstruction {
    BpfInstruction::jump(JUMP_IF_EQUAL, value, yes, no)
}

fn if_equal(value: u32, then: BpfInstruction) -> [BpfInstruction; 2] {
    [jump_if(value, 0, 1), then]
}

/// Runs `then` unless A is `value`.
fn unless_equal<const N: usize>(
    value: u32,
    then: [BpfInstruction; N],
) -> impl Iterator<Item = BpfInstruction> {
    let length = u8::try_from(N).unwrap_or(u8::MAX);
    std::iter::once(jump_if(value, length, 0)).chain(then)
}

/// Loads the place of an attribute.
fn load_attr(from: u32, attribute: u16) -> [BpfInstruction; 3] {
    [
        BpfInstruction::stmt(LOAD_CONSTANT, from),
        BpfInstruction::stmt(LOAD_X_CONSTANT, attribute.into()),
        load(LOAD_WORD, SKF_AD_NLATTR),
    ]
}

/// Loads the word that the attribute at A holds.
fn load_attr_value() -> [BpfInstruction; 2] {
    [BpfInstruction::stmt(COPY_TO_X, 0), load(LOAD_WORD_AT_X, ATTRIBUTE_HEADER_LEN)]
}

/// What loading a half word of this value gives.
fn as_loaded_u16(value: u16) -> u32 {
    u16::from_be_bytes(value.to_ne_bytes()).into()
}

/// What loading an index gives.
fn as_loaded_u32(ifindex: IfIndex) -> u32 {
    u32::from_be_bytes(ifindex.get().to_ne_bytes())
}
