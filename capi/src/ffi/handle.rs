//! `struct team_handle`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::env;
use std::ffi::{c_int, c_uint};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use libteam::rtnl::RtnlSocket;
use libteam::{Error, IfIndex, TeamHandle};
use nix::errno::Errno;

use super::change_handlers::ChangeHandlers;
use super::log::{self, LogSettings, Message};
use super::readiness::Readiness;
use crate::batch::Batch;
use crate::calls::{self, Call, Occasion, Step};
use crate::errno::as_libnl;
use crate::parse::{LOG_DEBUG, LOG_ERROR, event_buffer};
use crate::store::Store;

/// A handle of a C program. Everything in it is in cells, which are borrowed only while no code of
/// the program runs.
#[derive(Debug)]
pub(crate) struct Handle {
    store: Store,
    /// `None` before `team_init`.
    team: RefCell<Option<TeamHandle>>,
    rtnl: RefCell<RtnlSocket>,
    /// 0 before `team_init`.
    ifindex: Cell<u32>,
    /// What is still to be done of the batches that were read.
    steps: RefCell<VecDeque<Step>>,
    handlers: ChangeHandlers,
    log: LogSettings,
    readiness: Readiness,
    /// A command was carried out since events were handled last. It may have read the events that
    /// the program's own poll announced.
    has_commanded: Cell<bool>,
    /// A handler is being called.
    is_calling: Cell<bool>,
    is_freed: Cell<bool>,
}

/// A negative error number, as the functions return it.
pub(super) type Failure = c_int;

/// Returns a negative error number as libnl makes it of the kernel's. The name of a device the C
/// library checks by itself.
pub(super) fn failure(error: &Error) -> Failure {
    let errno = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
    if matches!(error, Error::InvalidName { .. }) { -errno } else { -as_libnl(errno) }
}

pub(super) fn errno_failure(errno: Errno) -> Failure {
    -as_libnl(errno as i32)
}

/// Turns a result into what a function returns.
pub(super) fn code(result: Result<(), Failure>) -> c_int {
    result.err().unwrap_or(0)
}

