//! One socket of the model: its queue, its overrun, and its faults.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::eventfd::EventFd;

use super::event::{Fault, Line, Malformation};
use super::socket_filter::passes;
use crate::bpf::BpfInstruction;
use crate::netlink::codec::frame::HEADER_LEN;
use crate::netlink::codec::link::{RTM_DELLINK, RTM_NEWLINK};
use crate::netlink::socket::KERNEL_PORT_ID;
use crate::testing::bytes::message;

#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sender: u32,
    /// The length that the receiver sees, if that is not the length of its bytes. 0 stands for a
    /// datagram that was cut off, without making the receiver's buffer larger.
    pub(crate) length: Option<usize>,
}

impl Datagram {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sender: KERNEL_PORT_ID, length: None }
    }
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(crate) struct Socket {
    pub(crate) line: Line,
    /// Readable while there is something to receive.
    pub(crate) event: Option<Arc<EventFd>>,
    pub(crate) queue: VecDeque<Datagram>,
    pub(crate) capacity: usize,
    /// Whether the socket has joined its multicast group.
    pub(crate) is_joined: bool,
    pub(crate) filter: Option<Vec<BpfInstruction>>,
    /// Something was lost, and nothing is delivered until the queue was read empty.
    pub(crate) is_congested: bool,
    /// The overrun is still to be reported.
    pub(crate) overran: bool,
    pub(crate) faults: VecDeque<Fault>,
    /// Answers that come later, and whether they come in time.
    pub(crate) late: Vec<Datagram>,
    pub(crate) is_in_time: bool,
    /// How many datagrams of other senders and how many meaningless events are still to come.
    pub(crate) foreign_left: u16,
    pub(crate) noise_left: u16,
    /// An error that came behind other datagrams: the next receive returns it.
    pub(crate) error: Option<Errno>,
    /// What was received last.
    received: VecDeque<Datagram>,
}

impl Socket {
    pub(crate) fn new(line: Line, capacity: usize) -> Self {
        Self {
            line,
            event: None,
            queue: VecDeque::new(),
            capacity,
            is_joined: true,
            filter: None,
            is_congested: false,
            overran: false,
            faults: VecDeque::new(),
            late: vec![],
            is_in_time: false,
            foreign_left: 0,
            noise_left: 0,
            error: None,
            received: VecDeque::new(),
        }
    }

    /// Closes the socket. Its place stays, as the others have their numbers.
    pub(crate) fn close(&mut self) {
        *self = Self { line: Line::Closed, ..Self::new(self.line, 0) };
    }

    /// Makes the descriptor readable, which is an edge each time.
    fn signal(&self) {
        if let Some(event) = &self.event {
            event.write(1).expect("an eventfd counts far");
        }
    }

    /// Puts a datagram into the queue, if it still has room. False if it is lost, or kept back by
    /// the filter.
    pub(crate) fn deliver(&mut self, datagram: Datagram) -> bool {
        if self.filter.as_ref().is_some_and(|program| !passes(program, &datagram.bytes)) {
            return false;
        }
        if self.is_congested {
            return false;
        }
        if self.queue.len() >= self.capacity {
            self.overrun();
            return false;
        }
        self.queue.push_back(datagram);
        self.signal();
        true
    }

    /// Puts a datagram of another sender into the queue. Where there is no room, its sender has an
    /// error, and this socket none.
    pub(super) fn push_foreign(&mut self, bytes: Vec<u8>) {
        if self.queue.len() < self.capacity {
            self.queue.push_back(foreign(bytes));
        }
    }

    /// Makes the last datagram that waits one that cannot be decoded.
    pub(super) fn malform_last(&mut self) {
        if let Some(datagram) = self.queue.back_mut() {
            malform(&mut datagram.bytes, Malformation::Attribute);
        }
    }

    pub(crate) fn overrun(&mut self) {
        self.overran = true;
        self.is_congested = true;
        self.signal();
    }

    /// Whether what comes next decides what the next receive returns.
    pub(super) fn is_open(&self) -> bool {
        self.is_congested || self.queue.is_empty() || self.queue.len() >= self.capacity
    }

