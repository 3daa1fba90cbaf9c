/// What to do with a dump of which every attempt was interrupted.
///
/// The kernel marks a dump (`NLM_F_DUMP_INTR`) when what it lists changed meanwhile: it may lack something that was
/// there all along, or hold it twice.
///
/// # Examples
///
/// See [`SocketBuilder`](crate::SocketBuilder), which takes it.
///
/// # Source
///
/// `NLM_F_DUMP_INTR`, `linux/netlink.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterruptedDump {
    /// Use the last attempt, and mark it: see [`Dump::is_consistent`].
    #[default]
    Keep,
    /// Fail with [`Error::Interrupted`](crate::Error::Interrupted).
    Fail,
}

/// What a dump brought.
///
/// # Examples
///
/// ```
/// use libteam::{LinkFilter, RtnlSocket};
///
/// # enter_namespace();
/// let links = RtnlSocket::new()?.links(&LinkFilter::new())?;
/// if !links.is_consistent() {
///     println!("interrupted in each of {} attempts", links.attempts());
/// }
/// assert_eq!(links.items().len(), 1);
/// for link in links {
///     println!("{}", link.name());
/// }
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump<T> {
    pub(crate) items: Vec<T>,
    pub(crate) consistent: bool,
    pub(crate) attempts: u32,
}

impl<T> Dump<T> {
    /// The items in the kernel's order.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The items in the kernel's order, as their own.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Whether this is a snapshot, as far as the kernel saw. If not, every attempt was interrupted, and the items of the
    /// last one may lack something or hold it twice.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// How often it was asked for: never more than [`SocketBuilder::dump_attempts`](crate::SocketBuilder::dump_attempts).
    /// Where several dumps make up one, the most that one of them took.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What was asked for once and is not there.
    pub(crate) fn empty() -> Self {
        Self { items: Vec::new(), consistent: true, attempts: 1 }
    }

    /// Puts the items of another dump after one's own.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.join(&other);
        self.items.extend(other.items);
        self
    }

    /// Takes on that this is no more consistent than another dump which it rests on.
    pub(crate) fn join<U>(&mut self, other: &Dump<U>) {
        self.consistent &= other.consistent;
        self.attempts = self.attempts.max(other.attempts);
    }
}

impl<T> IntoIterator for Dump<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}
