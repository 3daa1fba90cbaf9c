//! Receiving as this crate does, and throwing away.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use netlink_sys::Socket;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};

/// How many datagrams are received at once at most, and how long each may be: the kernel's largest
/// of a dump.
pub(crate) const SLOTS: usize = 8;
pub(crate) const SLOT: usize = 32 << 10;

/// Memory to receive into.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; SLOTS * SLOT]
}

/// Receives as many datagrams as wait and fit, with one system call, and tells their lengths.
pub(crate) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Vec<usize>> {
    let mut slots: Vec<_> = buffer.chunks_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
    let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(SLOTS, None);
    let messages =
        recvmmsg(socket.as_raw_fd(), &mut headers, &mut slots, MsgFlags::MSG_DONTWAIT, None)?;
    Ok(messages.map(|message| message.bytes).collect())
}

/// How many messages the datagram holds, and how many of them are an end, which is of this kind.
pub(crate) fn look(mut datagram: &[u8], end: u16) -> (usize, usize) {
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
