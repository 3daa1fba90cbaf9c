use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use log::warn;

use crate::changes::{ChangeKind, Changes};
use crate::error::{BoxError, Error, Result};
use crate::handlers::{HandlerId, Handlers, Outcome};
use crate::iter::{Links, Options, Ports};
use crate::log_target::RESYNC;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;
use crate::model::receive_buffers::ReceiveBuffers;
use crate::netlink::failure::{During, Failure};
use crate::netlink::readiness::Readiness;
use crate::session::Session;

/// One team device under control: commands go through it, and it follows every change.
///
/// The handle keeps a cache of the namespace's links and of the team's ports and options. Reading the cache costs no
/// system call. It is brought up to date by [`handle_events`](Self::handle_events), and by each command, so that a
/// command's effect can be read at once; what a command's update found is told by the next `handle_events`.
///
/// Dropping the handle closes its sockets and leaves the device as it is.
///
/// # Permissions
///
/// The driver answers only to `CAP_NET_ADMIN` in the *initial* user namespace: root of an unprivileged container gets
/// an [`Error::Kernel`] with `EPERM`.
///
/// # Examples
///
/// ```
/// use libteam::{Mode, TeamHandle};
///
/// # enter_namespace();
/// let mut team = TeamHandle::create("team0")?;
/// team.set_mode(Mode::ActiveBackup)?;
/// assert_eq!(team.mode(), Some(Mode::ActiveBackup));
/// team.destroy()?;
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), libteam::Error>(())
/// ```
#[doc(alias = "team_handle")]
#[doc(alias = "team_alloc")]
#[doc(alias = "team_free")]
#[derive(Debug)]
pub struct TeamHandle {
    pub(crate) session: Session,
    readiness: Readiness,
    /// The network namespace of the sockets, where it is known.
    pub(crate) home: Option<File>,
    handlers: Handlers<Self>,
}

impl TeamHandle {
    pub(crate) fn new(session: Session, readiness: Readiness, home: Option<File>) -> Self {
        Self { session, readiness, home, handlers: Handlers::default() }
    }

    /// Deletes the device. Its ports stay as links of their own, set down.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceGone`] if somebody else deleted it first, or [`Error::Kernel`].
    #[doc(alias = "team_destroy")]
    pub fn destroy(mut self) -> Result<()> {
        let (ifindex, name) = (self.team_ifindex(), self.name().to_owned());
        self.command(|session| session.rtnl.delete(ifindex))?.during(|| format!("deleting team device {name}"))
    }

    /// The interface index of the team device itself.
    #[must_use]
    pub fn team_ifindex(&self) -> IfIndex {
        self.session.cache().team()
    }

    /// The name of the team device, or its last one when it is gone.
    #[must_use]
    pub fn name(&self) -> &str {
        self.session.name()
    }

