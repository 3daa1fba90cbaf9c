/// What a handle counted since it was opened, for a daemon to export as metrics.
///
/// All are counters that only grow.
///
/// # Examples
///
/// See [`TeamHandle::statistics`](crate::TeamHandle::statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandleStatistics {
    /// Messages about links, ports and options that the handle read from its two event sockets and
    /// applied, those about links of others included if the kernel delivered them.
    pub events: u64,
    /// Batches: how often there was something to report, see [`Changes`](crate::Changes).
    pub batches: u64,
    /// How often an event socket reported that the kernel had dropped notifications (`ENOBUFS`).
    pub overruns: u64,
    /// How often the handle requested everything again because notifications were lost, and got
    /// it: see [`Changes::is_resynced`](crate::Changes::is_resynced).
    pub resyncs: u64,
    /// Attempts at a dump that changes interrupted (`NLM_F_DUMP_INTR`); most of them were repeated.
    pub interrupted_dumps: u64,
    /// How often the kernel rejected the filter of an event socket, which then receives the
    /// messages of all links or teams until the kernel accepts a filter.
    pub filter_fallbacks: u64,
}