impl Handle {
    pub(super) fn new() -> Option<Self> {
        log::install();
        let log = LogSettings::new();
        let rtnl = RtnlSocket::new().ok()?;
        Some(Self {
            store: Store::default(),
            team: RefCell::new(None),
            rtnl: RefCell::new(rtnl),
            ifindex: Cell::new(0),
            steps: RefCell::default(),
            handlers: ChangeHandlers::default(),
            log,
            readiness: Readiness::new().ok()?,
            has_commanded: Cell::new(false),
            is_calling: Cell::new(false),
            is_freed: Cell::new(false),
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn change_handlers(&self) -> &ChangeHandlers {
        &self.handlers
    }

    pub(super) fn log_settings(&self) -> &LogSettings {
        &self.log
    }

    pub(super) fn event_fd(&self) -> c_int {
        self.readiness.as_raw_fd()
    }

    /// The team's index, after `team_init`.
    pub(super) fn ifindex(&self) -> Option<IfIndex> {
        IfIndex::new(self.ifindex.get())
    }

    pub(super) fn is_freed(&self) -> bool {
        self.is_freed.get()
    }

    /// Ends the handle, which may be in use by a call further up.
    pub(super) fn free(&self) {
        self.is_freed.set(true);
        self.steps.take();
    }

    pub(super) fn log(self: &Rc<Self>, priority: c_int, origin: &str, text: &str) {
        Message::new(priority, origin, text).deliver(self);
    }

    fn deliver(self: &Rc<Self>, messages: &[Message]) {
        for message in messages {
            message.deliver(self);
        }
    }

    /// Runs something of the library without any borrow of the program's, delivers what it logs,
    /// and turns its error into a number.
    fn run<R>(
        self: &Rc<Self>,
        origin: &str,
        run: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Failure> {
        let (result, messages) = log::captured(self.log.priority.get(), run);
        self.deliver(&messages);
        result.map_err(|error| {
            self.log(LOG_DEBUG, origin, &error.to_string());
            failure(&error)
        })
    }

    /// Runs a command of the team.
    pub(super) fn with_team<R>(
        self: &Rc<Self>,
        origin: &str,
        command: impl FnOnce(&mut TeamHandle) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        if self.team.borrow().is_none() {
            return Err(errno_failure(Errno::EINVAL));
        }
        self.has_commanded.set(true);
        let result =
            self.run(origin, || self.team.borrow_mut().as_mut().map(command).transpose())?;
        result.ok_or(errno_failure(Errno::EINVAL))
    }

    /// Runs a request of rtnetlink.
    pub(super) fn with_rtnl<R>(
        self: &Rc<Self>,
        origin: &str,
        request: impl FnOnce(&mut RtnlSocket) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        self.run(origin, || request(&mut self.rtnl.borrow_mut()))
    }

    /// Opens a team.
    pub(super) fn init(self: &Rc<Self>, ifindex: u32) -> Result<(), Failure> {
        const ORIGIN: &str = "team_init";
        let Some(index) = IfIndex::new(ifindex) else {
            self.log(LOG_ERROR, ORIGIN, &format!("interface index {ifindex} is not valid"));
            return Err(errno_failure(Errno::EINVAL));
        };
        if self.team.borrow().is_some() {
            self.log(LOG_ERROR, ORIGIN, "the handle has a team already");
            return Err(errno_failure(Errno::EBUSY));
        }
        let mut builder = TeamHandle::builder().ignore_environment();
        if let Some(text) = env::var_os("TEAM_EVENT_BUFSIZE") {
            builder = builder.receive_buffer(event_buffer(text.as_bytes()));
        }
        let (result, messages) =
            log::captured(self.log.priority.get(), || builder.open_index(index));
        self.deliver(&messages);
        let team = result.map_err(|error| {
            self.log(LOG_ERROR, ORIGIN, &error.to_string());
            match error {
                // The driver says so of an index that is not a team's.
                Error::NoSuchDevice { .. } => errno_failure(Errno::EINVAL),
                error => failure(&error),
            }
        })?;
        self.readiness.add(&team).map_err(errno_failure)?;
        self.store.set_team(ifindex);
        self.ifindex.set(ifindex);
        let batch = Batch::everything(&team);
        *self.team.borrow_mut() = Some(team);
        self.call_all(batch, Occasion::Init)
    }

    /// Reads everything again, and calls the handlers.
    pub(super) fn refresh(self: &Rc<Self>) -> Result<(), Failure> {
        let changes = self.with_team("team_refresh", TeamHandle::refresh)?;
        self.call_all(Batch::from(&changes), Occasion::Refresh)
    }

    /// Calls the handlers for a batch. If one of them ends it, the rest of the batch still reaches
    /// the store.
    fn call_all(self: &Rc<Self>, batch: Batch, occasion: Occasion) -> Result<(), Failure> {
        self.plan(batch, occasion);
        let result = self.run_steps();
        if result == 0 {
            return Ok(());
        }
        while let Some(step) = self.next_step() {
            self.apply(step);
        }
        self.note_leftover()?;
        Err(result)
    }

    /// Handles the events that wait, or blocks until there are some.
    pub(super) fn handle_events(self: &Rc<Self>) -> Result<(), Failure> {
        if self.team.borrow().is_none() {
            return Err(errno_failure(Errno::EINVAL));
        }
        if self.steps.borrow().is_empty() {
            // Events that a command has read are no reason to wait for others. And what a handler
            // is called for has happened already.
            if !self.has_commanded.replace(false) && !self.is_calling.get() {
                self.readiness.wait().map_err(errno_failure)?;
            }
            let changes = self.with_team("team_handle_events", TeamHandle::handle_events);
            self.has_commanded.set(false);
            self.plan(Batch::from(&changes?), Occasion::Events);
        }
        match self.run_steps() {
            0 => Ok(()),
            result => Err(result),
        }
    }

    /// Handles the events that wait, if there are some.
    pub(super) fn check_events(self: &Rc<Self>) -> Result<(), Failure> {
        if self.readiness.is_readable().map_err(errno_failure)? {
            return self.handle_events();
        }
        Ok(())
    }

    fn plan(&self, batch: Batch, occasion: Occasion) {
        let steps = calls::plan(&self.store, batch, occasion);
        self.steps.borrow_mut().extend(steps);
    }

    fn next_step(&self) -> Option<Step> {
        self.steps.borrow_mut().pop_front()
    }

    fn apply(&self, step: Step) -> Option<Call> {
        step.edits.into_iter().for_each(|edit| calls::apply(&self.store, edit));
        step.call
    }

    /// Carries out what is left of the batches that were read, until a handler ends it. Inside a
    /// handler this goes on with the batch whose call that is.
    fn run_steps(self: &Rc<Self>) -> c_int {
        let mut result = 0;
        while let Some(step) = self.next_step() {
            if let Some(call) = self.apply(step) {
                let was_calling = self.is_calling.replace(true);
                result = self.handlers.call(self, call);
                self.is_calling.set(was_calling);
                if call == Call::Ifinfo {
                    self.store.clear_link_changes();
                }
            }
            self.store.drop_unused_links();
            if result != 0 || self.is_freed() {
                break;
            }
        }
        self.note_leftover().err().filter(|_| result == 0).unwrap_or(result)
    }

    fn note_leftover(&self) -> Result<(), Failure> {
        let has_leftover = !self.steps.borrow().is_empty();
        self.readiness.set_leftover(has_leftover).map_err(errno_failure)
    }
}

/// The length of a buffer of the program's.
pub(super) fn length(bytes: c_uint) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
