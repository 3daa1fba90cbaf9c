//! Holds the handle that follows one team; after the team is deleted, a new handle for its
//! successor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::{IfIndex, LinkFlags, TeamBuilder};

use super::action::Fact;
use super::convergence::{Expected, Verdict, View, assert_coherent, compare, fail};
use super::handler::StressHandler;
use super::log::Log;
use super::numbers::Numbers;
use super::observer::Observer;
use crate::support::snapshot::state;

/// The longest delay of a link's state: the kernel reports states once a second, and one link's
/// state may wait for another's.
const MAX_EVENT_DELAY: Duration = Duration::from_secs(8);

pub(super) struct Slot {
    view: View,
    builder: TeamBuilder,
    /// Whether other programs than the driver set the team's carrier.
    carriers: bool,
    observer: Option<Observer>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "team {} and {:?} followed by {:?}", self.view.0, self.view.1, self.builder)
    }
}

impl Slot {
    pub(super) fn new((team, scope): View, builder: TeamBuilder, carriers: bool) -> Self {
        Self { view: (team, scope), builder: builder.link_scope(scope), carriers, observer: None }
    }

    /// Closes the handle.
    pub(super) fn close(&mut self) {
        self.observer = None;
    }

    /// Follows a round to its end, with a handle that is opened now if there is none.
    pub(super) fn follow(
        &mut self,
        log: &Arc<Log>,
        over: &Arc<AtomicBool>,
        mut rng: Rng,
    ) -> Numbers {
        let mut numbers = Numbers::default();
        let observer = self.observer.get_or_insert_with(|| {
            numbers.opened += 1;
            let handler = StressHandler::new(log, over, self.carriers, rng.fork());
            Observer::open(self.view.0, &self.builder, &mut rng, handler, over)
        });
        observer.follow(log, over, &mut numbers);
        numbers
    }

    /// Panics if a link was reported as removed more often than it was deleted.
    pub(super) fn assert_no_deletion_invented(&mut self, deletions: &BTreeMap<IfIndex, usize>) {
        let Some(observer) = &mut self.observer else { panic!("no handle follows the team") };
        for (link, reported) in std::mem::take(&mut observer.removals) {
            let real = deletions.get(&link).copied().unwrap_or_default();
            assert!(
                reported <= real,
                "link {link} is reported as removed {reported} times, but was deleted {real} times"
            );
        }
    }

    /// Panics unless the cache is as expected and the reported changes add up to it.
    pub(super) fn assert_converged(
        &mut self,
        expected: &Expected,
        time: bool,
        log: &Log,
        numbers: &mut Numbers,
    ) {
        let Some(observer) = &mut self.observer else { panic!("no handle follows the team") };
        observer.read_everything(log, numbers);
        let cached = state(&observer.team);
        let is_gone = observer.team.team_link().is_none();
        let (team, carriers) = (self.view.0, self.carriers || is_gone);
        let expected =
            if is_gone { expected.without_team(self.view) } else { expected.of(self.view).clone() };
        match compare(&cached, &expected, team, carriers) {
            Verdict::Same => {}
            // The kernel sends no delayed event for a link that is down: the handle has to query
            // the team's own link.
            Verdict::Late
                if !is_gone
                    && (time || !expected.links[&team.get()].flags.contains(LinkFlags::UP)) =>
            {
                wait_for_late_events(observer, self.view, carriers, log, numbers);
            }
            Verdict::Late => numbers.late += 1,
            Verdict::Different => fail(&cached, &expected, team, carriers),
        }
        observer.assert_replica_matches();
        assert_coherent(&observer.team);
        if is_gone {
            let held = log.held(Fact::Link(team), observer.opened, Instant::now());
            assert!(
                !held,
                "the handle reports team {team} as deleted, but it existed all the time"
            );
            numbers.gone += 1;
            self.close();
        }
    }
}

/// Waits until the kernel has sent its delayed events.
fn wait_for_late_events(
    observer: &mut Observer,
    view: View,
    carriers: bool,
    log: &Log,
    numbers: &mut Numbers,
) {
    let deadline = Instant::now() + MAX_EVENT_DELAY;
    loop {
        let expected = Expected::read();
        observer.read_everything(log, numbers);
        let cached = state(&observer.team);
        match compare(&cached, expected.of(view), view.0, carriers) {
            Verdict::Same => return,
            Verdict::Late if Instant::now() < deadline => {
                observer.team.wait(Some(Duration::from_millis(100))).unwrap();
            }
            _ => fail(&cached, expected.of(view), view.0, carriers),
        }
    }
}
