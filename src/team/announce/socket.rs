//! A packet socket that only sends.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::time::Duration;

use pnet_datalink::{ChannelType, Config, NetworkInterface, channel};
use rustix::io::{ioctl_fionbio, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};

use crate::model::ifindex::IfIndex;

/// How long a frame may wait for room in the socket's send buffer. A device that sends at all needs far less.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket that sends whole frames, and to which the kernel delivers none: its protocol is 0.
#[derive(Debug)]
pub(super) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens a socket in the calling thread's network namespace. Takes `CAP_NET_RAW` there.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// Sends frames on a link of the socket's namespace, in this order.
    pub(super) fn send_all<'a>(
        &self,
        ifindex: IfIndex,
        frames: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> io::Result<()> {
        self.bind(ifindex)?;
        for frame in frames {
            retry_on_intr(|| send(&self.0, frame, SendFlags::empty()))?;
        }
        Ok(())
    }

    /// What is sent from now on is sent on this link.
    fn bind(&self, ifindex: IfIndex) -> io::Result<()> {
        // Without `unsafe` nothing else in reach writes down the address of a link. The channel is closed at once, and
        // with it the duplicate; the socket that both stand for stays bound.
        let duplicate = self.0.try_clone()?;
        let link = NetworkInterface {
            name: String::new(),
            description: String::new(),
            index: ifindex.get(),
            mac: None,
            ips: Vec::new(),
            flags: 0,
        };
        let config = Config {
            channel_type: ChannelType::Layer3(0),
            promiscuous: false,
            socket_fd: Some(duplicate.into_raw_fd()),
            ..Config::default()
        };
        channel(&link, config)?;
        // The channel has made the socket non-blocking.
        ioctl_fionbio(&self.0, false)?;
        set_socket_timeout(&self.0, Timeout::Send, Some(PATIENCE))?;
        Ok(())
    }
}
