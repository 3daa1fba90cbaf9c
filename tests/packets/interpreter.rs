//! An interpreter of classic BPF programs that follows `linux/filter.h` and shares no code with the
//! crate.

use libteam::bpf::{BpfInstruction, BpfProgram};

/// A packet in the form that the driver receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The frame from the destination address on.
    pub(crate) frame: Vec<u8>,
    /// The VLAN tag that the kernel keeps outside of the frame.
    pub(crate) tag: Option<u16>,
}

/// Returns the hash that the driver computes from the result of a program.
pub(crate) fn hash(program: &BpfProgram, packet: &Packet) -> u8 {
    run(program.instructions(), packet).to_ne_bytes().into_iter().fold(0, |hash, byte| hash ^ byte)
}

/// Returns the result of a program; 0 if it loads from outside the packet.
pub(crate) fn run(program: &[BpfInstruction], packet: &Packet) -> u32 {
    let (mut a, mut x, mut scratch, mut next) = (0_u32, 0_u32, [0_u32; 16], 0);
    loop {
        let BpfInstruction { code, jt, jf, k } = program[next];
        next += 1;
        let operand = if code & 0x08 == 0 { k } else { x };
        match code & 0x07 {
            class @ (0 | 1) => {
                let loaded = match code & 0xe0 {
                    0x00 => Some(k),
                    0x20 => load(packet, code, k),
                    0x40 => x.checked_add(k).and_then(|offset| load(packet, code, offset)),
                    0x60 => Some(scratch[k as usize]),
                    0x80 => u32::try_from(packet.frame.len()).ok(),
                    0xa0 => load(packet, 0x10, k).map(|byte| 4 * (byte & 0xf)),
                    _ => panic!("unknown load: {code:#x}"),
                };
                let Some(loaded) = loaded else { return 0 };
                *(if class == 0 { &mut a } else { &mut x }) = loaded;
            }
            2 => scratch[k as usize] = a,
            3 => scratch[k as usize] = x,
            4 => a = compute(code, a, operand),
            5 if code & 0xf0 == 0 => next += k as usize,
            5 => next += usize::from(if holds(code, a, operand) { jt } else { jf }),
            6 => return if code & 0x10 == 0 { k } else { a },
            _ if code & 0x80 == 0 => x = a,
            _ => a = x,
        }
    }
}

fn load(packet: &Packet, code: u16, offset: u32) -> Option<u32> {
    match offset.wrapping_add(0x1000) {
        44 => return Some(packet.tag.unwrap_or_default().into()),
        48 => return Some(packet.tag.is_some().into()),
        ancillary if ancillary < 0x1000 => panic!("unknown ancillary load: {ancillary}"),
        _ => {}
    }
    let length = match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        _ => 1,
    };
    let start = offset as usize;
    let bytes = packet.frame.get(start..start + length)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn compute(code: u16, a: u32, operand: u32) -> u32 {
    match code & 0xf0 {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a << operand,
        0x70 => a >> operand,
        0x80 => a.wrapping_neg(),
        0xa0 => a ^ operand,
        _ => panic!("unknown operation: {code:#x}"),
    }
}

fn holds(code: u16, a: u32, operand: u32) -> bool {
    match code & 0xf0 {
        0x10 => a == operand,
        0x20 => a > operand,
        0x30 => a >= operand,
        _ => a & operand != 0,
    }
}
