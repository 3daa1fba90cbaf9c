use std::fmt::Debug;
use std::fs;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use log::debug;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg, setsockopt};
use socket2::{SockFilter, SockRef};

use super::buffer::Buffer;
use super::protocol::Protocol;
use super::ready_fd::{Poll, poll_readable};
use crate::bpf::BpfInstruction;
use crate::log_target::COMMAND;

/// The kernel's port id: the only sender that is believed.
pub(crate) const KERNEL_PORT_ID: u32 = 0;

/// Why a receive buffer does not grow.
pub(crate) const NO_MORE_ROOM: &str = "more requires CAP_NET_ADMIN or a larger net.core.rmem_max";

/// A receive tells the datagram's length, not the number of bytes that fitted, and does not wait:
/// recv(2).
const RECEIVE_FLAGS: MsgFlags = MsgFlags::MSG_TRUNC.union(MsgFlags::MSG_DONTWAIT);

/// One received datagram. `B` is `&[u8]`, or the number of bytes while the bytes are in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datagram<B> {
    /// A whole datagram of the kernel.
    Complete(B),
    /// A datagram of the kernel that was longer than its slot of the buffer.
    Truncated { length: usize },
    /// A datagram of another sender.
    NotFromKernel { sender: u32 },
}

/// The result of one receive: at least one datagram, each in its slot of the buffer.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) received: Vec<Datagram<usize>>,
    /// The socket had no further datagram, or the next receive returns an error.
    pub(crate) drained: bool,
}

impl Datagram<usize> {
    /// Classifies a datagram by its own length and by the port id that the kernel has recorded for
    /// its sender (the one in the message can be forged).
    pub(crate) fn new(length: usize, sender: u32, slot_len: usize) -> Self {
        match sender {
            KERNEL_PORT_ID if length <= slot_len => Self::Complete(length),
            KERNEL_PORT_ID => Self::Truncated { length },
            _ => Self::NotFromKernel { sender },
        }
    }
}

/// Whether the kernel dropped datagrams because the receive buffer was full; those that it had
/// queued before can still be read.
pub(crate) fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}

impl Batch {
    /// Returns the datagrams in order.
    pub(crate) fn datagrams<'a>(
        &'a self,
        buffer: &'a Buffer,
    ) -> impl Iterator<Item = Datagram<&'a [u8]>> {
        self.received.iter().zip(buffer.slots()).map(|(datagram, slot)| match *datagram {
            Datagram::Complete(length) => {
                slot.get(..length).map_or(Datagram::Truncated { length }, Datagram::Complete)
            }
            Datagram::Truncated { length } => Datagram::Truncated { length },
            Datagram::NotFromKernel { sender } => Datagram::NotFromKernel { sender },
        })
    }
}

/// A datagram socket to the kernel: the real one, or a test's script.
pub(crate) trait Transport: AsFd + Debug + Send {
    /// Sends one datagram to the kernel.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;
    /// Takes the next datagrams, at most as many as the buffer has slots;
    /// [`io::ErrorKind::WouldBlock`] where there is none.
    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch>;
    /// Waits for a datagram; false when the time is over.
    fn wait(&mut self, timeout: Duration) -> io::Result<bool>;
    /// The receive buffer's size in bytes as the kernel counts it.
    fn receive_buffer(&self) -> io::Result<usize>;
    /// Has the kernel run a classic BPF program over each datagram and drop what it returns 0 for;
    /// in place of the one before it, without a gap. None lets everything pass.
    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()>;
    /// Requests a receive buffer of `bytes`; the kernel doubles it and may cap it. It never gets
    /// smaller than it was, unless that is what was requested.
    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()>;
    /// Joins a multicast group.
    fn join(&mut self, _group: u32) -> io::Result<()> {
        Ok(())
    }
    /// Whether the calling thread has `CAP_NET_ADMIN` in effect, in whatever user namespace it is.
    fn has_net_admin(&self) -> bool {
        thread_has_net_admin()
    }
    /// The time, of which a test may have its own.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// Opens sockets in place of the kernel: a model of it does, for tests.
pub(crate) trait SocketSource: Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Opens a socket for requests, or for events.
    fn open(
        &self,
        protocol: Protocol,
        purpose: Purpose,
        receive_buffer: usize,
    ) -> io::Result<Box<dyn Transport>>;
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Requests,
    Events,
}

/// Whether the calling thread has `CAP_NET_ADMIN` in effect, in whatever user namespace it is;
/// false where `/proc` does not tell.
fn thread_has_net_admin() -> bool {
    const CAP_NET_ADMIN: u32 = 12;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    effective.is_some_and(|mask| mask >> CAP_NET_ADMIN & 1 == 1)
}

/// A netlink socket: closed on exec, connected to the kernel so that no other process can fill it.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    socket: Socket,
}

