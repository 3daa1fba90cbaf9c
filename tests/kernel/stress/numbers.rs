//! Counters of what happened during the rounds.

use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) rounds: usize,
    /// Link messages that the kernel sent.
    pub(super) messages: usize,
    /// Messages for which a handle's buffer had no room.
    pub(super) dropped: u64,
    pub(super) resyncs: usize,
    /// Resyncs in which every dump was interrupted.
    pub(super) inconsistent: usize,
    /// Reported batches and changes.
    pub(super) batches: usize,
    pub(super) changes: usize,
    /// Handles that were opened during changes, and teams that were deleted under a handle.
    pub(super) opened: usize,
    pub(super) gone: usize,
    /// Rounds after which the kernel had not reported a link's state yet.
    pub(super) late: usize,
}

impl AddAssign for Numbers {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.messages += other.messages;
        self.dropped += other.dropped;
        self.resyncs += other.resyncs;
        self.inconsistent += other.inconsistent;
        self.batches += other.batches;
        self.changes += other.changes;
        self.opened += other.opened;
        self.gone += other.gone;
        self.late += other.late;
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            messages,
            dropped,
            resyncs,
            inconsistent,
            batches,
            changes,
            opened,
            gone,
            late,
        } = self;
        write!(
            f,
            "{rounds} rounds, {messages} link messages, {changes} changes in {batches} batches, {dropped} messages \
             overran a buffer, {resyncs} resyncs ({inconsistent} from interrupted dumps), {opened} handles opened, \
             {gone} teams gone under one, {late} states late"
        )
    }
}
