//! Events: waiting for them, handling them, and the change handlers.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::TeamHandle;
use crate::changes::{ChangeKind, Changes};
use crate::error::{BoxError, Error, Result};
use crate::netlink::error::ErrorContext;
use crate::team::handlers::{DispatchGuard, HandlerId, MAX_BATCHES, Outcome};

/// # Events and handlers
impl TeamHandle {
    /// Applies the queued events, calls the handlers, and returns the changes, without waiting.
    ///
    /// Call this method when the handle's descriptor is readable, or after [`wait`](Self::wait). It
    /// reports all changes since the last call as one difference, a *batch*, including the effects
    /// of this handle's own commands. If the kernel dropped notifications, the method first
    /// requests all links, ports and options again: see [`Changes::is_resynced`].
    ///
    /// A call sends requests after lost notifications, for new ports, and for a team that is down;
    /// otherwise it sends none. Requests can wait for the kernel's rtnl lock, which the [command
    /// timeout](crate::TeamBuilder::command_timeout) does not cover: 884 ms were measured while
    /// another process deleted 6,000 links.
    ///
    /// # Calls inside a handler
    ///
    /// Inside a handler, the method returns the changes since the last call, and queues them as
    /// another batch. The outer call delivers the queued batches to all handlers, one after the
    /// other, and returns their changes too. One call delivers at most 16 batches: the others stay
    /// queued, the descriptor stays readable, and the next call continues. When 16 batches are
    /// queued, a new one is joined with the last of them, as one difference.
    ///
    /// # Errors
    ///
    /// - [`Error::Handler`] with the first error of a handler, after all handlers were called. The
    ///   error contains the changes that this call would have returned.
    /// - The errors of the requests that a resync sends, e.g. [`Error::Timeout`] or
    ///   [`Error::Kernel`]. No change is lost: the descriptor stays readable, and the next call
    ///   tries again.
    ///
    /// # Panics
    ///
    /// Panics if a handler panics, or if dropping a value of a handler panics, after all other
    /// handlers were called. A handler that panicked is removed. The next call returns the changes
    /// that this call could not return; until then the descriptor stays readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::ActiveBackup)?;
    ///
    /// let changes = team.handle_events()?;
    /// assert!(changes.options().any(|option| option.is_added() && option.latest().id().name == "activeport"));
    /// assert!(team.handle_events()?.is_empty(), "all changes were reported");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The multicast group `change_event` of the family `team`, `linux/if_team.h`; `RTNLGRP_LINK`,
    /// `linux/rtnetlink.h`; `ENOBUFS`, netlink(7).
    #[doc(alias = "team_handle_events")]
    #[doc(alias = "team_check_events")]
    #[doc(alias = "team_call_eventfd_handler")]
    pub fn handle_events(&mut self) -> Result<Changes> {
        let updated = self.session.update();
        self.dispatch(updated)
    }

    /// Requests all links, ports and options, calls the handlers, and returns the changes.
    ///
    /// Programs seldom need this: events keep the cache up to date, and
    /// [`handle_events`](Self::handle_events) recovers from lost ones. The method sends at least
    /// three requests.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceGone`] if the team was deleted, and the errors of
    /// [`handle_events`](Self::handle_events).
    ///
    /// # Panics
    ///
    /// Panics like [`handle_events`](Self::handle_events).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.handle_events()?;
    /// let changes = team.refresh()?;
    /// assert!(changes.is_empty(), "the events had reported everything");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `TEAM_CMD_PORT_LIST_GET` and `TEAM_CMD_OPTIONS_GET`,
    /// `linux/if_team.h`.
    #[doc(alias = "team_refresh")]
    pub fn refresh(&mut self) -> Result<Changes> {
        let events_wait = self.wait(Some(Duration::ZERO))?;
        let refreshed = self.session.refresh(events_wait);
        self.dispatch(refreshed)
    }

