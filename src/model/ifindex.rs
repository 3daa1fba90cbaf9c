use std::fmt;
use std::num::NonZeroU32;

/// The largest interface index: the kernel's type is a signed 32-bit number.
const MAX: u32 = i32::MAX.unsigned_abs();

/// An interface index: the kernel's number of a link within its namespace, 1 to `i32::MAX`.
///
/// The kernel does not reuse the index of a deleted link unless a request asks for that index. A
/// stale index therefore nearly always fails with `ENODEV` and seldom names another device.
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
    /// Returns the index with this number, or `None` if no link can have it.
    ///
    /// That is so for 0, which the kernel uses for "no link", and for numbers above `i32::MAX`.
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(number) if index <= MAX => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns the number, as system calls and other libraries expect it.
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
    fn index_outside_1_to_i32_max_is_rejected() {
        for index in [1, 2, MAX - 1, MAX] {
            assert_eq!(IfIndex::new(index).map(IfIndex::get), Some(index));
            assert_eq!(IfIndex::try_from(index).map(u32::from), Ok(index));
        }
        for index in [0, MAX + 1, u32::MAX] {
            assert_eq!(IfIndex::new(index), None, "index for {index}");
            assert_eq!(IfIndex::try_from(index), Err(InvalidIfIndex { index }));
        }
    }
}
