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

/// Asked for by default, in bytes: large enough for the acknowledgements of a few hundred requests
/// sent at once.
const DEFAULT_RECEIVE_BUFFER: usize = 1 << 20;
const DEFAULT_DUMP_ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// The largest size that the kernel's doubling leaves whole.
pub(crate) const MAX_RECEIVE_BUFFER: usize = (i32::MAX / 2) as usize;
const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens sockets with other settings than the default ones, or in another network namespace.
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
    /// Where the sockets are not the kernel's.
    source: Option<Arc<dyn SocketSource>>,
}

impl Default for SocketBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketBuilder {
    /// The default settings.
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

    /// The size in bytes to ask for as the receive buffer; 1 MiB by default.
    ///
    /// The kernel doubles it for its own bookkeeping, and without `CAP_NET_ADMIN` caps it at
    /// `net.core.rmem_max`. More than the kernel can double is taken for the most that it can, 1
    /// GiB.
    ///
    /// # Source
    ///
    /// `SO_RCVBUF` and `SO_RCVBUFFORCE`, socket(7).
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes.min(MAX_RECEIVE_BUFFER);
        self
    }

    /// How often a dump is asked for until one was not interrupted by changes; 5 by default.
    ///
    /// # Source
    ///
    /// `NLM_F_DUMP_INTR`, `linux/netlink.h`.
    pub fn dump_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.dump_attempts = attempts;
        self
    }

    /// What to do with a dump of which every attempt was interrupted; it is kept and marked by
    /// default.
    pub fn interrupted_dump(mut self, policy: InterruptedDump) -> Self {
        self.interrupted = policy;
        self
    }

    /// How long to wait for the kernel's answer to one request; 5 seconds by default.
    ///
    /// This does not limit how long a call takes. The kernel carries out most requests while they
    /// are sent, inside `send`, and the time begins when `send` has returned. Inside `send` a
    /// request waits for the kernel's rtnl lock, which all network configuration shares, and no
    /// socket option limits that wait. With a timeout of 50 ms a request took 365 ms while another
    /// process deleted 6,000 links.
    ///
    /// The timeout is the time for the whole answer, and for a dump the time for one attempt, from
    /// the request to the end: a kernel that sends a little of it now and then gets no more. What
    /// has come by then is still read. After a failure, reading away the rest of an answer may take
    /// as long again.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// The network namespace to open sockets in; the calling thread's own by default.
    ///
    /// The descriptor is that of a file under `/run/netns`, of a process's `/proc/PID/ns/net`, or a
    /// pidfd; it is duplicated. The calling thread stays where it is: each socket is opened by a
    /// thread that ends when it has done so. A socket belongs to its namespace from then on, and
    /// keeps it alive. Entering another namespace takes `CAP_SYS_ADMIN` in it and in the user
    /// namespace of the caller.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the descriptor cannot be duplicated. That it is no
    /// network namespace, or may not be entered, opening a socket says.
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

    /// Opens a socket for multicast; it is to [join](Transport::join) a group.
    pub(crate) fn listener(&self, protocol: Protocol) -> Result<Box<dyn Transport>> {
        self.open(protocol, Purpose::Events, || {
            NetlinkSocket::open(protocol.as_isize(), self.receive_buffer)
        })
    }

    /// Has the sockets opened by something else than the kernel.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn source(self, source: Arc<dyn SocketSource>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The namespace that sockets are opened in, where it is known.
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
