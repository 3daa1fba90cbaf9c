/// The receive buffer sizes of a handle's event sockets, in bytes as the kernel counts them.
///
/// # Examples
///
/// See [`TeamHandle::receive_buffers`](crate::TeamHandle::receive_buffers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveBuffers {
    /// The receive buffer of the socket for link events.
    pub link: usize,
    /// The receive buffer of the socket for the team driver's events.
    pub team: usize,
}
