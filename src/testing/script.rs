//! A transport that plays a script: each receive takes the next step of it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netlink_packet_core::{NLM_F_MULTIPART, NLMSG_DONE};
use nix::errno::Errno;

use crate::bpf::BpfInstruction;
use crate::netlink::buffer::Buffer;
use crate::netlink::socket::{Batch, Datagram, KERNEL_PORT_ID, Transport};
pub(crate) use crate::testing::bytes::{ack, attribute, bare_done, message, with_sequence};

/// What a receive finds.
#[derive(Debug)]
pub(crate) enum Step {
    /// A datagram from a sender.
    Datagram { bytes: Vec<u8>, sender: u32 },
    /// A datagram whose messages carry the sequence number of the last request, plus `offset`.
    Answer { bytes: Vec<u8>, offset: u32 },
    /// The system call fails.
    Fails(Errno),
    /// The socket is empty, and a wait ends before anything comes.
    Silence,
}

impl Step {
    /// A datagram that answers the last request.
    pub(crate) fn answer(messages: &[Vec<u8>]) -> Self {
        Self::Answer { bytes: messages.concat(), offset: 0 }
    }

    /// An event from the kernel.
    pub(crate) fn event(messages: &[Vec<u8>]) -> Self {
        Self::Datagram { bytes: messages.concat(), sender: KERNEL_PORT_ID }
    }
}

/// The end of a multipart answer, with a code as rtnetlink sends it.
pub(crate) fn done(code: i32) -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTIPART, &code.to_ne_bytes())
}

/// A script, shared between the test and the transport that plays it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    state: Arc<Mutex<State>>,
    descriptor: Arc<UnixDatagram>,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    sent: Vec<Vec<u8>>,
    waits: usize,
    receive_buffer: usize,
    filters: Vec<Option<Vec<BpfInstruction>>>,
    refused_filters: usize,
    refuses_buffers: bool,
    lacks_net_admin: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let descriptor = Arc::new(UnixDatagram::unbound().expect("there are descriptors"));
        let script = Self { state: Arc::default(), descriptor };
        script.state().receive_buffer = 212_992;
        script.then(steps);
        script
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds steps at the end.
    pub(crate) fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.state().steps.extend(steps);
    }

    /// Returns the requests sent so far.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.state().sent.clone()
    }

    /// Makes the kernel refuse to set a receive buffer from now on.
    pub(crate) fn refuse_buffers(&self) {
        self.state().refuses_buffers = true;
    }

    /// Makes the kernel refuse so many filters from now on.
    pub(crate) fn refuse_filters(&self, count: usize) {
        self.state().refused_filters = count;
    }

    /// Takes `CAP_NET_ADMIN` away from the user of the socket, or gives it back.
    pub(crate) fn give_net_admin(&self, given: bool) {
        self.state().lacks_net_admin = !given;
    }

    /// Returns the filters set so far, refused ones too.
    pub(crate) fn filters(&self) -> Vec<Option<Vec<BpfInstruction>>> {
        self.state().filters.clone()
    }

    /// Returns how often the user of the socket waited.
    pub(crate) fn waits(&self) -> usize {
        self.state().waits
    }

    /// Returns how many steps were not taken.
    pub(crate) fn left(&self) -> usize {
        self.state().steps.len()
    }
}

impl State {
    fn last_sequence(&self) -> u32 {
        let request = self.sent.last().expect("an answer follows a request");
        u32::from_ne_bytes(request[8..12].try_into().expect("four bytes"))
    }
}

impl Transport for Script {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.state().sent.push(datagram.to_vec());
        Ok(())
    }

    /// Takes one step.
    fn receive(&mut self, buffer: &mut Buffer) -> io::Result<Batch> {
        let mut state = self.state();
        let (bytes, sender) = match state.steps.pop_front() {
            Some(Step::Datagram { bytes, sender }) => (bytes, sender),
            Some(Step::Answer { bytes, offset }) => {
                (with_sequence(bytes, state.last_sequence().wrapping_add(offset)), KERNEL_PORT_ID)
            }
            Some(Step::Fails(errno)) => return Err(errno.into()),
            Some(Step::Silence) | None => return Err(io::ErrorKind::WouldBlock.into()),
        };
        let slot = buffer.slots_mut().next().expect("a buffer has slots");
        let fits = bytes.len().min(slot.len());
        slot[..fits].copy_from_slice(&bytes[..fits]);
        let datagram = Datagram::new(bytes.len(), sender, buffer.slot_len());
        Ok(Batch { received: vec![datagram], drained: false })
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let mut state = self.state();
        state.waits += 1;
        let ready = !state.steps.is_empty();
        if !ready {
            std::thread::sleep(timeout);
        }
        Ok(ready)
    }

    fn receive_buffer(&self) -> io::Result<usize> {
        Ok(self.state().receive_buffer)
    }

    fn set_filter(&mut self, program: Option<&[BpfInstruction]>) -> io::Result<()> {
        let mut state = self.state();
        state.filters.push(program.map(<[_]>::to_vec));
        if program.is_some() && state.refused_filters > 0 {
            state.refused_filters -= 1;
            return Err(Errno::ENOMEM.into());
        }
        Ok(())
    }

    fn has_net_admin(&self) -> bool {
        !self.state().lacks_net_admin
    }

    fn set_receive_buffer(&mut self, bytes: usize) -> io::Result<()> {
        let mut state = self.state();
        if state.refuses_buffers {
            return Err(Errno::EPERM.into());
        }
        state.receive_buffer = 2 * bytes;
        Ok(())
    }
}

/// The descriptor of a socket that never receives anything: a script is waited for with
/// [`wait`](Transport::wait).
impl AsFd for Script {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
