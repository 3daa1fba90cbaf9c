//! A session's end of a socket of the model.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::Shared;
use super::event::{Fault, Line};
use super::socket::Datagram;
use crate::bpf::BpfInstruction;
use crate::netlink::buffer::Buffer;
use crate::netlink::socket::{Batch, RecvMeta, Transport};

/// The session's end of a socket.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) kernel: Shared,
    pub(crate) line: Line,
}

impl Transport for End {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        assert!(
            !self.line.is_for_events(),
            "an answer to a request would get lost in an overrun of events"
        );
        self.kernel.lock().send(self.line, datagram)
    }

    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch> {
        let mut kernel = self.kernel.lock();
        let mut batch = Batch { received: vec![], drained: false };
        let size = kernel.setting.batch;
        for slot in buffer.slots_mut().take(size) {
            let Datagram { bytes, sender, length } = match kernel.receive(self.line) {
                Ok(datagram) => datagram,
                Err(error) if batch.received.is_empty() => return Err(error),
                Err(error) => {
                    batch.drained = true;
                    kernel.socket(self.line).keep(&error);
                    break;
                }
            };
            let fits = bytes.len().min(slot.len());
            slot[..fits].copy_from_slice(&bytes[..fits]);
            // A datagram that is too long for any buffer.
            let length = length.map_or(bytes.len(), |length| length.max(slot.len() + 1));
            batch.received.push(RecvMeta { length, sender });
        }
        Ok(batch)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        self.kernel.lock().wait(self.line, timeout)
    }

    fn receive_buffer(&self) -> io::Result<usize> {
        Ok(self.kernel.lock().socket(self.line).capacity * 2048)
    }

    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        if kernel.socket(self.line).take_fault(|fault| fault == Fault::BufferFails).is_some() {
            // An answer may need the room. Events do without.
            kernel.call.faults += u32::from(!self.line.is_for_events());
            return Err(Errno::EPERM.into());
        }
        kernel.socket(self.line).capacity = 2 * bytes / 2048;
        Ok(())
    }

    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()> {
        let mut kernel = self.kernel.lock();
        let memory = kernel.setting.filter_memory;
        let socket = kernel.socket(self.line);
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

    fn has_net_admin(&self) -> bool {
        self.kernel.lock().service.has_net_admin
    }

    fn now(&self) -> Instant {
        self.kernel.lock().now
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("it is waited for with `wait`")
    }
}
