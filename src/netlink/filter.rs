//! Classic BPF programs for the event sockets: the kernel drops messages that the handle does not
//! need, before they use buffer space or wake the process.
//!
//! A program sees a datagram from the netlink header on, and decides by the first message. Its
//! loads are big-endian, whereas netlink uses the machine's byte order.

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

/// The length of the longest program that the kernel accepts, in instructions (`BPF_MAXINSNS`).
const MAX_LEN: usize = 4096;

const TYPE_OFFSET: u32 = 4;
/// The offset of `ifi_family` in `struct ifinfomsg`, which follows the netlink header.
const FAMILY_OFFSET: u32 = 16;
/// The offset of `ifi_index` in `struct ifinfomsg`.
const INDEX_OFFSET: u32 = 20;
/// The offset of the attributes after `struct ifinfomsg`.
const LINK_ATTRIBUTES_OFFSET: u32 = 32;
/// The offset of the attributes after the netlink and the generic netlink header.
const TEAM_ATTRIBUTES_OFFSET: u32 = 20;
const ATTRIBUTE_HEADER_LEN: u32 = 4;
/// The offset from which a load finds an attribute (`SKF_AD_OFF + SKF_AD_NLATTR`).
///
/// It finds the attribute of type X at or after offset A, and returns its offset, or 0 without one.
const SKF_AD_NLATTR: u32 = 0_u32.wrapping_sub(0x1000).wrapping_add(12);

const PASS: BpfInstruction = BpfInstruction::stmt(RETURN_CONSTANT, u32::MAX);
const DROP: BpfInstruction = BpfInstruction::stmt(RETURN_CONSTANT, 0);

/// Returns the filter of the link event socket for one team, or `None` for too many links.
///
/// It passes messages about the links in `tracked`, and messages about any port of `team`.
///
/// The message about the release of a port has no master, and that about a deletion no attributes:
/// for a link that is not in `tracked`, neither passes. A new port must therefore be added to
/// `tracked`, and be requested once the new filter is in place.
pub(crate) fn link_events(
    team: IfIndex,
    tracked: &BTreeSet<IfIndex>,
) -> Option<Vec<BpfInstruction>> {
    let mut program = Vec::new();
    program.push(load(LOAD_HALF, TYPE_OFFSET));
    program.extend(unless_equal(
        as_loaded_u16(RTM_NEWLINK),
        [jump_if(as_loaded_u16(RTM_DELLINK), 1, 0), PASS],
    ));
    // Messages of a bridge about its ports.
    program.push(load(LOAD_BYTE, FAMILY_OFFSET));
    program.extend(if_equal(AF_BRIDGE.into(), DROP));
    program.push(load(LOAD_WORD, INDEX_OFFSET));
    for ifindex in tracked {
        program.extend(if_equal(as_loaded_u32(*ifindex), PASS));
    }
    program.extend(load_attr(LINK_ATTRIBUTES_OFFSET, IFLA_MASTER));
    program.extend(if_equal(0, DROP));
    program.extend(load_attr_value());
    program.extend(if_equal(as_loaded_u32(team), PASS));
    program.push(DROP);
    (program.len() <= MAX_LEN).then_some(program)
}

/// Returns the filter of the team event socket for one team; `family` is the driver's message type.
pub(crate) fn team_events(team: IfIndex, family: u16) -> Vec<BpfInstruction> {
    let mut program = vec![load(LOAD_HALF, TYPE_OFFSET)];
    // The NLMSG_DONE after an event of several datagrams has no contents.
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

/// Executes `then` unless the accumulator is `value`.
fn unless_equal<const N: usize>(
    value: u32,
    then: [BpfInstruction; N],
) -> impl Iterator<Item = BpfInstruction> {
    let length = u8::try_from(N).unwrap_or(u8::MAX);
    std::iter::once(jump_if(value, length, 0)).chain(then)
}

/// Loads the offset of an attribute.
fn load_attr(from: u32, attribute: u16) -> [BpfInstruction; 3] {
    [
        BpfInstruction::stmt(LOAD_CONSTANT, from),
        BpfInstruction::stmt(LOAD_X_CONSTANT, attribute.into()),
        load(LOAD_WORD, SKF_AD_NLATTR),
    ]
}

/// Loads the word in the attribute whose offset is in the accumulator.
fn load_attr_value() -> [BpfInstruction; 2] {
    [BpfInstruction::stmt(COPY_TO_X, 0), load(LOAD_WORD_AT_X, ATTRIBUTE_HEADER_LEN)]
}

/// Returns the result of loading a half word with this value.
fn as_loaded_u16(value: u16) -> u32 {
    u16::from_be_bytes(value.to_ne_bytes()).into()
}

/// Returns the result of loading a word with this index.
fn as_loaded_u32(ifindex: IfIndex) -> u32 {
    u32::from_be_bytes(ifindex.get().to_ne_bytes())
}
