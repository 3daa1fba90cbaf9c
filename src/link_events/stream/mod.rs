use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;

use super::event::LinkEvent;
use crate::error::DecodeError;
use crate::log_target::EVENTS;
use crate::netlink::codec::frame::frames;
use crate::netlink::multicast::{EventSocket, Found, Rest};

/// What a socket tells, as events in order.
#[derive(Debug)]
pub(crate) struct LinkEventStream {
    socket: EventSocket,
    queue: Queue,
}

/// What was read from the socket, but not taken yet.
#[derive(Debug, Default)]
struct Queue {
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
        Self { socket, queue: Queue::default() }
    }

    /// Makes sure that there is an event to take, if the socket has one. After an overrun, all is read that was there
    /// before it.
    pub(crate) fn fill(&mut self) {
        if !self.queue.events.is_empty() {
            return;
        }
        for _ in 0..=self.socket.budget() {
            let has_events = !self.queue.events.is_empty() && self.queue.before_gap.is_none();
            if has_events || self.read() == Reading::Ends {
                return;
            }
        }
    }

    /// Takes the next event, or the error that came in its place.
    pub(crate) fn take(&mut self) -> Option<io::Result<LinkEvent>> {
        self.queue.events.pop_front()
    }

    /// Whether something is left when the next event is taken that the socket does not announce.
    pub(crate) fn has_more(&self) -> bool {
        self.queue.events.len() > 1 || self.queue.before_gap.is_some()
    }

    /// How many events were read and not taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.queue.events.len()
    }

    /// The receive buffer's size in bytes as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.receive_buffer()
    }

    fn read(&mut self) -> Reading {
        let in_buffer = self.socket.budget();
        let mut reading = Reading::GoesOn;
        let rest = self.socket.receive(|found| {
            if self.queue.hear(&found, in_buffer) == Reading::Ends {
                reading = Reading::Ends;
            }
        });
        match rest {
            Ok(Rest::Unread) => reading,
            Ok(Rest::Nothing) => {
                self.queue.reach_gap();
                Reading::Ends
            }
            Err(error) => {
                self.queue.events.push_back(Err(error));
                Reading::Ends
            }
        }
    }
}

impl Queue {
    /// Takes over what was read; `in_buffer` is how many datagrams the socket can hold.
    fn hear(&mut self, found: &Found<'_>, in_buffer: usize) -> Reading {
        match found {
            Found::Datagram(datagram) => {
                if let Err(error) = decode(datagram, |event| self.events.push_back(Ok(event))) {
                    warn!(target: EVENTS, "a link event cannot be read: {error}");
                    self.lose();
                }
            }
            Found::Ignored => {}
            Found::CutOff => self.lose(),
            Found::Overrun => {
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
