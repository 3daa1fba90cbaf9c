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

/// The port id of the kernel; datagrams of other senders are ignored.
pub(crate) const KERNEL_PORT_ID: u32 = 0;

/// What a larger receive buffer requires, for log lines.
pub(crate) const NO_MORE_ROOM: &str = "more requires CAP_NET_ADMIN or a larger net.core.rmem_max";

/// The flags to return the full length of a datagram, and not to wait: see recv(2).
const RECEIVE_FLAGS: MsgFlags = MsgFlags::MSG_TRUNC.union(MsgFlags::MSG_DONTWAIT);

/// A received datagram: `B` is its bytes, or their number while they are in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datagram<B> {
    /// A complete datagram of the kernel.
    Complete(B),
    /// A datagram of the kernel that is longer than its slot of the buffer.
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
    /// Classifies a datagram by its length and by the sender's port id that the kernel recorded.
    ///
    /// The port id in the message itself can be forged.
    pub(crate) fn new(length: usize, sender: u32, slot_len: usize) -> Self {
        match sender {
            KERNEL_PORT_ID if length <= slot_len => Self::Complete(length),
            KERNEL_PORT_ID => Self::Truncated { length },
            _ => Self::NotFromKernel { sender },
        }
    }
}

/// Returns whether the kernel dropped datagrams because the receive buffer was full.
///
/// Datagrams that were queued before can still be read.
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

/// A datagram socket to the kernel: a netlink socket, or a script of a test.
pub(crate) trait Transport: AsFd + Debug + Send {
    /// Sends one datagram to the kernel.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;
    /// Receives the next datagrams without waiting, at most as many as the buffer has slots.
    ///
    /// Fails with [`io::ErrorKind::WouldBlock`] if there are none.
    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch>;
    /// Waits for a datagram; false after the timeout.
    fn wait(&mut self, timeout: Duration) -> io::Result<bool>;
    /// Returns the size of the receive buffer in bytes, as the kernel counts it.
    fn receive_buffer(&self) -> io::Result<usize>;
    /// Sets the socket filter: the kernel drops each datagram for which the program returns 0.
    ///
    /// The program replaces the former one at once. `None` removes the filter.
    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()>;
    /// Requests a receive buffer of `bytes`, which the kernel doubles and may limit.
    ///
    /// The buffer becomes smaller only if a smaller size was requested.
    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()>;
    /// Joins a multicast group.
    fn join(&mut self, _group: u32) -> io::Result<()> {
        Ok(())
    }
    /// Returns whether `CAP_NET_ADMIN` is effective for the calling thread in its user namespace.
    fn has_net_admin(&self) -> bool {
        thread_has_net_admin()
    }
    /// Returns the current time; a test may have a clock of its own.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A source of sockets in place of the kernel, e.g. a model of the kernel in tests.
pub(crate) trait SocketSource: Debug + Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Opens a socket for requests, or for events.
    fn open(
        &self,
        protocol: Protocol,
        purpose: Purpose,
        receive_buffer: usize,
    ) -> io::Result<Box<dyn Transport>>;
}

/// The purpose of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Requests,
    Events,
}

/// Returns whether `CAP_NET_ADMIN` is effective for the calling thread in its user namespace.
///
/// False if `/proc` does not show it.
fn thread_has_net_admin() -> bool {
    const CAP_NET_ADMIN: u32 = 12;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    effective.is_some_and(|mask| mask >> CAP_NET_ADMIN & 1 == 1)
}

/// A netlink socket that is closed on exec and connected to the kernel.
///
/// Because of the connection, other processes cannot fill its receive buffer.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    socket: Socket,
}

impl NetlinkSocket {
    /// Opens a socket of a protocol (`NETLINK_*`) in the calling thread's network namespace.
    pub(crate) fn open(protocol: isize, receive_buffer: usize) -> io::Result<Self> {
        let mut this = Self { socket: Socket::new(protocol)? };
        this.set_receive_buffer(receive_buffer)?;
        // connect(2) also binds the socket.
        this.socket.connect(&SocketAddr::new(KERNEL_PORT_ID, 0))?;
        Ok(this)
    }

    /// Enables the kernel's error messages, and acknowledgements without a copy of the request.
    pub(crate) fn enable_ext_ack(self) -> io::Result<Self> {
        self.socket.set_ext_ack(true)?;
        self.socket.set_cap_ack(true)?;
        Ok(self)
    }

    /// Enables strict checks of dump requests, so that the kernel filters dumps.
    ///
    /// Kernels before 4.20 do not support that; results are therefore filtered again.
    pub(crate) fn enable_strict_check(self) -> Self {
        if let Err(error) = self.socket.set_netlink_get_strict_chk(true) {
            debug!(target: COMMAND, "the kernel does not check dump requests strictly: {error}");
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
                // A datagram without an address is not from the kernel.
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
        // After a signal, the caller tries to read again and checks its deadline.
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
        // Without CAP_NET_ADMIN, the kernel limits the size to net.core.rmem_max, even if the
        // buffer is larger already. The limit is not readable in every namespace, and not without
        // /proc, so another socket tries the size first.
        let trial = UnixDatagram::unbound()?;
        SockRef::from(&trial).set_recv_buffer_size(bytes)?;
        let (given, before) = (SockRef::from(&trial).recv_buffer_size()?, self.receive_buffer()?);
        if given < before && given < bytes.saturating_mul(2) {
            debug!(target: COMMAND, "a receive buffer stays at {before} bytes: the limit is {given} bytes");
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

    /// Runs a function without `CAP_NET_ADMIN`, on a thread of its own.
    ///
    /// The function gets a socket whose receive buffer is larger than `net.core.rmem_max`, and the
    /// size of the buffer.
    pub(crate) fn with_large_buffer(run: impl FnOnce(NetlinkSocket, usize) + Send) {
        let limit: usize =
            fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        let run = || {
            let socket = NetlinkSocket::open(NETLINK_ROUTE, 2 * limit).unwrap();
            let size = socket.receive_buffer().unwrap();
            assert_eq!(size, 4 * limit, "receive buffer; the test requires CAP_NET_ADMIN");
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::NET_ADMIN);
            set_capabilities(None, sets).unwrap();
            run(socket, 4 * limit);
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap());
    }

    #[test]
    fn buffer_shrinks_only_if_requested() {
        with_large_buffer(|mut socket, before| {
            for requested in [before, before / 2, usize::try_from(i32::MAX).unwrap()] {
                socket.set_receive_buffer(requested).unwrap();
                let size = socket.receive_buffer().unwrap();
                assert_eq!(size, before, "buffer after a request for {requested} bytes");
            }
            for requested in [20_000, 30_000] {
                socket.set_receive_buffer(requested).unwrap();
                assert_eq!(socket.receive_buffer().unwrap(), 2 * requested);
            }
        });
    }
}
