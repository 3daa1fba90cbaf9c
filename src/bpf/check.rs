//! The kernel's rules for a classic BPF program (`bpf_check_classic`), and the driver's limit.

use super::operation::{Operand, code, operation};
use super::{BpfError, BpfInstruction, BpfProgram};

/// The number of words of scratch memory (`BPF_MEMWORDS`).
const SCRATCH_WORDS: u32 = 16;
/// The first offset that stands for packet metadata instead of packet bytes (`SKF_AD_OFF`).
const ANCILLARY: u32 = 0xffff_f000;
/// The last offset of packet metadata, `SKF_AD_VLAN_TPID`; the offsets are multiples of 4.
const LAST_ANCILLARY: u32 = 60;

/// Checks a program by the rules of the kernel and the limit of the team driver.
pub(super) fn check(instructions: &[BpfInstruction]) -> Result<(), BpfError> {
    let count = instructions.len();
    if count > BpfProgram::KERNEL_MAX_INSTRUCTIONS {
        return Err(BpfError::TooLargeForKernel { count });
    }
    if count > BpfProgram::MAX_INSTRUCTIONS {
        return Err(BpfError::TooLargeForDriver { count });
    }
    let last = instructions.last().ok_or(BpfError::Empty)?;
    let mut scratch = Scratch::new(count);
    for (position, &instruction) in instructions.iter().enumerate() {
        let wrong = |reason| BpfError::Instruction { position, reason };
        let operand = check_alone(instruction).map_err(wrong)?;
        let targets = targets(position, instruction, operand);
        if targets.into_iter().flatten().any(|target| target >= count) {
            return Err(wrong("expected a jump to an instruction of the program"));
        }
        scratch.follow(position, instruction, targets).map_err(wrong)?;
    }
    if matches!(last.code, code::RETURN_CONSTANT | code::RETURN_A) {
        return Ok(());
    }
    Err(BpfError::Instruction {
        position: count - 1,
        reason: "expected a return as the last instruction",
    })
}

/// Checks an instruction without regard to the others.
fn check_alone(instruction: BpfInstruction) -> Result<Operand, &'static str> {
    let BpfInstruction { code, k, .. } = instruction;
    let (_, operand) = operation(code).ok_or("expected an opcode of classic BPF")?;
    match (operand, code) {
        (Operand::Scratch, _) if k >= SCRATCH_WORDS => {
            Err("expected a scratch memory word below 16")
        }
        (Operand::Constant, code::DIVIDE | code::MODULO) if k == 0 => {
            Err("expected a divisor other than 0")
        }
        (Operand::Constant, code::SHIFT_LEFT | code::SHIFT_RIGHT) if k >= u32::BITS => {
            Err("expected a shift by at most 31 bits")
        }
        (Operand::Packet, _) if k >= ANCILLARY && !is_ancillary(k - ANCILLARY) => {
            Err("expected an offset of packet metadata that the kernel has")
        }
        _ => Ok(operand),
    }
}

fn is_ancillary(offset: u32) -> bool {
    offset % 4 == 0 && offset <= LAST_ANCILLARY
}

/// Returns the positions to which a jump can lead.
fn targets(position: usize, instruction: BpfInstruction, operand: Operand) -> [Option<usize>; 2] {
    let after = |skipped: usize| Some((position + 1).saturating_add(skipped));
    match operand {
        Operand::Target => [after(usize::try_from(instruction.k).unwrap_or(usize::MAX)), None],
        Operand::BranchConstant | Operand::BranchX => {
            [after(usize::from(instruction.jt)), after(usize::from(instruction.jf))]
        }
        _ => [None, None],
    }
}

/// The words of scratch memory that were written on every path to an instruction, one bit each.
struct Scratch {
    /// For each instruction, the words that were written on all jumps to it so far.
    written_at: Vec<u16>,
    /// The words that were written on every path to the next instruction.
    written: u16,
}

impl Scratch {
    fn new(count: usize) -> Self {
        Self { written_at: vec![u16::MAX; count], written: 0 }
    }

    /// Processes one instruction.
    ///
    /// All jumps lead forward, so that every path to the instruction was processed before it.
    fn follow(
        &mut self,
        position: usize,
        instruction: BpfInstruction,
        targets: [Option<usize>; 2],
    ) -> Result<(), &'static str> {
        self.written &= self.written_at.get(position).copied().unwrap_or_default();
        let word = 1_u16.checked_shl(instruction.k).unwrap_or_default();
        match instruction.code {
            code::STORE | code::STORE_X => self.written |= word,
            code::LOAD_SCRATCH | code::LOAD_X_SCRATCH if self.written & word == 0 => {
                return Err("expected a scratch memory word that was written before");
            }
            _ => {}
        }
        for target in targets.into_iter().flatten() {
            if let Some(written) = self.written_at.get_mut(target) {
                *written &= self.written;
            }
        }
        if targets != [None, None] {
            self.written = u16::MAX;
        }
        Ok(())
    }
}
