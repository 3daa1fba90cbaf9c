//! One namespace, the handles that follow it, and its rounds of changes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;
use libteam::{IfIndex, LinkScope, TeamHandle};

use super::convergence::Expected;
use super::exclusions::Exclusion;
use super::log::Log;
use super::monitor::LinkMonitor;
use super::numbers::Numbers;
use super::plan::Plan;
use super::slot::Slot;
use super::world::{TEAM, TEAMS, World};
use super::writer::Writer;
use crate::support::raw::drops;

const WRITERS: [&str; 3] = ["writer 1", "writer 2", "writer 3"];
/// The requested receive buffers in bytes. The kernel makes 2304 bytes of the smallest, and doubles
/// the others.
const SMALL: [usize; 3] = [1, 4096, 16 << 10];
const LARGE: [usize; 3] = [128 << 10, 1 << 20, 4 << 20];

/// A namespace with its handles.
pub(super) struct Era {
    world: World,
    monitor: LinkMonitor,
    log: Arc<Log>,
    over: Arc<AtomicBool>,
    rng: Rng,
    slots: Vec<Slot>,
    /// Whether other programs than the driver set the team's carrier.
    carriers: bool,
    plan: Option<Plan>,
    pub(super) numbers: Numbers,
}

impl Era {
    pub(super) fn new(seed: u64, exclusion: Exclusion, log: &Arc<Log>) -> Self {
        let mut rng = Rng::with_seed(seed);
        // They make dumps longer, and interrupted dumps more likely.
        let world = World::new(if seed % 3 == 0 { 300 } else { 0 }, exclusion);
        let carriers = rng.bool();
        let (team, buffers) = (TEAMS[rng.usize(..2)], if rng.bool() { SMALL } else { LARGE });
        let mut scopes = [LinkScope::All, LinkScope::Team];
        rng.shuffle(&mut scopes);
        let slots = [
            (TEAM, scopes[0], SMALL),
            (TEAM, scopes[1], LARGE),
            (team, scopes[rng.usize(..2)], buffers),
        ];
        let mut slot = |(team, scope, buffers): (IfIndex, LinkScope, [usize; 3])| {
            let attempts = NonZeroU32::MIN.saturating_add(rng.u32(..5));
            let builder = TeamHandle::builder()
                .receive_buffer(buffers[rng.usize(..3)])
                .dump_attempts(attempts);
            Slot::new((team, scope), builder, carriers)
        };
        let slots = slots.map(&mut slot).into();
        Writer::new("main", &world, log).execute(Plan::epilogue(&mut rng));
        let era = Self {
            world,
            monitor: LinkMonitor::new(),
            log: Arc::clone(log),
            over: Arc::default(),
            rng,
            slots,
            carriers,
            plan: None,
            numbers: Numbers::default(),
        };
        era.log.start_round(Expected::read().facts());
        era
    }

    /// Runs one round and checks all handles afterwards. Waits for delayed events of the kernel
    /// only if `time` is true.
    pub(super) fn round(&mut self, time: bool) {
        let plan = Plan::draw(&mut self.rng, self.carriers);
        self.plan = Some(plan);
        let dropped_before = all_drops();
        self.run(plan);
        self.numbers.rounds += 1;
        // The count of a closed handle's losses is lost with the handle.
        self.numbers.dropped += all_drops().saturating_sub(dropped_before);
        let (messages, deletions) = self.monitor.take_counts();
        self.numbers.messages += messages;
        let expected = Expected::read();
        for slot in &mut self.slots {
            slot.assert_no_deletion_invented(&deletions);
            slot.assert_converged(&expected, time, &self.log, &mut self.numbers);
        }
        self.log.start_round(expected.facts());
        // In half of the rounds one handle is opened while links change.
        let closed = self.rng.usize(..2 * self.slots.len());
        if let Some(slot) = self.slots.get_mut(closed) {
            slot.close();
        }
    }

    /// Returns the plan of this round as text.
    pub(super) fn description(&self) -> String {
        format!("{:?}, {:?}", self.plan, self.slots)
    }

    fn run(&mut self, plan: Plan) {
        let (world, log, over) = (&self.world, &self.log, &self.over);
        over.store(false, Ordering::Relaxed);
        Writer::new("main", world, log).execute(plan.prologue());
        let epilogue = Plan::epilogue(&mut self.rng);
        let rng = &mut self.rng;
        thread::scope(|scope| {
            let mut observers = Vec::new();
            for slot in &mut self.slots {
                let rng = rng.fork();
                observers.push(scope.spawn(move || slot.follow(log, over, rng)));
            }
            // The observers have to stop even if a writer panics.
            let over = SetOnDrop(over);
            let write = |(writer, mut rng): (usize, Rng)| {
                scope.spawn(move || {
                    let mut writer_thread = Writer::new(WRITERS[writer], world, log);
                    (0..plan.draws)
                        .for_each(|_| writer_thread.execute(plan.next(&mut rng, writer)));
                })
            };
            let writers: Vec<_> =
                (0..plan.writers).map(|writer| (writer, rng.fork())).map(write).collect();
            for writer in writers {
                writer.join().unwrap();
            }
            Writer::new("main", world, log).execute(epilogue);
            drop(over);
            for observer in observers {
                self.numbers += observer.join().unwrap();
            }
        });
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the number of messages for which the sockets of the namespace had no room.
fn all_drops() -> u64 {
    let (links, driver) = drops();
    links + driver
}
