//! A socket that receives every link message of a round, independently of the library.

use std::collections::BTreeMap;

use libteam::IfIndex;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{setsockopt, sockopt};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTNLGRP_LINK: u32 = 1;
/// Enough for every message of a round.
const RECEIVE_BUFFER: usize = 256 << 20;

pub(super) struct LinkMonitor(Socket);

impl LinkMonitor {
    pub(super) fn new() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).unwrap();
        socket.bind_auto().unwrap();
        socket.add_membership(RTNLGRP_LINK).unwrap();
        socket.set_non_blocking(true).unwrap();
        Self(socket)
    }

    /// Returns the number of messages since the last call, and how often each link was deleted.
    pub(super) fn take_counts(&self) -> (usize, BTreeMap<IfIndex, usize>) {
        let (mut messages, mut deletions) = (0, BTreeMap::new());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.0.recv(&mut &mut buffer[..], 0) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return (messages, deletions);
                }
                Err(error) => panic!("the monitor lost messages: {error}"),
            }
            let kind = u16::from_ne_bytes([buffer[4], buffer[5]]);
            messages += usize::from([RTM_NEWLINK, RTM_DELLINK].contains(&kind));
            // A bridge reports a released port with RTM_DELLINK of its own address family.
            if kind == RTM_DELLINK && buffer[16] == 0 {
                let ifindex = u32::from_ne_bytes([buffer[20], buffer[21], buffer[22], buffer[23]]);
                *deletions.entry(IfIndex::new(ifindex).unwrap()).or_default() += 1;
            }
        }
    }
}
