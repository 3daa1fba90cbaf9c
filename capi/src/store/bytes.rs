//! Buffers whose address a C program has.

use std::cell::Cell;
use std::ffi::{c_char, c_void};

/// A buffer of a fixed size that is changed in place. A C program may write into it, too.
#[derive(Debug)]
pub(super) struct Buffer<const N: usize>([Cell<u8>; N]);

impl<const N: usize> Default for Buffer<N> {
    fn default() -> Self {
        Self([const { Cell::new(0) }; N])
    }
}

impl<const N: usize> Buffer<N> {
    /// Takes over as many bytes as fit, and returns whether the buffer began with other ones.
    pub(super) fn set(&self, bytes: &[u8]) -> bool {
        let mut is_changed = false;
        for (cell, byte) in self.0.iter().zip(bytes) {
            is_changed |= cell.replace(*byte) != *byte;
        }
        is_changed
    }

    /// Takes over as much text as fits with its NUL.
    pub(super) fn set_text(&self, text: &[u8]) -> bool {
        let text = text.get(..N.saturating_sub(1)).unwrap_or(text);
        let is_changed = self.starts_with(text) && self.0.get(text.len()).is_some_and(is_nul);
        self.set(text);
        if let Some(end) = self.0.get(text.len()) {
            end.set(0);
        }
        !is_changed
    }

    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        bytes.len() <= N && self.0.iter().zip(bytes).all(|(cell, byte)| cell.get() == *byte)
    }

    /// The bytes up to a length, or up to the end.
    pub(super) fn get(&self, length: usize) -> Vec<u8> {
        self.0.iter().take(length).map(Cell::get).collect()
    }

    /// The bytes before the first NUL.
    pub(super) fn text(&self) -> Vec<u8> {
        self.0.iter().map(Cell::get).take_while(|byte| *byte != 0).collect()
    }

    pub(super) fn as_ptr(&self) -> *mut c_char {
        self.0.as_ptr().cast_mut().cast()
    }
}

fn is_nul(cell: &Cell<u8>) -> bool {
    cell.get() == 0
}

/// Bytes at an address that suits every C type, with a NUL after them.
#[derive(Debug)]
pub(super) struct Aligned {
    words: Box<[Cell<u64>]>,
    length: usize,
}

const WORD: usize = size_of::<u64>();

impl Aligned {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let words = (0..=bytes.len() / WORD).map(|word| {
            let mut padded = [0; WORD];
            let rest = bytes.get(word * WORD..).unwrap_or_default();
            padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            Cell::new(u64::from_ne_bytes(padded))
        });
        Self { words: words.collect(), length: bytes.len() }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.get().to_ne_bytes());
        bytes.take(self.length).collect()
    }

    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.words.as_ptr().cast_mut().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_bytes_read_back_with_a_nul_after_them() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (1..=length).collect();
            let aligned = Aligned::new(&bytes);
            assert_eq!((aligned.to_vec(), aligned.len()), (bytes, usize::from(length)));
            assert_eq!(aligned.as_ptr().align_offset(8), 0);
            assert!(aligned.words.len() * WORD > usize::from(length));
        }
    }

    #[test]
    fn text_is_cut_to_the_buffer_and_compared() {
        let buffer = Buffer::<4>::default();
        assert!(!buffer.set_text(b""), "it is empty");
        assert!(buffer.set_text(b"abcdef"));
        assert_eq!(buffer.text(), b"abc");
        assert!(!buffer.set_text(b"abcxyz"), "what fits is the same");
        assert!(buffer.set_text(b"ab"), "a shorter text is another one");
        assert_eq!(buffer.text(), b"ab");
    }
}
