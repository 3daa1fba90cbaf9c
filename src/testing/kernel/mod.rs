//! A model of the kernel behind the sockets of a session: it answers requests, sends notifications
//! of changes, and causes faults on demand.

pub(crate) mod end;
pub(crate) mod event;
mod history;
pub(crate) mod namespace;
mod notice;
pub(crate) mod options;
pub(crate) mod service;
mod socket;
mod socket_filter;
pub(crate) mod state;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use self::end::End;
use self::event::{Fault, Forgery, Happening, Line, Setting, TEAM, ifindex};
use self::notice::Notice;
use self::service::{Reply, Service};
use self::socket::{Datagram, Socket, foreign, noise};
use self::state::PortState;
use self::wire::Mark;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::codec::frame::{Frame, frames};
use crate::netlink::codec::link::{RTM_DELLINK, RTM_NEWLINK};
use crate::netlink::socket::Transport as _;
use crate::testing::bytes::{ack, bare_done, with_sequence};
#[cfg(test)]
use crate::testing::digest::Digest;
use crate::testing::messages::FAMILY;

/// How long a session waits for an answer. The model's time passes only during a wait.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// rtnetlink's message types are in groups of four; this is that of `RTM_GET…`.
const RTM_GET: u16 = 2;
const TEAM_CMD_OPTIONS_SET: u8 = 1;
/// After so many receives a drain gives up, however many of them signals interrupted.
const INTERRUPTIONS: usize = 256;
/// No call makes so many system calls.
const MANY: u32 = 20_000;

#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) service: Service,
    pub(crate) setting: Setting,
    /// Those of the property tests have their places by [`Line`].
    sockets: Vec<Socket>,
    /// What happens before which of the next system calls.
    plan: VecDeque<(u8, Happening)>,
    last_sequence: u32,
    pub(crate) now: Instant,
    pub(crate) call: Tally,
    /// The system calls of the current call, where they are recorded.
    pub(crate) trace: Option<Vec<SystemCall>>,
    /// Whether calls are announced by [`begin`](Self::begin).
    is_counted: bool,
    /// The next receive fails.
    receive_fails: bool,
    /// The reply to the next request is late.
    reply_is_late: bool,
    /// How many receives on event sockets signals interrupt yet.
    interruptions: usize,
    /// The errors that the next requests for changes are answered with.
    pub(crate) refusals: VecDeque<i32>,
}

/// A system call of a session, as far as it matters what happens before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemCall {
    Send(Line),
    Receive {
        line: Line,
        /// Whether more than the datagrams that wait decides the result: the socket is empty, full
        /// or has lost something, or the kernel makes the next part of a dump.
        is_open: bool,
    },
    Wait,
    /// A socket joins its multicast group.
    Join,
    SetFilter(Line),
}

/// What there was during one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) start: Instant,
    pub(crate) system_calls: u32,
    pub(crate) sends: u32,
    pub(crate) faults: u32,
    /// How many waits ended without anything.
    pub(crate) vain_waits: u32,
}

impl Tally {
    fn new(start: Instant) -> Self {
        Self { start, system_calls: 0, sends: 0, faults: 0, vain_waits: 0 }
    }
}

impl Kernel {
    pub(crate) fn socket(&mut self, line: Line) -> &mut Socket {
        &mut self.sockets[line as usize]
    }

    /// Begins a call: sets what happens during it, and starts counting.
    pub(crate) fn begin(&mut self, plan: Vec<(u8, Happening)>) {
        self.plan = plan.into();
        self.call = Tally::new(self.now);
    }

    /// Whether everything that was to happen during a call happened during it.
    #[cfg(test)]
    pub(crate) fn is_plan_done(&self) -> bool {
        self.plan.is_empty()
            && !self.receive_fails
            && !self.reply_is_late
            && self.interruptions == 0
    }

