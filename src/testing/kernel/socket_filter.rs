//! Runs a socket filter over a datagram, as the kernel does.

use super::wire::place_of;
use crate::bpf::BpfInstruction;
use crate::bpf::code::{
    COPY_TO_X, JUMP_IF_EQUAL, LOAD_BYTE, LOAD_CONSTANT, LOAD_HALF, LOAD_WORD, LOAD_WORD_AT_X,
    LOAD_X_CONSTANT, RETURN_CONSTANT,
};

/// Where a load finds an attribute: `SKF_AD_OFF + SKF_AD_NLATTR`.
const FIND_ATTRIBUTE: u32 = 0xffff_f00c;

/// Whether a program lets a datagram pass. A load from outside the datagram ends it, and the
/// datagram is dropped.
pub(crate) fn passes(program: &[BpfInstruction], datagram: &[u8]) -> bool {
    run(program, datagram).is_some_and(|result| result != 0)
}

fn run(program: &[BpfInstruction], datagram: &[u8]) -> Option<u32> {
    let (mut a, mut x, mut next) = (0_u32, 0_u32, 0);
    loop {
        let BpfInstruction { code, jt, jf, k } = program[next];
        next += 1;
        match code {
            LOAD_WORD if k == FIND_ATTRIBUTE => a = place_of(datagram, a, x),
            LOAD_WORD => a = load(datagram, k, 4)?,
            LOAD_HALF => a = load(datagram, k, 2)?,
            LOAD_BYTE => a = load(datagram, k, 1)?,
            LOAD_WORD_AT_X => a = load(datagram, x + k, 4)?,
            LOAD_CONSTANT => a = k,
            LOAD_X_CONSTANT => x = k,
            COPY_TO_X => x = a,
            JUMP_IF_EQUAL => next += usize::from(if a == k { jt } else { jf }),
            RETURN_CONSTANT => return Some(k),
            _ => unreachable!("no filter has {code:#x}"),
        }
    }
}

fn load(datagram: &[u8], place: u32, length: u32) -> Option<u32> {
    let bytes = datagram.get(place as usize..(place + length) as usize)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
