//! A handle that follows a storm, and whether what it tells can be true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::{ChangeKind, Changes, Error, IfIndex, TeamBuilder, TeamHandle};

use super::check::assert_truthful;
use super::convergence::View;
use super::handler::Meddler;
use super::log::Log;
use super::numbers::Numbers;
use crate::support::changes::Replica;
use crate::support::diff::Difference;
use crate::support::timeouts::patience;

/// Without a message for this long, a storm is over.
const QUIET: Duration = Duration::from_millis(40);

/// What is told to a handler, and when.
type Told = (Instant, Changes);

pub(super) struct Observer {
    pub(super) team: TeamHandle,
    /// How often each link was told to be gone since this was last emptied.
    pub(super) removals: BTreeMap<IfIndex, usize>,
    pub(super) opened: Instant,
    told: Receiver<Told>,
    /// How often a handler made the handle look for more.
    nested: Arc<AtomicUsize>,
    /// Who hears nothing but what handlers are told.
    replica: Replica,
    /// The cache is at least as new as this.
    current: Instant,
    rng: Rng,
}

impl Observer {
    /// Opens a handle whatever happens meanwhile. When the storm is over there is a team.
    pub(super) fn open(
        team: IfIndex,
        builder: &TeamBuilder,
        rng: &mut Rng,
        meddler: Meddler,
        over: &AtomicBool,
    ) -> Self {
        loop {
            let was_over = over.load(Ordering::Relaxed);
            let opened = Instant::now();
            match builder.open_index(team) {
                Ok(team) => return Self::of(team, opened, rng, meddler),
                Err(
                    Error::NoSuchDevice { .. } | Error::NotTeam { .. } | Error::DeviceGone { .. },
                ) if !was_over => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("a handle cannot be opened in a storm: {error:?}"),
            }
        }
    }

    fn of(mut team: TeamHandle, opened: Instant, rng: &mut Rng, mut meddler: Meddler) -> Self {
        let (tell, told) = channel();
        let replica = Replica::of(&team);
        let nested = meddler.nested();
        let everything = ChangeKind::all();
        if rng.bool() {
            team.add_handler(everything, move |team, changes| meddler.meddle(team, changes));
            team.add_handler_first(everything, move |_, changes| {
                Ok(tell.send((Instant::now(), changes.clone()))?)
            });
        } else {
            team.add_handler(everything, move |_, changes| {
                Ok(tell.send((Instant::now(), changes.clone()))?)
            });
            team.add_handler(everything, move |team, changes| meddler.meddle(team, changes));
        }
        Self {
            team,
            opened,
            told,
            nested,
            replica,
            current: opened,
            removals: BTreeMap::new(),
            rng: rng.fork(),
        }
    }

    /// Follows a storm until it is over and everything is told.
    pub(super) fn follow(&mut self, log: &Log, over: &AtomicBool, numbers: &mut Numbers) {
        let deadline = Instant::now() + patience();
        let sleepy = self.rng.bool();
        loop {
            let was_over = over.load(Ordering::Relaxed);
            if self.team.wait(Some(QUIET)).unwrap() {
                self.step(log, numbers);
            } else if was_over {
                return;
            }
            if sleepy && !was_over && self.rng.u32(..8) == 0 {
                thread::sleep(Duration::from_millis(self.rng.u64(1..20)));
            }
            assert!(Instant::now() < deadline, "the namespace does not come to rest");
        }
    }

    /// Handles events once, and panics unless what is told fits what was told before and can be
    /// true.
    pub(super) fn step(&mut self, log: &Log, numbers: &mut Numbers) {
        let began = Instant::now();
        self.nested.store(0, Ordering::Relaxed);
        let result = self.team.handle_events();
        let told: Vec<Told> = self.told.try_iter().collect();
        let nested = self.nested.load(Ordering::Relaxed);
        assert!(
            told.len() <= 1 + nested,
            "{} calls of a handler for {} batches",
            told.len(),
            1 + nested
        );
        assert!(
            !told.iter().any(|(_, changes)| changes.kinds().is_empty()),
            "a handler is called for nothing"
        );
        match result {
            Ok(changes) => {
                assert_same(&changes, &told);
                numbers.resyncs += usize::from(changes.is_resynced());
                numbers.inconsistent += usize::from(changes.is_inconsistent());
            }
            Err(Error::Handler { source, changes, .. }) if source.to_string() == Meddler::ERROR => {
                assert_same(&changes, &told);
                numbers.resyncs += usize::from(changes.is_resynced());
                numbers.inconsistent += usize::from(changes.is_inconsistent());
            }
            Err(error) => panic!("{error:?}"),
        }
        for (position, (at, changes)) in told.iter().enumerate() {
            // What a handler found out is newer than what it was told before.
            let since = if position == 0 { self.current } else { began };
            assert_truthful(self.view(), changes, log, since, *at);
            // It panics at what is told twice.
            Difference::told(changes);
            self.replica.hear(changes);
            for removed in changes.links().filter(|link| link.is_removed()) {
                *self.removals.entry(removed.latest().ifindex()).or_default() += 1;
            }
            numbers.batches += 1;
            numbers.changes +=
                changes.links().len() + changes.ports().len() + changes.options().len();
        }
        // Everything that had been sent then was read, or asked for.
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

    /// Panics unless what was told adds up to what is known.
    pub(super) fn assert_adds_up(&self) {
        assert_eq!(
            self.replica,
            Replica::of(&self.team),
            "what was told does not add up to what is known"
        );
    }
}

/// Panics unless all batches that handlers were told are what the outermost call returns.
fn assert_same(returned: &Changes, told: &[Told]) {
    let all = || told.iter().map(|(_, changes)| changes);
    let same = returned.links().eq(all().flat_map(Changes::links))
        && returned.ports().eq(all().flat_map(Changes::ports))
        && returned.options().eq(all().flat_map(Changes::options))
        && all().all(|changes| returned.is_resynced() || !changes.is_resynced());
    assert!(same, "handlers are told something else than the caller: {returned:?} {told:?}");
}