    /// Ends a call. What was to happen during it happens now.
    pub(crate) fn end(&mut self) {
        for (_, happening) in std::mem::take(&mut self.plan) {
            self.happen(happening);
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.call.start
    }

    /// Ends all faults.
    pub(crate) fn calm(&mut self) {
        for socket in &mut self.sockets {
            socket.faults.clear();
            // An overrun stays: what it lost is still lost.
            socket.error = socket.error.filter(|errno| *errno != Errno::ENOMEM);
            (socket.foreign_left, socket.noise_left) = (0, 0);
        }
        self.service.has_net_admin = true;
        self.setting.filter_memory = usize::MAX;
    }

    /// Whether the event sockets are empty.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_quiet = |line| {
            let socket = &self.sockets[line as usize];
            !socket.is_readable() && socket.foreign_left == 0 && socket.noise_left == 0
        };
        is_quiet(Line::LinkEvents) && is_quiet(Line::TeamEvents)
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Change(change) => {
                let notices = self.service.namespace.change(change);
                self.notify(notices);
            }
            Happening::Fault(line, Fault::Babble(count)) => self.socket(line).foreign_left = count,
            Happening::Fault(line, Fault::Flood(count)) if line.is_for_events() => {
                self.socket(line).noise_left = count;
            }
            Happening::Fault(line, fault) => self.socket(line).faults.push_back(fault),
            Happening::Overrun(line) => self
                .sockets
                .iter_mut()
                .filter(|socket| socket.line == line && socket.is_joined)
                .for_each(Socket::overrun),
            Happening::ReplyIsLate => self.reply_is_late = true,
            Happening::EventIsTooLong(line) => {
                if let Some(datagram) = self.socket(line).queue.back_mut() {
                    datagram.length = Some(0);
                }
            }
            Happening::EventIsMalformed(line) => self.socket(line).malform_last(),
            Happening::Forged(line, forgery) => {
                let datagram = self.forge(forgery);
                // Events have the number 0.
                self.socket(line).push_foreign(with_sequence(datagram.bytes, 0));
            }
            Happening::ReceiveFails => self.receive_fails = true,
            Happening::ReadStops => self.interruptions = INTERRUPTIONS,
        }
    }

    /// Overruns all sockets for events.
    pub(crate) fn lose_notifications(&mut self) {
        self.sockets
            .iter_mut()
            .filter(|socket| socket.line.is_for_events())
            .for_each(Socket::overrun);
    }

    /// Sends notifications. Returns false if no socket got one of those to the team's group.
    pub(crate) fn notify(&mut self, notices: Vec<Notice>) -> bool {
        let mut is_delivered = true;
        for notice in notices {
            match notice {
                Notice::Links(message) => {
                    self.multicast(Line::LinkEvents, &message);
                }
                Notice::Team(messages) => {
                    for datagram in service::multipart(messages, self.setting.items) {
                        is_delivered &= self.multicast(Line::TeamEvents, &datagram);
                    }
                }
            }
        }
        is_delivered
    }

    /// Sends a datagram to a group. Returns whether a socket got it.
    fn multicast(&mut self, line: Line, datagram: &[u8]) -> bool {
        let mut is_delivered = false;
        for socket in
            self.sockets.iter_mut().filter(|socket| socket.line == line && socket.is_joined)
        {
            is_delivered |= socket.deliver(Datagram::new(datagram.to_vec()));
        }
        is_delivered
    }

    /// A system call begins.
    fn tick(&mut self, system_call: SystemCall) {
        if let Some(trace) = &mut self.trace {
            trace.push(system_call);
        }
        self.call.system_calls += 1;
        assert!(self.call.system_calls < MANY || !self.is_counted, "a call does not end");
        while let Some((delay, happening)) = self.plan.pop_front() {
            if delay > 0 {
                self.plan.push_front((delay - 1, happening));
                break;
            }
            self.happen(happening);
        }
    }

    /// Like [`tick`](Self::tick), for system calls that the property tests do not count.
    fn tick_if_traced(&mut self, system_call: SystemCall) {
        if self.trace.is_some() {
            self.tick(system_call);
        }
    }

    pub(crate) fn send(&mut self, socket: usize, datagram: &[u8]) -> io::Result<()> {
        let line = self.sockets[socket].line;
        self.tick(SystemCall::Send(line));
        self.call.sends += 1;
        if self.sockets[socket].take_fault(|fault| fault == Fault::SendFails).is_some() {
            self.call.faults += 1;
            return Err(Errno::ENOBUFS.into());
        }
        let late = std::mem::take(&mut self.sockets[socket].late);
        for datagram in late {
            self.sockets[socket].deliver(datagram);
        }
        // What is left of earlier exchanges may leave no room for the answer.
        self.call.faults += u32::from(self.sockets[socket].is_readable());
        let fault = self
            .socket(line)
            .take_fault(|fault| matches!(fault, Fault::Slow | Fault::Late | Fault::Unanswered));
        let fault = if std::mem::take(&mut self.reply_is_late) { Some(Fault::Late) } else { fault };
        self.call.faults += u32::from(fault.is_some());
        for request in frames(datagram) {
            let request = request.expect("a request is well-formed");
            self.last_sequence = request.sequence;
            let is_change = changes_something(line, &request);
            let refusal = if is_change { self.refusals.pop_front() } else { None };
            let reply = match (refusal, line) {
                (Some(errno), _) => Reply::of(vec![ack(-errno)]),
                (None, Line::Rtnl) => self.service.rtnl(socket, &request),
                (None, _) => self.service.genl(&request),
            };
            let is_delivered = self.notify(reply.notices);
            let answer = match reply.answer_if_undelivered {
                Some(answer) if !is_delivered => vec![answer],
                _ => reply.answer,
            };
            let answer = answer
                .into_iter()
                .map(|bytes| Datagram::new(with_sequence(bytes, request.sequence)));
            match fault {
                Some(Fault::Unanswered) if line == Line::Rtnl => self.service.forget_dump(socket),
                Some(Fault::Unanswered) => {}
                Some(fault) => {
                    self.sockets[socket].late.extend(answer);
                    self.sockets[socket].is_in_time = fault == Fault::Slow;
                }
                // The kernel makes no part of a dump that does not fit.
                None if line == Line::Rtnl && self.service.is_dumping(socket, request.sequence) => {
                    self.sockets[socket].queue.extend(answer);
                }
                None => answer.for_each(|datagram| _ = self.sockets[socket].deliver(datagram)),
            }
        }
        Ok(())
    }

    pub(crate) fn receive(&mut self, socket: usize) -> io::Result<Datagram> {
        if self.interruptions > 0 && self.sockets[socket].line.is_for_events() {
            self.interruptions -= 1;
            return Err(Errno::EINTR.into());
        }
        let line = self.sockets[socket].line;
        let is_open = self.sockets[socket].is_open() || self.service.has_dump(socket);
        self.tick(SystemCall::Receive { line, is_open });
        if std::mem::take(&mut self.receive_fails) {
            self.call.faults += 1;
            return Err(Errno::ENOMEM.into());
        }
        if let Some(errno) = self.sockets[socket].error.take() {
            // The receive that kept the error may have been of an earlier call.
            self.call.faults += u32::from(errno == Errno::ENOMEM);
            return Err(errno.into());
        }
        let result = self.next(socket);
        self.sockets[socket].wake();
        result
    }

    fn next(&mut self, socket: usize) -> io::Result<Datagram> {
        let line = self.sockets[socket].line;
        if self.sockets[socket].noise_left > 0 {
            self.sockets[socket].noise_left -= 1;
            self.sockets[socket].deliver(noise());
        }
        if self.sockets[socket].foreign_left > 0 {
            self.sockets[socket].foreign_left -= 1;
            self.call.faults += 1;
            if !line.is_for_events() {
                self.now += TIMEOUT / 1000;
                return Ok(foreign(ack(0)));
            }
            // Behind the events that wait, as far as there is room.
            self.sockets[socket].push_foreign(ack(0));
        }
        let is_congested = self.sockets[socket].is_congested;
        if let Some(fault) =
            self.sockets[socket].take_fault(|fault| is_of_receives(fault, line, is_congested))
        {
            // What a session ignores is not an excuse for a failure.
            self.call.faults += u32::from(!matches!(fault, Fault::Foreign(_) | Fault::Interrupted));
            match fault {
                Fault::Interrupted => return Err(Errno::EINTR.into()),
                Fault::ReceiveFails => return Err(Errno::ENOMEM.into()),
                Fault::Nothing => return Err(io::ErrorKind::WouldBlock.into()),
                Fault::Foreign(forgery) => return Ok(self.forge(forgery)),
                Fault::Overrun(kept) => {
                    if !line.is_for_events() {
                        self.sockets[socket].queue.truncate(kept.into());
                    }
                    self.sockets[socket].overrun();
                }
                _ => {}
            }
        }
        if std::mem::take(&mut self.sockets[socket].overran) {
            return Err(Errno::ENOBUFS.into());
        }
        let (datagram, is_faulty) = self.sockets[socket].pop();
        self.call.faults += u32::from(is_faulty);
        if datagram.is_some() && line == Line::Rtnl && self.sockets[socket].late.is_empty() {
            // The kernel makes the next part of a dump when something was read.
            if let Some(part) = self.service.next_part(socket) {
                self.sockets[socket].queue.push_back(Datagram::new(part));
            }
        }
        datagram.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn wait(&mut self, socket: usize, timeout: Duration) -> io::Result<bool> {
        self.tick(SystemCall::Wait);
        if self.sockets[socket].take_fault(|fault| fault == Fault::WaitFails).is_some() {
            self.call.faults += 1;
            return Err(Errno::ENOMEM.into());
        }
        if self.sockets[socket].is_readable() {
            return Ok(true);
        }
        if self.sockets[socket].is_in_time {
            self.now += timeout / 2;
            let late = std::mem::take(&mut self.sockets[socket].late);
            for datagram in late {
                self.sockets[socket].deliver(datagram);
            }
            self.sockets[socket].is_in_time = false;
            return Ok(true);
        }
        self.call.vain_waits += 1;
        self.now += timeout;
        Ok(false)
    }

    /// Adds all that decides what the kernel does next, for the enumeration.
    #[cfg(test)]
    pub(crate) fn digest(&self, digest: &mut Digest) {
        self.service.digest(digest);
        for socket in &self.sockets {
            digest.debug(&(
                socket.is_congested,
                socket.overran,
                socket.error,
                socket.queue.len(),
                socket.late.len(),
            ));
            for datagram in socket.queue.iter().chain(&socket.late) {
                digest.bytes(&datagram.bytes);
                digest.debug(&(datagram.sender, datagram.length));
            }
        }
    }

    fn forge(&self, forgery: Forgery) -> Datagram {
        let link = |slot, change: fn(&mut self::state::LinkState)| {
            let any = self.service.namespace.links.values().next();
            let mut link = any.expect("the model has a link").clone();
            change(&mut link);
            (ifindex(slot), link)
        };
        let sequence = self.last_sequence;
        let bytes = match forgery {
            Forgery::Removed(slot) => {
                let (ifindex, link) = link(slot, |_| ());
                wire::link(RTM_DELLINK, 0, ifindex, &link)
            }
            Forgery::Renamed(slot) => {
                let (ifindex, link) = link(slot, |link| "forged".clone_into(&mut link.name));
                wire::link(RTM_NEWLINK, 0, ifindex, &link)
            }
            Forgery::Released(slot) => wire::ports(
                TEAM,
                &[(ifindex(slot), PortState { link_up: false, speed: 0 })],
                Mark::Removed,
                1,
            )
            .concat(),
            Forgery::Mode => {
                let mode =
                    (OptionId::global(names::MODE), OptionValue::String("forged".to_owned()));
                wire::options(TEAM, &[mode], Mark::Changed, 1).concat()
            }
            Forgery::Acknowledgement => with_sequence(ack(0), sequence),
            Forgery::KernelError => with_sequence(ack(-1), sequence),
            Forgery::End => with_sequence(bare_done(), sequence),
            Forgery::Garbage(byte) => vec![byte; byte.into()],
            Forgery::Huge => return Datagram { length: Some(100_000), ..foreign(vec![1; 64]) },
        };
        foreign(with_sequence(bytes, sequence))
    }
}

