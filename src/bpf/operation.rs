//! The opcodes of classic BPF with their names and operands.

use std::fmt;

use super::BpfInstruction;

/// The opcodes that this crate uses by name; [`OPERATIONS`] lists all.
pub(crate) mod code {
    pub(crate) const LOAD_CONSTANT: u16 = 0x00;
    pub(crate) const LOAD_WORD: u16 = 0x20;
    pub(crate) const LOAD_HALF: u16 = 0x28;
    pub(crate) const LOAD_BYTE: u16 = 0x30;
    pub(crate) const LOAD_WORD_AT_X: u16 = 0x40;
    pub(crate) const LOAD_HALF_AT_X: u16 = 0x48;
    pub(crate) const LOAD_BYTE_AT_X: u16 = 0x50;
    pub(crate) const LOAD_SCRATCH: u16 = 0x60;
    pub(crate) const LOAD_X_CONSTANT: u16 = 0x01;
    pub(crate) const LOAD_X_SCRATCH: u16 = 0x61;
    pub(crate) const STORE: u16 = 0x02;
    pub(crate) const STORE_X: u16 = 0x03;
    pub(crate) const ADD_X: u16 = 0x0c;
    pub(crate) const MULTIPLY: u16 = 0x24;
    pub(crate) const DIVIDE: u16 = 0x34;
    pub(crate) const AND: u16 = 0x54;
    pub(crate) const SHIFT_LEFT: u16 = 0x64;
    pub(crate) const SHIFT_RIGHT: u16 = 0x74;
    pub(crate) const MODULO: u16 = 0x94;
    pub(crate) const XOR_X: u16 = 0xac;
    pub(crate) const JUMP: u16 = 0x05;
    pub(crate) const JUMP_IF_EQUAL: u16 = 0x15;
    pub(crate) const JUMP_IF_BITS: u16 = 0x45;
    pub(crate) const RETURN_CONSTANT: u16 = 0x06;
    pub(crate) const RETURN_A: u16 = 0x16;
    pub(crate) const COPY_TO_X: u16 = 0x07;
}

/// The operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    None,
    A,
    X,
    /// The number `k`.
    Constant,
    /// The length of the packet.
    Length,
    /// The bytes of the packet from `k` on, or packet metadata for a `k` near 2^32.
    Packet,
    /// The bytes of the packet from X + `k` on.
    PacketAtX,
    /// Four times the lower four bits of byte `k` of the packet: the length of an IPv4 header.
    HeaderLength,
    /// The word `k` of scratch memory.
    Scratch,
    /// A jump over `k` instructions.
    Target,
    /// The number `k` to compare with, and the two targets of the jump.
    BranchConstant,
    /// The register X to compare with, and the two targets of the jump.
    BranchX,
}

/// All opcodes that the kernel accepts, with their names in assembly language.
const OPERATIONS: [(u16, &str, Operand); 49] = [
    (code::LOAD_CONSTANT, "ld", Operand::Constant),
    (code::LOAD_WORD, "ld", Operand::Packet),
    (code::LOAD_HALF, "ldh", Operand::Packet),
    (code::LOAD_BYTE, "ldb", Operand::Packet),
    (code::LOAD_WORD_AT_X, "ld", Operand::PacketAtX),
    (code::LOAD_HALF_AT_X, "ldh", Operand::PacketAtX),
    (code::LOAD_BYTE_AT_X, "ldb", Operand::PacketAtX),
    (code::LOAD_SCRATCH, "ld", Operand::Scratch),
    (0x80, "ld", Operand::Length),
    (code::LOAD_X_CONSTANT, "ldx", Operand::Constant),
    (code::LOAD_X_SCRATCH, "ldx", Operand::Scratch),
    (0x81, "ldx", Operand::Length),
    (0xb1, "ldxb", Operand::HeaderLength),
    (code::STORE, "st", Operand::Scratch),
    (code::STORE_X, "stx", Operand::Scratch),
    (0x04, "add", Operand::Constant),
    (code::ADD_X, "add", Operand::X),
    (0x14, "sub", Operand::Constant),
    (0x1c, "sub", Operand::X),
    (code::MULTIPLY, "mul", Operand::Constant),
    (0x2c, "mul", Operand::X),
    (code::DIVIDE, "div", Operand::Constant),
    (0x3c, "div", Operand::X),
    (0x44, "or", Operand::Constant),
    (0x4c, "or", Operand::X),
    (code::AND, "and", Operand::Constant),
    (0x5c, "and", Operand::X),
    (code::SHIFT_LEFT, "lsh", Operand::Constant),
    (0x6c, "lsh", Operand::X),
    (code::SHIFT_RIGHT, "rsh", Operand::Constant),
    (0x7c, "rsh", Operand::X),
    (0x84, "neg", Operand::None),
    (code::MODULO, "mod", Operand::Constant),
    (0x9c, "mod", Operand::X),
    (0xa4, "xor", Operand::Constant),
    (code::XOR_X, "xor", Operand::X),
    (code::JUMP, "ja", Operand::Target),
    (code::JUMP_IF_EQUAL, "jeq", Operand::BranchConstant),
    (0x1d, "jeq", Operand::BranchX),
    (0x25, "jgt", Operand::BranchConstant),
    (0x2d, "jgt", Operand::BranchX),
    (0x35, "jge", Operand::BranchConstant),
    (0x3d, "jge", Operand::BranchX),
    (code::JUMP_IF_BITS, "jset", Operand::BranchConstant),
    (0x4d, "jset", Operand::BranchX),
    (code::RETURN_CONSTANT, "ret", Operand::Constant),
    (code::RETURN_A, "ret", Operand::A),
    (code::COPY_TO_X, "tax", Operand::None),
    (0x87, "txa", Operand::None),
];

/// Returns the name and operand of an opcode, or `None` if the kernel does not accept it.
pub(super) fn operation(code: u16) -> Option<(&'static str, Operand)> {
    OPERATIONS
        .iter()
        .copied()
        .find(|(known, ..)| *known == code)
        .map(|(_, name, operand)| (name, operand))
}

/// Writes an instruction like `tcpdump -d`.
pub(super) fn list(
    f: &mut fmt::Formatter<'_>,
    position: usize,
    instruction: BpfInstruction,
) -> fmt::Result {
    let BpfInstruction { code, jt, jf, k } = instruction;
    let Some((name, operand)) = operation(code) else {
        return write!(f, "unimp {code:#x}");
    };
    let (yes, no) = (position + 1 + usize::from(jt), position + 1 + usize::from(jf));
    f.write_str(name)?;
    match operand {
        Operand::None => Ok(()),
        Operand::A => write!(f, " a"),
        Operand::X => write!(f, " x"),
        Operand::Constant => write!(f, " #{k:#x}"),
        Operand::Length => write!(f, " #pktlen"),
        Operand::Packet => write!(f, " [{}]", as_i32(k)),
        Operand::PacketAtX => write!(f, " [x + {}]", as_i32(k)),
        Operand::HeaderLength => write!(f, " 4*([{}]&0xf)", as_i32(k)),
        Operand::Scratch => write!(f, " M[{k}]"),
        Operand::Target => write!(f, " {}", (position as u64) + 1 + u64::from(k)),
        Operand::BranchConstant => write!(f, " #{k:#x} jt {yes} jf {no}"),
        Operand::BranchX => write!(f, " x jt {yes} jf {no}"),
    }
}

/// Returns the offset as a signed number; packet metadata has negative offsets.
fn as_i32(k: u32) -> i32 {
    i32::from_ne_bytes(k.to_ne_bytes())
}
