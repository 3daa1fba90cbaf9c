//! A packet socket that only sends.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::model::ifindex::IfIndex;

/// How long a frame may wait for space in the send buffer, far longer than a working device needs.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A socket that sends complete frames; with the protocol 0, the kernel delivers none to it.
#[derive(Debug)]
pub(super) struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens a socket in the calling thread's network namespace, which requires `CAP_NET_RAW`.
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self(socket))
    }

    /// Sends frames on a link of the socket's namespace, in order.
    pub(super) fn send_all<'a>(
        &self,
        ifindex: IfIndex,
        frames: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> io::Result<()> {
        let link = link_address(ifindex);
        for frame in frames {
            while let Err(error) = self.0.send_to(frame, &link) {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Returns the address of a link as the destination of frames: `struct sockaddr_ll`, packet(7).
///
/// No safe constructor of this struct is available, so this is a `sockaddr_in6` with the same
/// bytes. A packet socket treats the destination as a `sockaddr_ll` without regard to its family
/// (`packet_snd` in `net/packet/af_packet.c`). Both structs have two bytes after the family
/// (`sll_protocol` and the port, which are 0), then four bytes in the machine's order
/// (`sll_ifindex` and the flow information), then zeros (including `sll_halen`). `sockaddr_in6` is
/// the longer one.
fn link_address(ifindex: IfIndex) -> SockAddr {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, ifindex.get(), 0).into()
}
