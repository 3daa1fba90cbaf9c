//! An assembler with labels, so that jumps can lead to positions that are not known yet.

use super::BpfInstruction;
use super::operation::code;

/// A position in a program, which may still be unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<BpfInstruction>,
    /// The position of each label.
    labels: Vec<usize>,
    /// The positions of the jumps, with their targets if the condition holds and if not.
    jumps: Vec<(usize, Target, Target)>,
}

/// The target of a jump.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Next,
    To(Label),
}

impl Assembler {
    /// Returns a new label, whose position [`bind`](Self::bind) sets.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(0);
        Label(self.labels.len() - 1)
    }

    /// Sets the position of the label to that of the next instruction.
    pub(super) fn bind(&mut self, label: Label) {
        if let Some(position) = self.labels.get_mut(label.0) {
            *position = self.instructions.len();
        }
    }

    pub(super) fn emit(&mut self, code: u16, k: u32) {
        self.instructions.push(BpfInstruction::stmt(code, k));
    }

    /// Appends a conditional jump.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) {
        self.jumps.push((self.instructions.len(), yes, no));
        self.emit(code, k);
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.branch(code::JUMP, 0, Target::To(to), Target::Next);
    }

    /// Fills in the jump offsets and returns the program.
    pub(super) fn finish(mut self) -> Vec<BpfInstruction> {
        for (position, yes, no) in std::mem::take(&mut self.jumps) {
            let (yes, no) = (self.jump_offset(position, yes), self.jump_offset(position, no));
            let Some(instruction) = self.instructions.get_mut(position) else { continue };
            if instruction.code == code::JUMP {
                instruction.k = yes.into();
            } else {
                (instruction.jt, instruction.jf) = (yes, no);
            }
        }
        self.instructions
    }

    /// Returns how many instructions a jump at `position` to the target skips.
    ///
    /// The programs that are assembled here are short enough for an offset of 8 bits.
    fn jump_offset(&self, position: usize, target: Target) -> u8 {
        match target {
            Target::Next => 0,
            Target::To(Label(label)) => {
                let target = self.labels.get(label).copied().unwrap_or_default();
                u8::try_from(target.saturating_sub(position + 1)).unwrap_or(u8::MAX)
            }
        }
    }
}
