//! A session's end of a socket of the model.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::eventfd::EventFd;

use super::event::Fault;
#[cfg(test)]
use super::event::Line;
use super::socket::Datagram as Queued;
use super::{Shared, SystemCall};
use crate::bpf::BpfInstruction;
use crate::netlink::buffer::Buffer;
use crate::netlink::socket::{Batch, Datagram, Transport};

/// The session's end of a socket.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) kernel: Shared,
    pub(crate) socket: usize,
    /// Where this end is waited for by its descriptor. It is the only one of its socket then.
    pub(crate) event: Option<Arc<EventFd>>,
}

impl End {
    /// One end of many of a property test's socket.
    #[cfg(test)]
    pub(crate) fn of(kernel: &Shared, line: Line) -> Self {
        Self { kernel: kernel.clone(), socket: line as usize, event: None }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.event.is_some() {
            self.kernel.lock().sockets[self.socket].close();
        }
    }
}

impl Transport for End {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        assert!(
            !kernel.sockets[self.socket].line.is_for_events(),
            "an answer to a request would get lost in an overrun of events"
        );
        kernel.send(self.socket, datagram)
    }

    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch> {
        let mut kernel = self.kernel.lock();
        let mut batch = Batch { received: vec![], drained: false };
        let size = kernel.setting.batch;
        for slot in buffer.slots_mut().take(size) {
            let Queued { bytes, sender, length } = match kernel.receive(self.socket) {
                Ok(datagram) => datagram,
                Err(error) if batch.received.is_empty() => return Err(error),
                Err(error) => {
                    batch.drained = true;
                    kernel.sockets[self.socket].keep(&error);
                    break;
                }
            };
            if length == Some(0) {
                batch.received.push(Datagram::Truncated { length: 0 });
                continue;
            }
            let fits = bytes.len().min(slot.len());
            slot[..fits].copy_from_slice(&bytes[..fits]);
            // A datagram that is too long for any buffer.
            let length = length.map_or(bytes.len(), |length| length.max(slot.len() + 1));
            batch.received.push(Datagram::new(length, sender, slot.len()));
        }
        Ok(batch)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        self.kernel.lock().wait(self.socket, timeout)
    }

    fn receive_buffer(&self) -> io::Result<usize> {
        Ok(self.kernel.lock().sockets[self.socket].capacity * 2048)
    }

    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        let is_for_events = kernel.sockets[self.socket].line.is_for_events();
        if kernel.sockets[self.socket].take_fault(|fault| fault == Fault::BufferFails).is_some() {
            // An answer may need the room. Events do without.
            kernel.call.faults += u32::from(!is_for_events);
            return Err(Errno::EPERM.into());
        }
        kernel.sockets[self.socket].capacity = 2 * bytes / 2048;
        Ok(())
    }

    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        let line = kernel.sockets[self.socket].line;
        kernel.tick_if_traced(SystemCall::SetFilter(line));
        let memory = kernel.setting.filter_memory;
        let socket = &mut kernel.sockets[self.socket];
        if let Some(program) = program {
            let charged = program.len() + socket.filter.as_ref().map_or(0, Vec::len);
            if charged > memory || socket.take_fault(|fault| fault == Fault::FilterFails).is_some()
            {
                return Err(Errno::ENOMEM.into());
            }
        }
        socket.filter = program.map(<[_]>::to_vec);
        Ok(())
    }

    fn join(&mut self, _group: u32) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        kernel.tick_if_traced(SystemCall::Join);
        kernel.sockets[self.socket].is_joined = true;
        Ok(())
    }

    fn has_net_admin(&self) -> bool {
        self.kernel.lock().service.has_net_admin
    }

    fn now(&self) -> Instant {
        self.kernel.lock().now
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.event {
            Some(event) => event.as_fd(),
            None => unreachable!("it is waited for with `wait`"),
        }
    }
}
