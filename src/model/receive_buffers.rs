/// The sizes of the event sockets' receive buffers in bytes, as the kernel counts them.
///
/// # Examples
///
/// See [`TeamHandle::receive_buffers`](crate::TeamHandle::receive_buffers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveBuffers {
    /// That of the socket of link events.
    pub link: usize,
    /// That of the socket of the driver's change events.
    pub team: usize,
}
