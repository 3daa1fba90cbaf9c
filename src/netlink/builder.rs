use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::netlink::dump::InterruptedDump;
use crate::netlink::error::ErrorContext;
use crate::netlink::netns::{current, run_in};
use crate::netlink::protocol::Protocol;
use crate::netlink::request::{DumpPolicy, RequestSocket};
use crate::netlink::socket::{NetlinkSocket, Purpose, SocketSource, Transport};

/// The default size of receive buffers in bytes.
///
/// It suffices for the acknowledgements of a few hundred requests that are sent at once.
const DEFAULT_RECEIVE_BUFFER: usize = 1 << 20;
const DEFAULT_DUMP_ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// The largest size in bytes that the kernel can double.
pub(crate) const MAX_RECEIVE_BUFFER: usize = (i32::MAX / 2) as usize;
const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// A builder that opens sockets with other settings, or in another network namespace.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use libteam::netlink::{InterruptedDump, SocketBuilder};
///
/// # test_netns::enter();
/// let namespace = std::fs::File::open("/proc/self/ns/net")?;
/// let rtnl = SocketBuilder::new()
///     .command_timeout(Duration::from_secs(1))
///     .interrupted_dump(InterruptedDump::Fail)
///     .in_namespace(&namespace)?
///     .rtnl()?;
/// # drop(rtnl);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SocketBuilder {
    receive_buffer: usize,
    dump_attempts: NonZeroU32,
    interrupted: InterruptedDump,
    command_timeout: Duration,
    namespace: Option<Arc<OwnedFd>>,
    /// Opens the sockets in place of the kernel, for tests.
    source: Option<Arc<dyn SocketSource>>,
}

impl Default for SocketBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketBuilder {
    /// Returns a builder with the default settings.
    pub fn new() -> Self {
        Self {
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            dump_attempts: DEFAULT_DUMP_ATTEMPTS,
            interrupted: InterruptedDump::default(),
            command_timeout: DEFAULT_COMMAND_TIMEOUT,
            namespace: None,
            source: None,
        }
    }

    /// Sets the size of the receive buffer in bytes; 1 MiB by default.
    ///
    /// The kernel doubles the size for its bookkeeping. Without `CAP_NET_ADMIN` it limits the size
    /// to `net.core.rmem_max`. The kernel cannot double a size of more than 1 GiB, so a larger size
    /// is reduced to 1 GiB.
    ///
    /// # Source
    ///
    /// `SO_RCVBUF` and `SO_RCVBUFFORCE`, socket(7).
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes.min(MAX_RECEIVE_BUFFER);
        self
    }

    /// Sets how many times a dump is requested at most if changes interrupt it; 5 by default.
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP_INTR`, `linux/netlink.h`.
    pub fn dump_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.dump_attempts = attempts;
        self
    }

    /// Sets what to do with a dump whose every attempt was interrupted.
    ///
    /// By default, the last attempt is returned and marked: [`InterruptedDump::Keep`].
    pub fn interrupted_dump(mut self, policy: InterruptedDump) -> Self {
        self.interrupted = policy;
        self
    }

    /// Sets how long to wait for the kernel's reply to one request; 5 seconds by default.
    ///
    /// The timeout covers the whole reply; for a dump, it covers one attempt. Data that arrived in
    /// time is still read. After a failure, discarding the rest of a reply may take the same time
    /// again.
    ///
    /// The timeout does not limit how long a call takes. The kernel executes most requests inside
    /// the system call `send`, and the time begins when `send` has returned. Inside `send` a
    /// request waits for the kernel's rtnl lock, which all network configuration shares, and no
    /// socket option limits that wait. With a timeout of 50 ms, a request took 365 ms while another
    /// process deleted 6,000 links.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// Sets the network namespace of the sockets; by default, that of the calling thread.
    ///
    /// The descriptor is one of a file under `/run/netns`, of `/proc/PID/ns/net`, or a pidfd; it is
    /// duplicated. The calling thread does not change its namespace: a temporary thread opens each
    /// socket. The socket then belongs to its namespace and keeps it alive. Entering another
    /// namespace requires `CAP_SYS_ADMIN` in the user namespaces of the caller and of the network
    /// namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the descriptor cannot be duplicated. Opening a socket
    /// fails later if the descriptor is not a network namespace (`EINVAL`), or the caller may not
    /// enter it (`EPERM`).
    ///
    /// # Examples
    ///
    /// See [`SocketBuilder`], and
    /// [`RtnlSocket::in_namespace`](crate::rtnl::RtnlSocket::in_namespace).
    ///
    /// # Source
    ///
    /// setns(2).
    pub fn in_namespace(mut self, namespace: impl AsFd) -> Result<Self> {
        let namespace = namespace.as_fd().try_clone_to_owned();
        self.namespace = Some(Arc::new(
            namespace.with_context(|| "duplicating a namespace's descriptor".to_owned())?,
        ));
        Ok(self)
    }

    /// Opens a socket for requests, which `prepare` configures.
    pub(crate) fn connect(
        &self,
        protocol: Protocol,
        prepare: impl FnOnce(NetlinkSocket) -> std::io::Result<NetlinkSocket> + Send,
    ) -> Result<RequestSocket> {
        let socket = self.open(protocol, Purpose::Requests, || {
            prepare(
                NetlinkSocket::open(protocol.as_isize(), self.receive_buffer)?.enable_ext_ack()?,
            )
        })?;
        let dumps = DumpPolicy { attempts: self.dump_attempts, interrupted: self.interrupted };
        Ok(RequestSocket::from_boxed(socket, self.command_timeout, dumps))
    }

    /// Opens a socket for events, which still has to [join](Transport::join) a multicast group.
    pub(crate) fn listener(&self, protocol: Protocol) -> Result<Box<dyn Transport>> {
        self.open(protocol, Purpose::Events, || {
            NetlinkSocket::open(protocol.as_isize(), self.receive_buffer)
        })
    }

    /// Sets what opens the sockets in place of the kernel.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn source(self, source: Arc<dyn SocketSource>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Returns the network namespace of the sockets, or `None` if it is unknown.
    pub(crate) fn namespace(&self) -> std::io::Result<Option<File>> {
        match &self.namespace {
            _ if self.source.is_some() => Ok(None),
            Some(namespace) => Ok(Some(namespace.try_clone()?.into())),
            None => current(),
        }
    }

    fn open(
        &self,
        protocol: Protocol,
        purpose: Purpose,
        open: impl FnOnce() -> std::io::Result<NetlinkSocket> + Send,
    ) -> Result<Box<dyn Transport>> {
        let namespace = self.namespace.as_ref().map(|fd| fd.as_fd());
        let opened = match &self.source {
            Some(source) => source.open(protocol, purpose, self.receive_buffer),
            None => run_in(namespace, open).map(|socket| Box::new(socket) as _),
        };
        opened.with_context(|| match namespace {
            Some(_) => "opening a netlink socket in another network namespace".to_owned(),
            None => "opening a netlink socket".to_owned(),
        })
    }
}