/// Whether a request changes something.
fn changes_something(line: Line, request: &Frame<'_>) -> bool {
    match line {
        Line::Rtnl => request.kind % 4 != RTM_GET,
        _ => request.kind == FAMILY && request.payload.first() == Some(&TEAM_CMD_OPTIONS_SET),
    }
}

fn is_of_receives(fault: Fault, line: Line, is_congested: bool) -> bool {
    use Fault::{Foreign, Interrupted, Nothing, Overrun, ReceiveFails};
    match fault {
        // Only a reply can seem to come later than it does.
        Nothing => !line.is_for_events() && !is_congested,
        Interrupted | ReceiveFails | Foreign(_) | Overrun(_) => true,
        _ => false,
    }
}

/// The kernel, for the session's ends of its sockets and for the test.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Kernel>>);

impl Shared {
    pub(crate) fn new(setting: Setting) -> Self {
        let lines = [
            (Line::Rtnl, setting.answers),
            (Line::TeamDriver, setting.answers),
            (Line::LinkEvents, setting.events),
            (Line::TeamEvents, setting.events),
        ];
        let sockets = lines.map(|(line, capacity)| Socket::new(line, capacity));
        Self::of(Service::new(setting), setting, sockets.into(), true)
    }

    /// With as little as possible, and without sockets: see [`Namespace::smallest`].
    ///
    /// [`Namespace::smallest`]: namespace::Namespace::smallest
    #[cfg(test)]
    pub(crate) fn smallest(setting: Setting) -> Self {
        Self::of(Service::smallest(setting), setting, vec![], true)
    }

