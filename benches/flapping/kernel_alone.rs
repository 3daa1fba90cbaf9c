//! The kernel alone: a process that receives every link notification and discards it. Nobody can
//! be right sooner than the last one arrives.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::follow::monotonic;

pub(crate) const ARGUMENT: &str = "--kernel-alone";

const RTNLGRP_LINK: u32 = 1;
/// Holds everything that arrives while the process does not run.
const RECEIVE_BUFFER: usize = 64 << 20;

/// Runs the process. Queries and answers are those of [`follow`](crate::follow).
pub(crate) fn run() {
    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).unwrap();
    socket.bind(&SocketAddr::new(0, 0)).unwrap();
    socket.add_membership(RTNLGRP_LINK).unwrap();
    socket.set_non_blocking(true).unwrap();
    println!("ready 0");
    let mut buffer = vec![0; 32 << 10];
    let (mut wake_ups, mut received, mut lost, mut changed_at) = (0, 0, 0, Duration::ZERO);
    loop {
        let stdin = io::stdin();
        let mut ready =
            [&socket.as_fd(), &stdin.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
        poll(&mut ready, PollTimeout::NONE).unwrap();
        if ready.first().and_then(PollFd::any) == Some(true) {
            wake_ups += 1;
            loop {
                match socket.recv(&mut &mut buffer[..], 0) {
                    Ok(_) => received += 1,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => lost += 1,
                }
            }
            changed_at = monotonic();
        } else {
            if io::stdin().read(&mut [0]).unwrap() == 0 {
                return;
            }
            println!("{wake_ups} {received} 0 {lost} {} 0", changed_at.as_nanos());
        }
    }
}
