//! Receives datagrams like this crate, and discards them.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use netlink_sys::Socket;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};

/// The maximum number of datagrams per system call, and their maximum length, which is the kernel's
/// for dumps.
pub(crate) const SLOTS: usize = 8;
pub(crate) const SLOT: usize = 32 << 10;

/// Returns memory for received datagrams.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; SLOTS * SLOT]
}

/// Receives the queued datagrams that fit, with one system call, and returns their lengths.
pub(crate) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Vec<usize>> {
    let mut slots: Vec<_> = buffer.chunks_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
    let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(SLOTS, None);
    let messages =
        recvmmsg(socket.as_raw_fd(), &mut headers, &mut slots, MsgFlags::MSG_DONTWAIT, None)?;
    Ok(messages.map(|message| message.bytes).collect())
}

/// Returns the number of messages in a datagram, and how many of them have the type `end`.
pub(crate) fn count(mut datagram: &[u8], end: u16) -> (usize, usize) {
    let (mut messages, mut ends) = (0, 0);
    while let Some((header, _)) = datagram.split_first_chunk::<6>() {
        let [a, b, c, d, kind @ ..] = *header;
        messages += 1;
        ends += usize::from(u16::from_ne_bytes(kind) == end);
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap();
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    (messages, ends)
}
