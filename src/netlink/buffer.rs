//! The memory into which datagrams are received: one buffer per thread, shared by all its sockets.

use std::cell::Cell;

/// The initial length of a slot in bytes: that of the kernel's largest dump datagram.
///
/// Usual notifications are shorter. A longer datagram is detected by its length.
pub(crate) const SLOT_LEN: usize = 32 * 1024;
/// The maximum length of a slot in bytes; the kernel sends no longer datagram.
const MAX_SLOT_LEN: usize = 16 << 20;
/// The maximum number of datagrams that one call receives.
const SLOTS: usize = 8;

thread_local! {
    static THREAD_BUFFER: Cell<Option<Buffer>> = const { Cell::new(None) };
}

/// A buffer for several datagrams, each in a slot.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    slot_len: usize,
}

/// A guard that returns the buffer to its thread when it is dropped.
#[derive(Debug)]
pub(crate) struct BufferGuard(Option<Buffer>);

impl Buffer {
    /// Runs `work` with the thread's buffer, or with a new one while that is in use.
    pub(crate) fn with_thread_buffer<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut guard = BufferGuard(THREAD_BUFFER.try_with(Cell::take).ok().flatten());
        work(guard.0.get_or_insert_with(Self::new))
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

    /// Makes the slots long enough for a datagram of this length; very long slots are fewer.
    pub(crate) fn grow_to(&mut self, length: usize) {
        self.slot_len = length.clamp(self.slot_len, MAX_SLOT_LEN).next_power_of_two();
        self.bytes.resize(self.slot_len.max(SLOTS * SLOT_LEN), 0);
    }
}

impl Drop for BufferGuard {
    fn drop(&mut self) {
        // Fails only in a thread that ends, which needs no buffer any more.
        let _ = THREAD_BUFFER.try_with(|spare| spare.set(self.0.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_is_reused_but_not_shared() {
        Buffer::with_thread_buffer(|first| {
            first.bytes[0] = 1;
            Buffer::with_thread_buffer(|second| assert_eq!(second.bytes[0], 0));
        });
        Buffer::with_thread_buffer(|buffer| assert_eq!(buffer.bytes[0], 1));
    }

    #[test]
    fn slots_grow_to_datagram_length_up_to_a_limit() {
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
    fn buffer_works_while_a_thread_ends() {
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