    /// Whether poll says that there is something to receive.
    pub(crate) fn is_readable(&self) -> bool {
        self.overran || self.error.is_some() || !self.queue.is_empty()
    }

    /// Keeps an error for the next receive, unless it only says that there is nothing.
    pub(crate) fn keep(&mut self, error: &io::Error) {
        self.error =
            error.raw_os_error().map(Errno::from_raw).filter(|errno| *errno != Errno::EAGAIN);
        if self.error.is_some() {
            self.signal();
        }
    }

    /// At the end of each receive.
    pub(crate) fn wake(&mut self) {
        if self.queue.is_empty() {
            self.is_congested = false;
        }
        if let Some(event) = self.event.as_ref().filter(|_| !self.is_readable()) {
            // It may be 0 already (`EAGAIN`).
            let _ = event.read();
        }
    }

    /// The first fault that `applies`.
    pub(crate) fn take_fault(&mut self, applies: impl Fn(Fault) -> bool) -> Option<Fault> {
        let position = self.faults.iter().position(|fault| applies(*fault))?;
        self.faults.remove(position)
    }

    /// Takes the next datagram, and applies the next fault of datagrams. The second part is whether
    /// there was one.
    pub(crate) fn pop(&mut self) -> (Option<Datagram>, bool) {
        if self.queue.is_empty() {
            return (None, false);
        }
        let fault = self.take_fault(is_of_datagrams);
        if fault == Some(Fault::Reordered) && self.queue.len() > 1 {
            self.queue.swap(0, 1);
        }
        if fault == Some(Fault::Swallowed) {
            self.queue.pop_front();
        }
        if let Some(Fault::Again(back)) = fault {
            let old = self.received.get(usize::from(back) % self.received.len().max(1)).cloned();
            if let Some(old) = old {
                self.queue.push_front(old);
            }
        }
        let Some(mut datagram) = self.queue.pop_front() else { return (None, true) };
        self.received.push_front(datagram.clone());
        self.received.truncate(8);
        match fault {
            Some(Fault::Repeated) => self.queue.push_front(datagram.clone()),
            Some(Fault::Cut(at)) => cut(&mut datagram.bytes, at.into()),
            Some(Fault::TooLong) => datagram.length = Some(datagram.bytes.len() + 40_000),
            Some(Fault::Malformed(malformation)) => malform(&mut datagram.bytes, malformation),
            Some(Fault::Flipped(at, by)) => {
                let at = usize::from(at) % datagram.bytes.len();
                datagram.bytes[at] ^= by;
            }
            _ => {}
        }
        (Some(datagram), fault.is_some())
    }
}

fn is_of_datagrams(fault: Fault) -> bool {
    use Fault::{Again, Cut, Flipped, Malformed, Reordered, Repeated, Swallowed, TooLong};
    matches!(
        fault,
        Repeated | Cut(_) | TooLong | Malformed(_) | Swallowed | Reordered | Again(_) | Flipped(..)
    )
}

/// Ends a datagram inside a message. A cut between two messages could not be noticed.
fn cut(bytes: &mut Vec<u8>, at: usize) {
    let at = 1 + at % (bytes.len() - 1);
    // All messages start at multiples of four.
    bytes.truncate(if at % 4 == 0 { at - 1 } else { at });
}

fn malform(bytes: &mut [u8], malformation: Malformation) {
    let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
    let first_attribute =
        HEADER_LEN + if matches!(kind, RTM_NEWLINK | RTM_DELLINK) { 16 } else { 4 };
    match malformation {
        Malformation::Attribute if kind >= 0x10 && bytes.len() > first_attribute => {
            bytes[first_attribute..first_attribute + 2].copy_from_slice(&0xfff0_u16.to_ne_bytes());
        }
        Malformation::TooLong => bytes[..4].copy_from_slice(&0x00ff_ffff_u32.to_ne_bytes()),
        _ => bytes[..4].copy_from_slice(&7_u32.to_ne_bytes()),
    }
}

/// Of a sender that is not the kernel.
pub(crate) fn foreign(bytes: Vec<u8>) -> Datagram {
    Datagram { bytes, sender: 4711, length: None }
}

pub(crate) fn noise() -> Datagram {
    Datagram::new(message(1, 0, &[]))
}
