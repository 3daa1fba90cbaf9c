//! Actions that the stress test leaves out because this kernel does not recover from them.

use super::action::Action;
use crate::support::features::keeps_ports_that_move;

/// The actions that one era leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    Nothing,
    Moves,
    Mtus,
}

impl Exclusion {
    /// Returns the exclusions of two eras. If this kernel fails when two kinds of actions are
    /// combined, each era leaves out one kind.
    pub(super) fn for_this_kernel() -> [Self; 2] {
        if keeps_ports_that_move() { [Self::Moves, Self::Mtus] } else { [Self::Nothing; 2] }
    }

    pub(super) fn excludes(self, action: &Action) -> bool {
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
