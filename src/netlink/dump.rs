/// What to do with a dump whose every attempt was interrupted.
///
/// The kernel marks a dump (`NLM_F_DUMP_INTR`) if the listed objects changed during the dump: it
/// may then lack an object that existed all the time, or contain an object twice.
///
/// # Examples
///
/// See [`SocketBuilder`](crate::netlink::SocketBuilder).
///
/// # Source
///
/// `NLM_F_DUMP_INTR`, `linux/netlink.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterruptedDump {
    /// Return the last attempt, marked as inconsistent: see [`Dump::is_consistent`].
    #[default]
    Keep,
    /// Fail with [`Error::Interrupted`](crate::Error::Interrupted).
    Fail,
}

/// The result of a dump request.
///
/// # Examples
///
/// ```
/// use libteam::rtnl::{LinkFilter, RtnlSocket};
///
/// # test_netns::enter();
/// let links = RtnlSocket::new()?.links(&LinkFilter::new())?;
/// if !links.is_consistent() {
///     println!("interrupted in each of {} attempts", links.attempts());
/// }
/// assert_eq!(links.items().len(), 1);
/// for link in &links {
///     println!("{}", link.name());
/// }
/// let names: Vec<String> = links.into_iter().map(|link| link.name().into_owned()).collect();
/// assert_eq!(names, ["lo"]);
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump<T> {
    pub(crate) items: Vec<T>,
    pub(crate) consistent: bool,
    pub(crate) attempts: u32,
}

impl<T> Dump<T> {
    /// Returns the items in the kernel's order.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Iterates over the items in the kernel's order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// Consumes the dump and returns the items in the kernel's order.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Returns whether the items are a snapshot of one point in time, as far as the kernel knows.
    ///
    /// If not, every attempt was interrupted by changes: in the last attempt, an object may be
    /// missing or listed twice.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// Returns how often the dump was requested.
    ///
    /// The number is at most
    /// [`SocketBuilder::dump_attempts`](crate::netlink::SocketBuilder::dump_attempts). For a result
    /// that combines several dumps, it is the largest of their numbers.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns a consistent dump without items.
    pub(crate) fn empty() -> Self {
        Self { items: Vec::new(), consistent: true, attempts: 1 }
    }

    /// Appends the items of another dump.
    pub(crate) fn extend(&mut self, other: Self) {
        self.merge_status(&other);
        self.items.extend(other.items);
    }

    /// Makes this dump no more consistent than another dump that it depends on.
    pub(crate) fn merge_status<U>(&mut self, other: &Dump<U>) {
        self.consistent &= other.consistent;
        self.attempts = self.attempts.max(other.attempts);
    }

    pub(crate) fn map<U>(self, convert: impl FnMut(T) -> U) -> Dump<U> {
        let items = self.items.into_iter().map(convert).collect();
        Dump { items, consistent: self.consistent, attempts: self.attempts }
    }

    pub(crate) fn try_map<U, E>(
        self,
        convert: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Dump<U>, E> {
        let items = self.items.into_iter().map(convert).collect::<Result<_, _>>()?;
        Ok(Dump { items, consistent: self.consistent, attempts: self.attempts })
    }
}

impl<T> IntoIterator for Dump<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Dump<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
