/// The counters of a handle since it was opened, for a daemon to export as metrics.
///
/// No counter ever decreases.
///
/// # Examples
///
/// See [`TeamHandle::statistics`](crate::TeamHandle::statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandleStatistics {
    /// How many messages about links, ports and options the handle read from its event sockets.
    ///
    /// Messages about links outside the handle's [`LinkScope`](crate::LinkScope) count if the
    /// kernel delivered them.
    pub events: u64,
    /// How many batches of [`Changes`](crate::Changes) the handle found.
    pub batches: u64,
    /// How often an event socket reported that the kernel had dropped notifications (`ENOBUFS`).
    pub overruns: u64,
    /// How many resyncs succeeded: the handle requested everything again after lost notifications.
    ///
    /// See [`Changes::is_resynced`](crate::Changes::is_resynced).
    pub resyncs: u64,
    /// How many dumps were interrupted by changes (`NLM_F_DUMP_INTR`).
    ///
    /// Each attempt counts, also one that was repeated afterwards.
    pub interrupted_dumps: u64,
    /// How often the kernel rejected the filter of an event socket.
    ///
    /// Such a socket receives the messages of all links or teams until the kernel accepts a filter.
    pub filter_fallbacks: u64,
}
