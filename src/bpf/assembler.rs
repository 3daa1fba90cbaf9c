//! Puts a program together whose jumps lead to places that come later.

use super::BpfInstruction;
use super::operation::code;

/// A place in a program, known or yet to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<BpfInstruction>,
    /// Where each label is.
    labels: Vec<usize>,
    /// Which instructions jump, and where to: if the condition holds, and if not.
    jumps: Vec<(usize, Target, Target)>,
}

/// Where a jump leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Next,
    To(Label),
}

impl Assembler {
    /// A place that jumps may lead to and [`place`](Self::place) fixes.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(0);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(super) fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = self.instructions.len();
        }
    }

    pub(super) fn emit(&mut self, code: u16, k: u32) {
        self.instructions.push(BpfInstruction::stmt(code, k));
    }

    /// A conditional jump.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) {
        self.jumps.push((self.instructions.len(), yes, no));
        self.emit(code, k);
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.branch(code::JUMP, 0, Target::To(to), Target::Next);
    }

    /// Fills in the jumps.
    pub(super) fn finish(mut self) -> Vec<BpfInstruction> {
        for (position, yes, no) in std::mem::take(&mut self.jumps) {
            let (yes, no) = (self.skipped(position, yes), self.skipped(position, no));
            let Some(instruction) = self.instructions.get_mut(position) else { continue };
            if instruction.code == code::JUMP {
                instruction.k = yes.into();
            } else {
                (instruction.jt, instruction.jf) = (yes, no);
            }
        }
        self.instructions
    }

    /// How many instructions a jump to a target skips. What is put together here is shorter than a
    /// jump can be.
    fn skipped(&self, position: usize, target: Target) -> u8 {
        match target {
            Target::Next => 0,
            Target::To(Label(label)) => {
                let place = self.labels.get(label).copied().unwrap_or_default();
                u8::try_from(place.saturating_sub(position + 1)).unwrap_or(u8::MAX)
            }
        }
    }
}
