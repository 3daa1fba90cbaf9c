use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;

use super::event::LinkEvent;
use crate::error::DecodeError;
use crate::log_target::EVENTS;
use crate::netlink::codec::frame::frames;
use crate::netlink::multicast::{Drain, MulticastSocket};
use crate::netlink::socket::{Datagram, is_overrun};

/// The events of a multicast socket, in order.
#[derive(Debug)]
pub(crate) struct LinkEventStream {
    socket: MulticastSocket,
    queue: Queue,
}

/// The events that were read from the socket but not returned yet.
#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<io::Result<LinkEvent>>,
    /// After an overrun, how many of the next datagrams may be older than the lost ones.
    ///
    /// The kernel drops new datagrams until the queued ones are read.
    until_gap: Option<usize>,
}

impl LinkEventStream {
    pub(crate) fn new(socket: MulticastSocket) -> Self {
        Self { socket, queue: Queue::default() }
    }

    /// Reads until there is an event to return, if the socket has one.
    ///
    /// After an overrun, reads everything that was queued before it.
    pub(crate) fn fill(&mut self) {
        if !self.queue.events.is_empty() {
            return;
        }
        for _ in 0..=self.socket.budget() {
            let has_events = !self.queue.events.is_empty() && self.queue.until_gap.is_none();
            if has_events || self.read().is_break() {
                return;
            }
        }
    }

    /// Returns the next event, or the error that occurred in its place.
    pub(crate) fn take(&mut self) -> Option<io::Result<LinkEvent>> {
        self.queue.events.pop_front()
    }

    /// Returns whether events remain after the next one that do not make the socket readable.
    pub(crate) fn has_more(&self) -> bool {
        self.queue.events.len() > 1 || self.queue.until_gap.is_some()
    }

    /// Returns how many events were read but not taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.queue.events.len()
    }

    /// Returns the size of the receive buffer in bytes, as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.receive_buffer()
    }

    fn read(&mut self) -> ControlFlow<()> {
        let in_buffer = self.socket.budget();
        let rest = self.socket.receive(|datagram| self.queue.push(datagram));
        match rest {
            Ok(Drain::More) => ControlFlow::Continue(()),
            Ok(Drain::Empty) => {
                self.queue.end_gap();
                ControlFlow::Break(())
            }
            Err(error) if is_overrun(&error) => self.queue.begin_gap(in_buffer),
            Err(error) => {
                self.queue.events.push_back(Err(error));
                ControlFlow::Break(())
            }
        }
    }
}

impl Queue {
    /// Adds the events of a datagram.
    fn push(&mut self, datagram: Datagram<&[u8]>) {
        match datagram {
            Datagram::Complete(datagram) => {
                if let Err(error) = decode(datagram, |event| self.events.push_back(Ok(event))) {
                    warn!(
                        target: EVENTS,
                        "link events: decoding an event failed, reporting a loss: {error}"
                    );
                    self.push_lost();
                }
            }
            Datagram::NotFromKernel { .. } => {}
            Datagram::Truncated { .. } => self.push_lost(),
        }
        self.until_gap = self.until_gap.map(|remaining| remaining - 1);
        if self.until_gap == Some(0) {
            self.end_gap();
        }
    }

    /// Handles an overrun; `in_buffer` is how many datagrams the receive buffer can hold.
    fn begin_gap(&mut self, in_buffer: usize) -> ControlFlow<()> {
        warn!(
            target: EVENTS,
            "link events: events were lost because the receive buffer was full, \
             a larger one can be configured (SocketBuilder::receive_buffer)"
        );
        // The kernel reports the next overrun only after the socket was empty, so that the gap of
        // the last one has passed.
        if self.until_gap.replace(in_buffer).is_some() {
            self.push_lost();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Adds the loss at the position of the datagrams that the kernel dropped.
    fn end_gap(&mut self) {
        if self.until_gap.take().is_some() {
            self.push_lost();
        }
    }

    fn push_lost(&mut self) {
        self.events.push_back(Ok(LinkEvent::Lost));
    }
}

fn decode(datagram: &[u8], mut push: impl FnMut(LinkEvent)) -> Result<(), DecodeError> {
    for frame in frames(datagram) {
        if let Some(event) = LinkEvent::decode(&frame?)? {
            push(event);
        }
    }
    Ok(())
}

impl AsFd for LinkEventStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
