use std::fmt;
use std::num::NonZeroU32;

/// The largest index that a link can have: the kernel's type is a signed number.
const MAX: u32 = i32::MAX.unsigned_abs();

/// The kernel's number of a network interface in its namespace, from 1 to `i32::MAX`.
///
/// After a link was deleted, the kernel gives its index to another link only if the index is
/// requested explicitly. A stale index is therefore far more often "no such device" than another
/// device.
///
/// # Examples
///
/// ```
/// use libteam::IfIndex;
///
/// let lo = IfIndex::new(1).expect("1 is an index");
/// assert_eq!(lo.get(), 1);
/// assert_eq!(lo.to_string(), "1");
/// assert_eq!(IfIndex::try_from(1), Ok(lo));
///
/// assert_eq!(IfIndex::new(0), None);
/// assert_eq!(IfIndex::new(0x8000_0000), None);
/// ```
///
/// # Source
///
/// `ifi_index`, rtnetlink(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u32", into = "u32"))]
pub struct IfIndex(NonZeroU32);

impl IfIndex {
    /// Wraps a number; `None` for a number that no link can have: 0, which the kernel uses for "no
    /// link", and those above `i32::MAX`.
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(number) if index <= MAX => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns the bare number, as system calls and other libraries expect it.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for IfIndex {
    type Error = InvalidIfIndex;

    fn try_from(index: u32) -> Result<Self, Self::Error> {
        Self::new(index).ok_or(InvalidIfIndex { index })
    }
}

impl From<IfIndex> for u32 {
    fn from(index: IfIndex) -> Self {
        index.get()
    }
}

/// The error of a number that cannot be an interface index.
///
/// # Examples
///
/// ```
/// let error = libteam::IfIndex::try_from(0).unwrap_err();
/// assert_eq!(error.to_string(), "invalid interface index 0: expected 1 to 2147483647");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid interface index {index}: expected 1 to {MAX}")]
pub struct InvalidIfIndex {
    index: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_between_one_and_i32_max() {
        for index in [1, 2, MAX - 1, MAX] {
            assert_eq!(IfIndex::new(index).map(IfIndex::get), Some(index));
            assert_eq!(IfIndex::try_from(index).map(u32::from), Ok(index));
        }
        for index in [0, MAX + 1, u32::MAX] {
            assert_eq!(IfIndex::new(index), None, "{index}");
            assert_eq!(IfIndex::try_from(index), Err(InvalidIfIndex { index }));
        }
    }
}
