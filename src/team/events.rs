//! Events: waiting for them, handling them, and those who want to hear of changes.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::TeamHandle;
use crate::changes::{ChangeKind, Changes};
use crate::error::{BoxError, Error, Result};
use crate::netlink::error::ErrorContext;
use crate::team::handlers::{Delivery, HandlerId, MAX_BATCHES, Outcome};

/// # Events and handlers
impl TeamHandle {
    /// Applies the events that wait, calls the handlers, and returns what changed. Does not wait
    /// for events.
    ///
    /// Call it when the handle's descriptor is readable, or after [`wait`](Self::wait). It reports
    /// everything that changed since the last call, the effects of this handle's own commands
    /// included, as one difference: a *batch*. If the kernel dropped notifications, it asks for
    /// everything again first: see [`Changes::is_resynced`].
    ///
    /// A call takes time where it sends requests: after lost notifications, for new ports, and for
    /// a team that is down. They can wait for the kernel's rtnl lock, which the [command
    /// timeout](crate::TeamBuilder::command_timeout) does not cover: 884 ms were measured while
    /// another process deleted 6,000 links.
    ///
    /// Inside a handler it returns what is new since it was last called, and queues that as another
    /// batch. The outer call delivers the queued batches to all handlers, one after the other, and
    /// returns their changes as well. One call delivers at most 16 batches: the others stay queued,
    /// the descriptor stays readable, and the next call goes on. When 16 batches wait, a new one is
    /// joined with the last of them, as one difference.
    ///
    /// # Errors
    ///
    /// - [`Error::Handler`] with the first error of a handler, after all handlers were called, and
    ///   with the changes that this call would have returned.
    /// - Those of the requests that a resync sends. Nothing is lost then: the descriptor stays
    ///   readable, and the next call tries again.
    ///
    /// # Panics
    ///
    /// If a handler panics, or a value of a handler panics when it is dropped: after all other
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
    /// assert!(team.handle_events()?.is_empty(), "all is told");
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
        self.tell(updated)
    }

    /// Asks the kernel for everything, and reports what is different from what was known.
    ///
    /// There is no need for it in normal work: events keep the cache true, and lost ones are made
    /// good by [`handle_events`](Self::handle_events).
    ///
    /// # Errors
    ///
    /// [`Error::DeviceGone`], and those of [`handle_events`](Self::handle_events).
    ///
    /// # Panics
    ///
    /// As [`handle_events`](Self::handle_events).
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
    /// assert!(changes.is_empty(), "there was nothing that events had not told");
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
        self.tell(refreshed)
    }

    /// Waits until there is something to handle; without a limit if there is no timeout. False if
    /// the time is over or a signal came first.
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

    /// Duplicates the descriptor to wait on with poll(2), epoll(7) or an event loop.
    ///
    /// The duplicate is readable exactly while the handle's own descriptor
    /// ([`as_fd`](AsFd::as_fd)) is. It has no borrow of the handle: a loop can own it while the
    /// handle is behind a `Mutex`. It stays valid when the handle is dropped, and is then not
    /// readable any more.
    ///
    /// Do not read from it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the process has too many descriptors.
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

    /// Registers a handler that is called, behind those there are, for each batch with a change of
    /// these kinds.
    ///
    /// A handler may call any command, and register and remove handlers, itself too. A batch is for
    /// the handlers that were registered when it was taken: one that is registered inside a handler
    /// is called for the batches that are taken after that. An error or a panic of one handler does
    /// not keep the others from being called, nor the caller from getting the changes: see
    /// [`Error::Handler`] and [`handle_events`](Self::handle_events).
    ///
    /// A handler may put another handle in place of the one that it is called with
    /// ([`std::mem::replace`]). The handle that was replaced keeps its handlers, this one too, and
    /// the batches that wait for them, and its descriptor is readable while one waits. Do not keep
    /// that handle in a variable of the handler itself: the two would keep each other alive.
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

    /// As [`add_handler`](Self::add_handler), but called before those there are.
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

    /// Removes a handler; false if it was removed before.
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
    /// team.handle_events()?; // no error: it was not called
    /// assert!(!team.remove_handler(id), "it is gone already");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[doc(alias = "team_change_handler_unregister")]
    pub fn remove_handler(&mut self, id: HandlerId) -> bool {
        self.handlers.remove(id)
    }

    /// Delivers to the handlers and returns what an update of the cache found, unless the update
    /// failed.
    fn tell(&mut self, updated: Result<()>) -> Result<Changes> {
        let (result, panic) = match updated.map(|()| self.deliver()) {
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
        // What was readable before and still is becomes so anew: those that wait for edges would
        // hear of it no more.
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

    /// Calls the handlers for the batches that wait and for what the session has to report, and
    /// returns what was delivered. Inside a handler only queues and returns what is new: the outer
    /// call delivers it.
    fn deliver(&mut self) -> (Changes, Outcome) {
        let mut outcome = Outcome::default();
        let changes = self.session.take_changes();
        let Some(delivery) = self.handlers.begin(&self.readiness) else {
            self.handlers.push(changes.clone());
            return (changes, outcome);
        };
        self.handlers.push(changes);
        let mut delivered = self.handlers.take_unreturned();
        for _ in 0..MAX_BATCHES {
            let Some((batch, is_returned_here)) = delivery.first_batch() else { break };
            self.call_handlers(&batch, &delivery, &mut outcome);
            delivery.finish_batch();
            if is_returned_here {
                delivered.append(Arc::unwrap_or_clone(batch));
            }
            if !delivery.is_of(&self.handlers) {
                break;
            }
        }
        delivery.end(&self.handlers).into_iter().for_each(|handler| outcome.discard(handler));
        (delivered, outcome)
    }

    /// Calls the handlers that the first batch of the queue is for, until one puts another handle
    /// in place of this one.
    fn call_handlers(&mut self, batch: &Changes, delivery: &Delivery<Self>, outcome: &mut Outcome) {
        while let Some((id, mut handler)) = delivery.next_handler() {
            // The handle holds nothing half-done while a handler runs.
            match catch_unwind(AssertUnwindSafe(|| handler(self, batch))) {
                Ok(result) => {
                    outcome.discard(delivery.put_back(id, handler));
                    result.unwrap_or_else(|error| outcome.failed(error));
                }
                Err(panic) => {
                    outcome.panicked(panic);
                    delivery.remove(id);
                    outcome.discard(handler);
                }
            }
            if !delivery.is_of(&self.handlers) {
                return;
            }
        }
    }
}
