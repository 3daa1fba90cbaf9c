//! What a storm leaves out where the kernel would never recover from it.

use super::action::Action;
use crate::support::features::keeps_ports_that_move;

/// What one era leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Omission {
    Nothing,
    Moves,
    Mtus,
}

impl Omission {
    /// Of what is too much together for this kernel, one era leaves out the one and the next the
    /// other.
    pub(super) fn on_this_kernel() -> [Self; 2] {
        if keeps_ports_that_move() { [Self::Moves, Self::Mtus] } else { [Self::Nothing; 2] }
    }

    pub(super) fn has(self, action: &Action) -> bool {
        match self {
            Self::Nothing => false,
            Self::Moves => {
                matches!(
                    action,
                    Action::SendAway { .. } | Action::BringBack { .. } | Action::DeleteAway { .. }
                )
            }
            Self::Mtus => matches!(action, Action::SetMtu { .. }),
        }
    }
}
