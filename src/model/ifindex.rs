use std::fmt;
use std::num::NonZeroU32;

/// The kernel's number of a network interface in its namespace; never 0.
///
/// A number is given out again after its link was deleted only when somebody asks for it, so a
/// stale index is far more often "no such device" than another device.
///
/// # Examples
///
/// ```
/// use libteam::IfIndex;
///
/// let lo = IfIndex::new(1).expect("1 is not 0");
/// assert_eq!(lo.get(), 1);
/// assert_eq!(lo.to_string(), "1");
/// assert_eq!(IfIndex::new(0), None);
/// ```
///
/// # Source
///
/// `ifi_index`, rtnetlink(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IfIndex(NonZeroU32);

impl IfIndex {
    /// Wraps a number; `None` for 0, which the kernel uses for "no link".
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// Whether a link can have this index: the kernel takes it for a signed number.
    pub(crate) const fn is_possible(self) -> bool {
        self.get() <= i32::MAX.unsigned_abs()
    }

    /// The bare number, as system calls and other libraries take it.
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

impl From<NonZeroU32> for IfIndex {
    fn from(index: NonZeroU32) -> Self {
        Self(index)
    }
}

impl From<IfIndex> for u32 {
    fn from(index: IfIndex) -> Self {
        index.get()
    }
}