    /// Without a team and without sockets.
    pub(crate) fn empty() -> Self {
        let setting = Setting {
            events: 0,
            answers: 0,
            items: 8,
            attempts: 1,
            batch: 16,
            team_is_up: false,
            mode: 0,
            ports: 0,
            dumps_by_position: false,
            scope: LinkScope::All,
            filter_memory: usize::MAX,
        };
        Self::of(Service::empty(setting), setting, vec![], false)
    }

    fn of(service: Service, setting: Setting, sockets: Vec<Socket>, is_counted: bool) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Kernel {
            service,
            setting,
            sockets,
            plan: VecDeque::new(),
            last_sequence: 0,
            now,
            call: Tally::new(now),
            trace: None,
            is_counted,
            receive_fails: false,
            reply_is_late: false,
            interruptions: 0,
            refusals: VecDeque::new(),
        })))
    }

    /// Opens a socket that is readable by `event`.
    pub(crate) fn open(&self, line: Line, receive_buffer: usize) -> io::Result<End> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let event = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let mut socket = Socket::new(line, 0);
        socket.is_joined = false;
        // Replies are waited for with `wait`.
        socket.event = Some(Arc::clone(&event)).filter(|_| line.is_for_events());
        let mut kernel = self.lock();
        kernel.sockets.push(socket);
        let mut end =
            End { kernel: self.clone(), socket: kernel.sockets.len() - 1, event: Some(event) };
        drop(kernel);
        end.set_receive_buffer(receive_buffer)?;
        Ok(end)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
