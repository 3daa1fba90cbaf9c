//! A short value that identifies a state, so that equal states are recognized.

use std::fmt::{Debug, Write};

/// Collects everything that belongs to a state. The probability that two different states have the
/// same 128 bits is negligible.
#[derive(Debug, Default)]
pub(crate) struct Digest(String);

impl Digest {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.debug(&(bytes.len(), mixed(bytes)));
    }

    /// Adds a value in its `Debug` format.
    pub(crate) fn debug(&mut self, value: &dyn Debug) {
        write!(self.0, "{value:?};").expect("a string takes everything");
    }

    pub(crate) fn finish(&self) -> u128 {
        mixed(self.0.as_bytes())
    }
}

/// Mixes all bytes, eight at a time: unlike the hasher of the standard library, this is fast in an
/// unoptimized build.
fn mixed(bytes: &[u8]) -> u128 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let mut state = bytes.len() as u128;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u128::from(u64::from_ne_bytes(word))).wrapping_mul(FACTOR);
        state ^= state >> 59;
    }
    state
}
