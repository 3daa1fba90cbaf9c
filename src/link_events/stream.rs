use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;

use super::event::LinkEvent;
use crate::error::DecodeError;
use crate::log_target::EVENTS;
use crate::netlink::codec::frame::frames;
use crate::netlink::events::{EventSocket, Found};

/// What a socket tells, as events in order.
#[derive(Debug)]
pub(crate) struct LinkEventStream {
    socket: EventSocket,
    /// Read from the socket, but not taken yet.
    events: VecDeque<io::Result<LinkEvent>>,
    /// There was an overrun, and so many datagrams more may be older than what was lost. The kernel loses whatever is
    /// new until they are read.
    before_gap: Option<usize>,
}

/// Whether to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    GoesOn,
    Ends,
}

impl LinkEventStream {
    pub(crate) fn new(socket: EventSocket) -> Self {
        Self { socket, events: VecDeque::new(), before_gap: None }
    }

    /// Makes sure that there is an event to take, if the socket has one. After an overrun, all is read that was there
    /// before it.
    pub(crate) fn fill(&mut self) {
        if !self.events.is_empty() {
            return;
        }
        for _ in 0..=self.socket.budget() {
            let has_events = !self.events.is_empty() && self.before_gap.is_none();
            if has_events || self.read() == Reading::Ends {
                return;
            }
        }
    }

    /// Takes the next event, or the error that came in its place.
    pub(crate) fn take(&mut self) -> Option<io::Result<LinkEvent>> {
        self.events.pop_front()
    }

    /// Whether something is left when the next event is taken that the socket does not announce.
    pub(crate) fn has_more(&self) -> bool {
        self.events.len() > 1 || self.before_gap.is_some()
    }

    /// The receive buffer's size in bytes as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.receive_buffer()
    }

    fn read(&mut self) -> Reading {
        let in_buffer = self.socket.budget();
        match self.socket.receive() {
            Ok(Found::Datagram(datagram)) => {
                let events = &mut self.events;
                if let Err(error) = decode(datagram, |event| events.push_back(Ok(event))) {
                    warn!(target: EVENTS, "a link event cannot be read: {error}");
                    self.lose();
                }
            }
            Ok(Found::Ignored) => {}
            Ok(Found::CutOff) => self.lose(),
            Ok(Found::Overrun) => {
                warn!(target: EVENTS, "link events were lost: the receive buffer was full");
                // The kernel says so again only after the socket was empty: the gap before is behind us.
                return match self.before_gap.replace(in_buffer) {
                    Some(_) => {
                        self.lose();
                        Reading::Ends
                    }
                    None => Reading::GoesOn,
                };
            }
            Ok(Found::Nothing) => {
                self.reach_gap();
                return Reading::Ends;
            }
            Err(error) => {
                self.events.push_back(Err(error));
                return Reading::Ends;
            }
        }
        self.before_gap = self.before_gap.map(|left| left - 1);
        if self.before_gap == Some(0) {
            self.reach_gap();
        }
        Reading::GoesOn
    }

    /// What was lost in an overrun would have come next.
    fn reach_gap(&mut self) {
        if self.before_gap.take().is_some() {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.events.push_back(Ok(LinkEvent::Lost));
    }
}

fn decode(datagram: &[u8], mut tell: impl FnMut(LinkEvent)) -> Result<(), DecodeError> {
    for frame in frames(datagram) {
        if let Some(event) = LinkEvent::decode(&frame?)? {
            tell(event);
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
