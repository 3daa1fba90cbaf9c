//! A handle that follows the changes, and the checks of what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::{ChangeKind, Changes, Error, IfIndex, TeamBuilder, TeamHandle};

use super::check::assert_possible;
use super::convergence::View;
use super::handler::StressHandler;
use super::log::Log;
use super::numbers::Numbers;
use crate::support::changes::Replica;
use crate::support::timeouts::timeout;

/// A round is over when no message arrives for this long.
const QUIET: Duration = Duration::from_millis(40);

/// The changes that a handler was called with, and the time of the call.
type Call = (Instant, Changes);

pub(super) struct Observer {
    pub(super) team: TeamHandle,
    /// How often each link was reported as removed since this was last emptied.
    pub(super) removals: BTreeMap<IfIndex, usize>,
    pub(super) opened: Instant,
    calls: Receiver<Call>,
    /// The number of times that a handler made the handle read more events.
    nested: Arc<AtomicUsize>,
    /// The state according to the changes that handlers were called with.
    replica: Replica,
    /// The cache is at least as new as this moment.
    current: Instant,
    rng: Rng,
}

impl Observer {
    /// Opens a handle while the team is deleted and created again. The team exists after the round.
    pub(super) fn open(
        team: IfIndex,
        builder: &TeamBuilder,
        rng: &mut Rng,
        handler: StressHandler,
        over: &AtomicBool,
    ) -> Self {
        loop {
            let was_over = over.load(Ordering::Relaxed);
            let opened = Instant::now();
            match builder.open_index(team) {
                Ok(team) => return Self::of(team, opened, rng, handler),
                Err(
                    Error::NoSuchDevice { .. } | Error::NotTeam { .. } | Error::DeviceGone { .. },
                ) if !was_over => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("opening a handle: {error:?}"),
            }
        }
    }

    fn of(
        mut team: TeamHandle,
        opened: Instant,
        rng: &mut Rng,
        mut handler: StressHandler,
    ) -> Self {
        let (sender, calls) = channel();
        let replica = Replica::of(&team);
        let nested = handler.nested();
        let everything = ChangeKind::all();
        if rng.bool() {
            team.add_handler(everything, move |team, changes| handler.run(team, changes));
            team.add_handler_first(everything, move |_, changes| {
                Ok(sender.send((Instant::now(), changes.clone()))?)
            });
        } else {
            team.add_handler(everything, move |_, changes| {
                Ok(sender.send((Instant::now(), changes.clone()))?)
            });
            team.add_handler(everything, move |team, changes| handler.run(team, changes));
        }
        Self {
            team,
            opened,
            calls,
            nested,
            replica,
            current: opened,
            removals: BTreeMap::new(),
            rng: rng.fork(),
        }
    }

    /// Handles events until the round is over and the kernel is quiet.
    pub(super) fn follow(&mut self, log: &Log, over: &AtomicBool, numbers: &mut Numbers) {
        let deadline = Instant::now() + timeout();
        let is_slow = self.rng.bool();
        loop {
            let was_over = over.load(Ordering::Relaxed);
            if self.team.wait(Some(QUIET)).unwrap() {
                self.step(log, numbers);
            } else if was_over {
                return;
            }
            if is_slow && !was_over && self.rng.u32(..8) == 0 {
                thread::sleep(Duration::from_millis(self.rng.u64(1..20)));
            }
            assert!(
                Instant::now() < deadline,
                "events still arrive in the namespace after the timeout"
            );
        }
    }

    /// Handles events once, and panics unless the changes continue the earlier ones and are
    /// possible.
    pub(super) fn step(&mut self, log: &Log, numbers: &mut Numbers) {
        let began = Instant::now();
        self.nested.store(0, Ordering::Relaxed);
        let result = self.team.handle_events();
        let calls: Vec<Call> = self.calls.try_iter().collect();
        let nested = self.nested.load(Ordering::Relaxed);
        assert!(
            calls.len() <= 1 + nested,
            "{} calls of a handler for {} batches",
            calls.len(),
            1 + nested
        );
        assert!(
            !calls.iter().any(|(_, changes)| changes.kinds().is_empty()),
            "a handler is called without changes"
        );
        match result {
            Ok(changes) => {
                assert_same(&changes, &calls);
                numbers.resyncs += usize::from(changes.is_resynced());
                numbers.inconsistent += usize::from(changes.is_inconsistent());
            }
            Err(Error::Handler { error, changes, .. })
                if error.to_string() == StressHandler::ERROR =>
            {
                assert_same(&changes, &calls);
                numbers.resyncs += usize::from(changes.is_resynced());
                numbers.inconsistent += usize::from(changes.is_inconsistent());
            }
            Err(error) => panic!("{error:?}"),
        }
        for (position, (at, changes)) in calls.iter().enumerate() {
            // The changes of a nested call are newer than those of the outer one.
            let since = if position == 0 { self.current } else { began };
            assert_possible(self.view(), changes, log, since, *at);
            self.replica.apply(changes);
            for removed in changes.links().filter(|link| link.is_removed()) {
                *self.removals.entry(removed.latest().ifindex()).or_default() += 1;
            }
            numbers.batches += 1;
            numbers.changes +=
                changes.links().len() + changes.ports().len() + changes.options().len();
        }
        // Every message sent before that time was read or queried.
        self.current = began;
    }

    fn view(&self) -> View {
        (self.team.ifindex(), self.team.link_scope())
    }

    /// Handles events until there are none.
    pub(super) fn read_everything(&mut self, log: &Log, numbers: &mut Numbers) {
        while self.team.wait(Some(Duration::ZERO)).unwrap() {
            self.step(log, numbers);
        }
    }

    /// Panics unless the reported changes add up to the cache.
    pub(super) fn assert_replica_matches(&self) {
        assert_eq!(
            self.replica,
            Replica::of(&self.team),
            "the reported changes do not add up to the cache"
        );
    }
}

/// Panics unless the outermost call returns the changes of all calls of handlers.
fn assert_same(returned: &Changes, calls: &[Call]) {
    let all = || calls.iter().map(|(_, changes)| changes);
    let same = returned.links().eq(all().flat_map(Changes::links))
        && returned.ports().eq(all().flat_map(Changes::ports))
        && returned.options().eq(all().flat_map(Changes::options))
        && all().all(|changes| returned.is_resynced() || !changes.is_resynced());
    assert!(same, "caller got {returned:?}, handlers got {calls:?}");
}
