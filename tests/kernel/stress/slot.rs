//! A place from where a handle follows one team; when that is gone, another handle follows the
//! next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::{IfIndex, LinkFlags, TeamBuilder};

use super::action::Fact;
use super::convergence::{Truth, Verdict, View, assert_coherent, compare, fail};
use super::handler::Meddler;
use super::log::Log;
use super::numbers::Numbers;
use super::observer::Observer;
use crate::support::snapshot::state;

/// How late the kernel may tell of a link's state: it does so once a second, and one link's state
/// waits for another's.
const LATE: Duration = Duration::from_secs(8);

pub(super) struct Seat {
    view: View,
    builder: TeamBuilder,
    /// Whether others than the driver set the team's carrier.
    carriers: bool,
    observer: Option<Observer>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "team {} and {:?} followed by {:?}", self.view.0, self.view.1, self.builder)
    }
}

impl Seat {
    pub(super) fn new((team, scope): View, builder: TeamBuilder, carriers: bool) -> Self {
        Self { view: (team, scope), builder: builder.link_scope(scope), carriers, observer: None }
    }

    /// Closes the handle.
    pub(super) fn leave(&mut self) {
        self.observer = None;
    }

    /// Follows a storm to its end, with a handle that is opened now if there is none.
    pub(super) fn follow(
        &mut self,
        log: &Arc<Log>,
        over: &Arc<AtomicBool>,
        mut rng: Rng,
    ) -> Numbers {
        let mut numbers = Numbers::default();
        let observer = self.observer.get_or_insert_with(|| {
            numbers.opened += 1;
            let meddler = Meddler::new(log, over, self.carriers, rng.fork());
            Observer::open(self.view.0, &self.builder, &mut rng, meddler, over)
        });
        observer.follow(log, over, &mut numbers);
        numbers
    }

    /// Panics if a link was told to be gone more often than it went.
    pub(super) fn assert_no_deletion_invented(&mut self, deletions: &BTreeMap<IfIndex, usize>) {
        let Some(observer) = &mut self.observer else { panic!("nobody follows") };
        for (link, told) in std::mem::take(&mut observer.removals) {
            let real = deletions.get(&link).copied().unwrap_or_default();
            assert!(
                told <= real,
                "link {link} is told to be gone {told} times, and went {real} times"
            );
        }
    }

    /// Panics unless the handle knows the truth, and has told it.
    pub(super) fn assert_true(
        &mut self,
        truth: &Truth,
        time: bool,
        log: &Log,
        numbers: &mut Numbers,
    ) {
        let Some(observer) = &mut self.observer else { panic!("nobody follows") };
        observer.read_everything(log, numbers);
        let cached = state(&observer.team);
        let is_gone = observer.team.team_link().is_none();
        let (team, carriers) = (self.view.0, self.carriers || is_gone);
        let truth =
            if is_gone { truth.without_team(self.view) } else { truth.of(self.view).clone() };
        match compare(&cached, &truth, team, carriers) {
            Verdict::Same => {}
            // Of a link that is down the kernel tells nothing late: of the team's own the handle
            // has to ask.
            Verdict::Late
                if !is_gone
                    && (time || !truth.links[&team.get()].flags.contains(LinkFlags::UP)) =>
            {
                hear_late_news(observer, self.view, carriers, log, numbers);
            }
            Verdict::Late => numbers.lagging += 1,
            Verdict::Different => fail(&cached, &truth, team, carriers),
        }
        observer.assert_adds_up();
        assert_coherent(&observer.team);
        if is_gone {
            let held = log.held(Fact::Link(team), observer.opened, Instant::now());
            assert!(!held, "the team is taken for gone and was there all the time");
            numbers.gone += 1;
            self.leave();
        }
    }
}

/// Waits until the kernel has told what it tells late.
fn hear_late_news(
    observer: &mut Observer,
    view: View,
    carriers: bool,
    log: &Log,
    numbers: &mut Numbers,
) {
    let deadline = Instant::now() + LATE;
    loop {
        let truth = Truth::now();
        observer.read_everything(log, numbers);
        let cached = state(&observer.team);
        match compare(&cached, truth.of(view), view.0, carriers) {
            Verdict::Same => return,
            Verdict::Late if Instant::now() < deadline => {
                observer.team.wait(Some(Duration::from_millis(100))).unwrap();
            }
            _ => fail(&cached, truth.of(view), view.0, carriers),
        }
    }
}