impl NetlinkSocket {
    /// Opens a socket of `protocol` (`NETLINK_ROUTE`, `NETLINK_GENERIC`) in the calling thread's
    /// network namespace.
    pub(crate) fn open(protocol: isize, receive_buffer: usize) -> io::Result<Self> {
        let mut this = Self { socket: Socket::new(protocol)? };
        this.set_receive_buffer(receive_buffer)?;
        // This binds it as well.
        this.socket.connect(&SocketAddr::new(KERNEL_PORT_ID, 0))?;
        Ok(this)
    }

    /// Asks for the kernel's own words with an error, and for acknowledgements that do not echo the
    /// request.
    pub(crate) fn enable_ext_ack(self) -> io::Result<Self> {
        self.socket.set_ext_ack(true)?;
        self.socket.set_cap_ack(true)?;
        Ok(self)
    }

    /// Asks the kernel to check the requests for dumps strictly, and to filter by what they name. A
    /// kernel older than 4.20 does not, which does no harm: what it sends is checked again.
    pub(crate) fn enable_strict_check(self) -> Self {
        if let Err(error) = self.socket.set_netlink_get_strict_chk(true) {
            debug!(target: COMMAND, "requests for dumps are not checked strictly: {error}");
        }
        self
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for NetlinkSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(datagram, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }

    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch> {
        let slot_len = buffer.slot_len();
        let mut slots: Vec<_> = buffer.slots_mut().map(|slot| [IoSliceMut::new(slot)]).collect();
        let count = slots.len();
        let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(count, None);
        let messages =
            recvmmsg(self.socket.as_raw_fd(), &mut headers, &mut slots, RECEIVE_FLAGS, None)?;
        let received: Vec<_> = messages
            .map(|message| {
                // What has no address is not the kernel's.
                let sender = message.address.map_or(u32::MAX, |address| address.pid());
                Datagram::new(message.bytes, sender, slot_len)
            })
            .collect();
        Ok(Batch { drained: received.len() < count, received })
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        self.socket.add_membership(group)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        // After a signal the caller reads again, and knows its deadline.
        Ok(poll_readable(&self.socket, Some(timeout))? != Poll::TimedOut)
    }

    fn receive_buffer(&self) -> io::Result<usize> {
        SockRef::from(&self.socket).recv_buffer_size()
    }

    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        let Some(program) = program else { return socket.detach_filter() };
        let program: Vec<SockFilter> = program
            .iter()
            .map(|instruction| {
                let BpfInstruction { code, jt, jf, k } = *instruction;
                SockFilter::new(code, jt, jf, k)
            })
            .collect();
        socket.attach_filter(&program)
    }

    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()> {
        if setsockopt(&self.socket, RcvBufForce, &bytes).is_ok() {
            return Ok(());
        }
        // Without CAP_NET_ADMIN the kernel caps the size at net.core.rmem_max, where the socket had
        // more too. The cap can be read neither in every namespace nor without /proc, so another
        // socket tries it.
        let trial = UnixDatagram::unbound()?;
        SockRef::from(&trial).set_recv_buffer_size(bytes)?;
        let (given, before) = (SockRef::from(&trial).recv_buffer_size()?, self.receive_buffer()?);
        if given < before && given < bytes.saturating_mul(2) {
            debug!(target: COMMAND, "a receive buffer stays at {before} bytes: net.core.rmem_max allows {given}");
            return Ok(());
        }
        SockRef::from(&self.socket).set_recv_buffer_size(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{fs, thread};

    use netlink_sys::protocols::NETLINK_ROUTE;
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;

    /// Runs something without `CAP_NET_ADMIN`, on a thread of its own, with a socket whose receive
    /// buffer is larger than that allows, and the size of that buffer.
    pub(crate) fn with_large_buffer(run: impl FnOnce(NetlinkSocket, usize) + Send) {
        let limit: usize =
            fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        let run = || {
            let socket = NetlinkSocket::open(NETLINK_ROUTE, 2 * limit).unwrap();
            assert_eq!(socket.receive_buffer().unwrap(), 4 * limit, "no CAP_NET_ADMIN");
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::NET_ADMIN);
            set_capabilities(None, sets).unwrap();
            run(socket, 4 * limit);
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap());
    }

    #[test]
    fn buffer_gets_smaller_only_where_that_was_requested() {
        with_large_buffer(|mut socket, before| {
            for requested in [before, before / 2, usize::try_from(i32::MAX).unwrap()] {
                socket.set_receive_buffer(requested).unwrap();
                assert_eq!(socket.receive_buffer().unwrap(), before, "{requested} requested");
            }
            for requested in [20_000, 30_000] {
                socket.set_receive_buffer(requested).unwrap();
                assert_eq!(socket.receive_buffer().unwrap(), 2 * requested);
            }
        });
    }
}