    /// Waits for events, and returns false after the timeout or a signal.
    ///
    /// Returns true when [`handle_events`](Self::handle_events) has something to do. Without a
    /// timeout, the wait has no limit.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_notify_peers_count(3)?;
    /// while team.wait(Some(Duration::from_millis(10)))? {
    ///     for option in team.handle_events()?.options() {
    ///         println!("{option}");
    ///     }
    /// }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// poll(2).
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.update_readiness()?;
        self.readiness.wait(timeout).with_context(|| "waiting for events".to_owned())
    }

    /// Duplicates the handle's descriptor, for poll(2), epoll(7) or an event loop.
    ///
    /// The duplicate is readable exactly while the handle's own descriptor ([`as_fd`](AsFd::as_fd))
    /// is. It does not borrow the handle, so that an event loop can own the duplicate while the
    /// handle is behind a `Mutex`. After the handle was dropped, the duplicate is valid but never
    /// readable.
    ///
    /// Do not read from the duplicate.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `EMFILE` if the process has too many descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use std::sync::Mutex;
    ///
    /// use libteam::TeamHandle;
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    ///
    /// # test_netns::enter();
    /// let team = Mutex::new(TeamHandle::create("team0")?);
    /// let lock = || team.lock().expect("no thread panicked");
    /// let ready = lock().try_clone_fd()?;
    /// lock().set_notify_peers_count(3)?;
    ///
    /// let mut waiting = [PollFd::new(ready.as_fd(), PollFlags::POLLIN)];
    /// poll(&mut waiting, PollTimeout::NONE)?; // without the lock
    /// assert!(!lock().handle_events()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `F_DUPFD_CLOEXEC`, fcntl(2); epoll(7).
    pub fn try_clone_fd(&self) -> Result<OwnedFd> {
        let duplicate = self.as_fd().try_clone_to_owned();
        duplicate.with_context(|| "duplicating the handle's descriptor".to_owned())
    }

    /// Registers a handler for changes of these kinds.
    ///
    /// [`handle_events`](Self::handle_events) calls the handler once for each batch with such a
    /// change, after the handlers that were registered before.
    ///
    /// - A handler may call any command, and register and remove handlers, including itself.
    /// - A batch is delivered to the handlers that were registered when it was taken. A handler
    ///   that is registered inside another one is called for later batches.
    /// - After an error or a panic of a handler, the other handlers are still called, and the
    ///   caller gets the changes: see [`Error::Handler`] and
    ///   [`handle_events`](Self::handle_events).
    /// - A handler may replace the handle by another one ([`std::mem::replace`]). The replaced
    ///   handle keeps its handlers, including this one, and their queued batches; its descriptor is
    ///   readable while a batch is queued. Do not store that handle in the handler itself: the two
    ///   would keep each other alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ChangeKind, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
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
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_change_handler_register")]
    pub fn add_handler<F>(&mut self, kinds: ChangeKind, handler: F) -> HandlerId
    where
        F: FnMut(&mut Self, &Changes) -> Result<(), BoxError> + Send + 'static,
    {
        self.handlers.add_last(kinds, Box::new(handler))
    }

    /// Registers a handler that is called before all others.
    ///
    /// Otherwise this is like [`add_handler`](Self::add_handler).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use libteam::{ChangeKind, Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let (called, order) = mpsc::channel();
    /// let also_called = called.clone();
    /// team.add_handler(ChangeKind::OPTION, move |_, _| Ok(called.send("second")?));
    /// team.add_handler_first(ChangeKind::OPTION, move |_, _| Ok(also_called.send("first")?));
    ///
    /// team.set_mode(Mode::Random)?;
    /// team.handle_events()?;
    /// assert_eq!(order.try_iter().collect::<Vec<_>>(), ["first", "second"]);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_change_handler_register_head")]
    pub fn add_handler_first<F>(&mut self, kinds: ChangeKind, handler: F) -> HandlerId
    where
        F: FnMut(&mut Self, &Changes) -> Result<(), BoxError> + Send + 'static,
    {
        self.handlers.add_first(kinds, Box::new(handler))
    }

    /// Removes a handler; returns false if it was removed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ChangeKind, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let id = team.add_handler(ChangeKind::OPTION, |team, _| Err(format!("{} changed", team.name()).into()));
    /// assert!(team.remove_handler(id));
    ///
    /// team.set_notify_peers_count(3)?;
    /// team.handle_events()?; // no error: the handler was not called
    /// assert!(!team.remove_handler(id), "the handler was removed before");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_change_handler_unregister")]
    pub fn remove_handler(&mut self, id: HandlerId) -> bool {
        self.handlers.remove(id)
    }

    /// Delivers the changes of an update of the cache and returns them, unless the update failed.
    fn dispatch(&mut self, updated: Result<()>) -> Result<Changes> {
        let (result, panic) = match updated.map(|()| self.dispatch_batches()) {
            Err(error) => (Err(error), None),
            Ok((changes, outcome)) => match outcome.into_result() {
                Ok(None) => (Ok(changes), None),
                Ok(Some(error)) => (Err(Error::Handler { error, changes }), None),
                Err(panic) => {
                    self.handlers.keep_unreturned(changes);
                    (Ok(Changes::default()), Some(panic))
                }
            },
        };
        // A descriptor that stays readable has to cause a new edge, for callers that wait with
        // EPOLLET.
        let settled = self.set_pending(false).and_then(|()| self.update_readiness());
        match (panic, result, settled) {
            (Some(panic), ..) => resume_unwind(panic),
            (None, Ok(changes), Err(error)) => {
                self.handlers.keep_unreturned(changes);
                Err(error)
            }
            (None, result, _) => result,
        }
    }

    /// Calls the handlers for the queued batches and for a new one, and returns the delivered ones.
    ///
    /// Inside a handler, only queues and returns a new batch, which the outer call delivers.
    fn dispatch_batches(&mut self) -> (Changes, Outcome) {
        let mut outcome = Outcome::default();
        let changes = self.session.take_changes();
        let Some(guard) = self.handlers.begin(&self.readiness) else {
            self.handlers.push(changes.clone());
            return (changes, outcome);
        };
        self.handlers.push(changes);
        let mut delivered = self.handlers.take_unreturned();
        for _ in 0..MAX_BATCHES {
            let Some((batch, is_returned_here)) = guard.first_batch() else { break };
            self.call_handlers(&batch, &guard, &mut outcome);
            guard.finish_batch();
            if is_returned_here {
                delivered.append(Arc::unwrap_or_clone(batch));
            }
            if !guard.is_of(&self.handlers) {
                break;
            }
        }
        guard.end(&self.handlers).into_iter().for_each(|handler| outcome.discard(handler));
        (delivered, outcome)
    }

    /// Calls the recipients of the first queued batch, until one of them replaces this handle.
    fn call_handlers(
        &mut self,
        batch: &Changes,
        guard: &DispatchGuard<Self>,
        outcome: &mut Outcome,
    ) {
        while let Some((id, mut handler)) = guard.next_handler() {
            // Unwind safe: the handle is in a consistent state while a handler runs.
            match catch_unwind(AssertUnwindSafe(|| handler(self, batch))) {
                Ok(result) => {
                    outcome.discard(guard.put_back(id, handler));
                    result.unwrap_or_else(|error| outcome.failed(error, self.name()));
                }
                Err(panic) => {
                    outcome.panicked(panic);
                    guard.remove(id);
                    outcome.discard(handler);
                }
            }
            if !guard.is_of(&self.handlers) {
                return;
            }
        }
    }
}
