//! A packet socket that only sends.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::model::ifindex::IfIndex;

/// How long a frame may wait for room in the socket's send buffer. A device that sends at all needs
/// far less.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A socket that sends whole frames, and to which the kernel delivers none: its protocol is 0.
#[derive(Debug)]
pub(super) struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens a socket in the calling thread's network namespace. Requires `CAP_NET_RAW` there.
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self(socket))
    }

    /// Sends frames on a link of the socket's namespace, in this order.
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

/// The address that names a link as the destination of a frame: a `struct sockaddr_ll`, packet(7).
///
/// No safe constructor of that struct is at hand. Where a packet socket sends, the kernel reads the
/// address as a `sockaddr_ll` whatever family it names (`packet_snd` in `net/packet/af_packet.c`),
/// so a `sockaddr_in6` with the same bytes does: both have two bytes (`sll_protocol`, the port: 0)
/// after the family, then four bytes in the machine's order (`sll_ifindex`, the flow information),
/// then zeros (`sll_halen` among them), and `sockaddr_in6` is the longer one.
fn link_address(ifindex: IfIndex) -> SockAddr {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, ifindex.get(), 0).into()
}
