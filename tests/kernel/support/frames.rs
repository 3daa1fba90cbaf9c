//! Raw Ethernet frames, sent on one link and read at the far end of another.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use libteam::{IfIndex, Mode, TeamHandle};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::support::netns::{ip, veth};
use crate::support::timeouts::timeout;

/// A packet socket on one link.
pub(crate) struct Wire(OwnedFd);

impl Wire {
    pub(crate) fn open(link: &str) -> Self {
        let fd = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )
        .unwrap();
        // SO_RCVBUFFORCE: older kernels limit the buffer to 208 KiB, some 400 frames, without it.
        setsockopt(&fd, sockopt::RcvBufForce, &(4 << 20)).unwrap();
        setsockopt(&fd, sockopt::ReceiveTimestampns, &true).unwrap();
        bind(fd.as_raw_fd(), &address(link)).unwrap();
        Self(fd)
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        assert_eq!(send(self.0.as_raw_fd(), frame, MsgFlags::empty()), Ok(frame.len()));
    }

    /// Returns the frames to the destinations of [`Flow`](crate::support::packets::Flow) that
    /// arrived since the last call. A VLAN tag is removed.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        let frames = self.frames().into_iter().map(|(_, frame)| frame);
        frames.filter(|frame| frame.starts_with(&[2, 0x1b])).collect()
    }

    /// Returns all frames received or sent since the last call, each with the kernel's timestamp.
    pub(crate) fn frames(&self) -> Vec<(Duration, Vec<u8>)> {
        let mut frames = Vec::new();
        loop {
            match self.frame() {
                Ok(frame) => frames.push(frame),
                Err(Errno::EAGAIN) => return frames,
                // Reported once when the link is set down or deleted.
                Err(Errno::ENETDOWN) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn frame(&self) -> nix::Result<(Duration, Vec<u8>)> {
        let (mut buffer, mut control) = ([0; 4096], cmsg_space!(TimeSpec));
        let (time, length) = {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let fd = self.0.as_raw_fd();
            let message =
                recvmsg::<LinkAddr>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
            let time = message.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(time) => Some(time.into()),
                _ => None,
            });
            (time.expect("a received frame has a timestamp"), message.bytes)
        };
        Ok((time, buffer[..length].to_vec()))
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn address(link: &str) -> LinkAddr {
    let mut links = getifaddrs().unwrap().filter(|entry| entry.interface_name == link);
    let address = links.find_map(|entry| {
        entry.address.as_ref().and_then(|address| address.as_link_addr().copied())
    });
    address.expect("the link has an address")
}

/// A team in the mode `loadbalance` over veth ports that are up, and the far ends of the ports.
pub(crate) struct Balanced {
    pub(crate) team: TeamHandle,
    pub(crate) ports: Vec<IfIndex>,
    pub(crate) wire: Wire,
    pub(crate) far_ends: Vec<Wire>,
}

impl Balanced {
    /// Creates the team. Only frames that a test sends pass its ports.
    pub(crate) fn over(ports: usize) -> Self {
        for scope in ["all", "default"] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1").unwrap();
        }
        let mut team = TeamHandle::create("team0").unwrap();
        team.set_mode(Mode::LoadBalance).unwrap();
        let numbers: Vec<usize> = (1..=ports).collect();
        let mut indices = Vec::new();
        for number in &numbers {
            veth(&format!("eth{number}"), &format!("far{number}"));
            let port = team.lookup_ifindex(format!("eth{number}")).unwrap();
            team.add_port(port).unwrap();
            indices.push(port);
        }
        ip("link set team0 up");
        let far_ends = numbers.iter().map(|number| Wire::open(&format!("far{number}"))).collect();
        Self { team, ports: indices, wire: Wire::open("team0"), far_ends }
    }

    /// Returns the frames that arrived at each far end since the last call. Waits for `count`
    /// frames, which a busy kernel delivers with a delay.
    pub(crate) fn received(&self, count: usize) -> Vec<Vec<Vec<u8>>> {
        let deadline = Instant::now() + timeout();
        let mut received = vec![Vec::new(); self.far_ends.len()];
        loop {
            for (frames, far_end) in received.iter_mut().zip(&self.far_ends) {
                frames.extend(far_end.received());
            }
            if received.iter().map(Vec::len).sum::<usize>() >= count || Instant::now() > deadline {
                return received;
            }
            yield_now();
        }
    }

    /// Returns the far ends at which `count` frames arrived since the last call. Waits for them.
    pub(crate) fn reached(&self, count: usize) -> Vec<usize> {
        let received = self.received(count);
        (0..received.len()).filter(|end| !received[*end].is_empty()).collect()
    }
}
