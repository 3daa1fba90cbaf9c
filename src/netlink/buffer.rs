//! The memory that datagrams are received into: one piece for each thread, lent to whoever
//! receives, for there may be very many sockets.

use std::cell::Cell;

/// The kernel's largest dump datagram, and larger than any usual notification. A longer datagram is
/// found out by its length.
pub(crate) const SLOT_LEN: usize = 32 * 1024;
/// No honest datagram is longer.
const MAX_SLOT_LEN: usize = 16 << 20;
/// How many datagrams are received at once at most.
const SLOTS: usize = 8;

thread_local! {
    static THREAD_BUFFER: Cell<Option<Buffer>> = const { Cell::new(None) };
}

/// Room for some datagrams, each in a slot.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    slot_len: usize,
}

/// A buffer that goes back to its thread when dropped.
#[derive(Debug)]
pub(crate) struct BufferGuard(Option<Buffer>);

impl Buffer {
    /// Lends `work` the thread's buffer, or where somebody has that already, another one.
    pub(crate) fn with_thread_buffer<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut lent = BufferGuard(THREAD_BUFFER.try_with(Cell::take).ok().flatten());
        work(lent.0.get_or_insert_with(Self::new))
    }

    fn new() -> Self {
        Self { bytes: vec![0; SLOTS * SLOT_LEN], slot_len: SLOT_LEN }
    }

    /// Returns the number of bytes that one slot holds.
    pub(crate) fn slot_len(&self) -> usize {
        self.slot_len
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.slot_len)
    }

    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(self.slot_len)
    }

    /// Makes the slots so long that a datagram of this length fits, and if they are very long,
    /// fewer.
    pub(crate) fn grow_to(&mut self, length: usize) {
        self.slot_len = length.clamp(self.slot_len, MAX_SLOT_LEN).next_power_of_two();
        self.bytes.resize(self.slot_len.max(SLOTS * SLOT_LEN), 0);
    }
}

impl Drop for BufferGuard {
    fn drop(&mut self) {
        // A thread that ends needs none any more.
        let _ = THREAD_BUFFER.try_with(|spare| spare.set(self.0.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_lent_again_and_nobody_shares() {
        Buffer::with_thread_buffer(|first| {
            first.bytes[0] = 1;
            Buffer::with_thread_buffer(|second| assert_eq!(second.bytes[0], 0));
        });
        Buffer::with_thread_buffer(|buffer| assert_eq!(buffer.bytes[0], 1));
    }

    #[test]
    fn it_grows_to_what_did_not_fit_and_no_further_than_honest_datagrams_go() {
        let mut buffer = Buffer::new();
        assert_eq!((buffer.slot_len, buffer.slots().count()), (SLOT_LEN, SLOTS));
        buffer.grow_to(SLOT_LEN + 1);
        assert_eq!((buffer.slot_len, buffer.slots().count()), (2 * SLOT_LEN, SLOTS / 2));
        buffer.grow_to(SLOT_LEN);
        assert_eq!(buffer.slot_len, 2 * SLOT_LEN);
        buffer.grow_to(usize::MAX);
        assert_eq!((buffer.slot_len, buffer.slots().count()), (MAX_SLOT_LEN, 1));
        assert_eq!(buffer.slots_mut().map(|slot| slot.len()).collect::<Vec<_>>(), [MAX_SLOT_LEN]);
    }

    #[test]
    fn a_thread_that_ends_can_still_receive() {
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                Buffer::with_thread_buffer(|buffer| assert_eq!(buffer.slot_len, SLOT_LEN));
            }
        }
        thread_local!(static LAST: Last = const { Last });
        let thread = std::thread::spawn(|| {
            LAST.with(|_| Buffer::with_thread_buffer(|_| ()));
        });
        thread.join().unwrap();
    }
}