    /// The team's ports in the order in which they were added.
    #[doc(alias = "team_get_next_port")]
    #[must_use]
    pub fn ports(&self) -> Ports<'_> {
        self.session.cache().ports().iter()
    }

    /// One port of the team.
    #[doc(alias = "team_get_ifinfo_port")]
    #[must_use]
    pub fn port(&self, ifindex: IfIndex) -> Option<&Port> {
        self.session.cache().ports().get(ifindex)
    }

    /// Whether a link is a port of the team.
    #[doc(alias = "team_is_our_port")]
    #[doc(alias = "team_is_port_present")]
    #[must_use]
    pub fn is_port(&self, ifindex: IfIndex) -> bool {
        self.port(ifindex).is_some()
    }

    /// Which links the handle keeps.
    #[must_use]
    pub fn link_scope(&self) -> LinkScope {
        self.session.cache().scope()
    }

    /// The links in the order of their index: those of the team and its ports, or all of the namespace. See
    /// [`LinkScope`].
    #[doc(alias = "team_get_next_ifinfo")]
    #[must_use]
    pub fn links(&self) -> Links<'_> {
        self.session.cache().links().iter()
    }

    /// One of these links.
    #[doc(alias = "team_get_port_ifinfo")]
    #[must_use]
    pub fn link(&self, ifindex: IfIndex) -> Option<&Link> {
        self.session.cache().links().get(ifindex)
    }

    /// The team device's own link, or `None` when it is gone.
    #[doc(alias = "team_get_ifinfo")]
    #[must_use]
    pub fn team_link(&self) -> Option<&Link> {
        self.session.cache().team_link()
    }

    /// The team's options in the driver's order: its own, those of the mode, then port by port.
    #[doc(alias = "team_get_next_option")]
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        self.session.cache().options().iter()
    }

    /// One option, or `None` if the team does not have it now: options come and go with the mode and the ports.
    #[doc(alias = "team_get_option")]
    #[doc(alias = "team_is_option_initialized")]
    #[must_use]
    pub fn option(&self, id: &OptionId) -> Option<&TeamOption> {
        self.session.cache().options().get(id)
    }

    /// The receive buffers that the kernel gave the event sockets.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the kernel does not tell.
    pub fn receive_buffers(&self) -> Result<ReceiveBuffers> {
        let (link, team) =
            self.session.receive_buffers().during(|| "reading the size of a receive buffer".to_owned())?;
        Ok(ReceiveBuffers { link, team })
    }

    /// Applies all events that wait, calls the handlers, and returns what changed. Does not wait for events.
    ///
    /// Call it when the handle's descriptor is readable, or after [`wait`](Self::wait). It tells everything that
    /// changed since the last call, the effects of this handle's own commands included, as one difference. If the
    /// kernel dropped notifications, it asks for everything again first: see [`Changes::resynced`].
    ///
    /// Inside a handler it returns what is new since the batch that the handler is looking at, and the outer call
    /// delivers that to all handlers afterwards. What the outermost call returns holds these later batches too.
    ///
    /// # Errors
    ///
    /// - [`Error::Handler`] with the first error of a handler, after all handlers ran.
    /// - Those of the requests that a resync sends. Nothing is lost then: the descriptor stays readable, and the next
    ///   call tries again.
    ///
    /// # Panics
    ///
    /// If a handler panics: after all other handlers ran, without that handler.
    #[doc(alias = "team_handle_events")]
    #[doc(alias = "team_check_events")]
    #[doc(alias = "team_call_eventfd_handler")]
    pub fn handle_events(&mut self) -> Result<Changes> {
        let updated = self.session.update();
        self.tell(updated)
    }

    /// Asks the kernel for everything, and reports what is different from what was known.
    ///
    /// There is no need for it in normal work: events keep the cache true, and lost ones are made good by
    /// [`handle_events`](Self::handle_events).
    ///
    /// # Errors
    ///
    /// [`Error::DeviceGone`], and those of [`handle_events`](Self::handle_events).
    ///
    /// # Panics
    ///
    /// As [`handle_events`](Self::handle_events).
    #[doc(alias = "team_refresh")]
    pub fn refresh(&mut self) -> Result<Changes> {
        let events_wait = self.wait(Some(Duration::ZERO))?;
        let refreshed = self.session.refresh(events_wait);
        self.tell(refreshed)
    }

    /// Waits until there is something to handle; without a limit if there is no timeout. False if the time is over or
    /// a signal came first.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system call fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.settle_readiness()?;
        self.readiness.wait(timeout).during(|| "waiting for events".to_owned())
    }

    /// The descriptor to wait on with poll(2), epoll(7) or an event loop: readable while there is something to handle.
    ///
    /// Do not read from it. It stays the same for the life of the handle.
    ///
    /// A loop that is told of each event once (`EPOLLET`; mio and tokio are of that kind) calls
    /// [`handle_events`](Self::handle_events) once each time: where that leaves something to do, the descriptor is
    /// announced anew.
    #[doc(alias = "team_get_event_fd")]
    #[doc(alias = "team_get_eventfd_fd")]
    #[doc(alias = "team_get_next_eventfd")]
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        AsFd::as_fd(self)
    }

    /// Registers a handler that is called, behind those there are, for each batch with a change of these kinds.
    ///
    /// A handler may call any command, and register and remove handlers, itself too. One that is registered inside a
    /// handler is called from the next batch on. An error of one handler keeps no other from running.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ChangeKind, Mode, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.add_handler(ChangeKind::OPTION, |team, changes| {
    ///     for option in changes.options() {
    ///         println!("{}: {option}", team.name());
    ///     }
    ///     Ok(())
    /// });
    /// team.set_mode(Mode::RoundRobin)?;
    /// let changes = team.handle_events()?;
    /// assert_eq!(changes.options().len(), 1);
    /// team.destroy()?;
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_change_handler_register")]
    pub fn add_handler<F>(&mut self, kinds: ChangeKind, handler: F) -> HandlerId
    where
        F: FnMut(&mut Self, &Changes) -> Result<(), BoxError> + Send + 'static,
    {
        self.handlers.add_last(kinds, Box::new(handler))
    }

    /// As [`add_handler`](Self::add_handler), but called before those there are.
    #[doc(alias = "team_change_handler_register_head")]
    pub fn add_handler_first<F>(&mut self, kinds: ChangeKind, handler: F) -> HandlerId
    where
        F: FnMut(&mut Self, &Changes) -> Result<(), BoxError> + Send + 'static,
    {
        self.handlers.add_first(kinds, Box::new(handler))
    }

    /// Removes a handler; false if it was removed before.
    #[doc(alias = "team_change_handler_unregister")]
    pub fn remove_handler(&mut self, id: HandlerId) -> bool {
        self.handlers.remove(id)
    }

    /// Brings the cache up to date, and makes sure that there still is a device to command: what a command needs to know
    /// before it is carried out.
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        let updated = self.session.update();
        self.settle_readiness()?;
        updated.and_then(|()| self.session.check_alive())
    }

    /// Carries out a command that depends on nothing in the cache.
    ///
    /// The outer error says that the command could not be tried, or failed because the device is gone.
    pub(crate) fn command<R>(
        &mut self,
        run: impl FnOnce(&mut Session) -> Result<R, Failure>,
    ) -> Result<Result<R, Failure>> {
        self.catch_up()?;
        self.carry_out(run)
    }

    /// Runs one command against the kernel, after [`catch_up`](Self::catch_up), and brings the cache up to date with its
    /// effect.
    ///
    /// The outer error says that the command failed because the device is gone.
    pub(crate) fn carry_out<R>(
        &mut self,
        run: impl FnOnce(&mut Session) -> Result<R, Failure>,
    ) -> Result<Result<R, Failure>> {
        let result = run(&mut self.session);
        // The kernel queues a command's events before it acknowledges the command. If they cannot be read now, that
        // is no error of the command: the handle stays readable, and handle_events reports it.
        if let Err(error) = self.session.update() {
            warn!(target: RESYNC, "{}: the cache is behind until events can be handled: {error}", self.name());
        }
        self.settle_readiness()?;
        if result.is_err() {
            self.session.check_alive()?;
        }
        Ok(result)
    }

    /// Tells what an update of the cache found, unless it failed.
    fn tell(&mut self, updated: Result<()>) -> Result<Changes> {
        let told = updated.map(|()| self.deliver());
        // What was readable before and still is becomes so anew: those that wait for edges would hear of it no more.
        self.set_pending(false)?;
        self.settle_readiness()?;
        let (told, outcome) = told?;
        match outcome {
            Outcome { first_panic: Some(panic), .. } => resume_unwind(panic),
            Outcome { first_error: Some(error), .. } => Err(Error::Handler(error)),
            Outcome { first_panic: None, first_error: None } => Ok(told),
        }
    }

    /// Calls the handlers, for what the session has to tell and for what handlers find out meanwhile. Inside a handler
    /// it leaves that to the outer call.
    fn deliver(&mut self) -> (Changes, Outcome) {
        let mut outcome = Outcome::default();
        let news = self.session.take_changes();
        let Some(_delivery) = self.handlers.begin() else {
            self.handlers.queue(news.clone());
            return (news, outcome);
        };
        let mut told = Changes::default();
        let mut next = Some(news);
        while let Some(batch) = next {
            self.call_handlers(&batch, &mut outcome);
            told.append(batch);
            next = self.handlers.next_batch();
        }
        (told, outcome)
    }

    fn call_handlers(&mut self, batch: &Changes, outcome: &mut Outcome) {
        for id in self.handlers.wanting(batch.kinds()) {
            let Some(mut handler) = self.handlers.take(id) else { continue };
            // A handler that panics is dropped; the handle holds nothing half-done while a handler runs.
            match catch_unwind(AssertUnwindSafe(|| handler(self, batch))) {
                Ok(result) => {
                    self.handlers.put_back(id, handler);
                    outcome.first_error = outcome.first_error.take().or(result.err());
                }
                Err(panic) => {
                    self.handlers.remove(id);
                    outcome.first_panic.get_or_insert(panic);
                }
            }
        }
    }

    /// Makes the descriptor readable while there is work that no socket announces.
    pub(crate) fn settle_readiness(&mut self) -> Result<()> {
        self.set_pending(self.session.has_work())
    }

    fn set_pending(&mut self, pending: bool) -> Result<()> {
        let socket = self.session.event_socket();
        self.readiness.set_pending(socket, pending).during(|| "setting the handle's readiness".to_owned())
    }
}

impl AsFd for TeamHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

/// For event loops that take nothing else.
impl AsRawFd for TeamHandle {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
