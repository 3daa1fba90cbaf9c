//! A short value that stands for a state, so that equal states are found.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// Hashes what is written to it, twice: two different states have the same 128 bits by an accident
/// that no search will see.
pub(crate) struct Digest([DefaultHasher; 2]);

impl Digest {
    pub(crate) fn new() -> Self {
        let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
        hashers[1].write_u8(1);
        Self(hashers)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
    }

    /// Adds a value as its `Debug` shows it.
    pub(crate) fn debug(&mut self, value: &dyn Debug) {
        write!(self, "{value:?};").expect("hashing does not fail");
    }

    pub(crate) fn finish(&self) -> u128 {
        let [high, low] = self.0.each_ref().map(Hasher::finish);
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for hasher in &mut self.0 {
            hasher.write(text.as_bytes());
        }
        Ok(())
    }
}
