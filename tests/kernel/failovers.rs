//! Many failovers of the example `active_backup` with traffic running, each within a time that
//! nobody notices.

use std::collections::HashSet;
use std::io::{Write, stderr};
use std::os::fd::AsFd as _;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::IfIndex;
use nix::poll::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, cables};
use crate::support::frames::Wire;
use crate::support::netns::{enter, index, ip};
use crate::support::packets::{Flow, UDP};
use crate::support::raw::Raw;
use crate::support::timeouts::slowness;

const FAILOVERS: usize = 200;
/// On a machine that is not emulated.
const LIMIT: Duration = Duration::from_millis(50);
/// One that takes longer is made again so often: a machine that does not run this kernel for a
/// while looks the same once, a daemon that is slow looks the same each time.
const TRIES: usize = 20;
/// Of so many failovers one may have to be made again.
const OF: usize = 10;
/// Before it is made again.
const PAUSE: Duration = Duration::from_millis(500);
const PORTS: usize = 3;
const IFF_UP: u32 = 1;
/// From this on indices are free.
const FREE_INDEX: u32 = 5000;

/// What happens to the active port.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The far end of its cable is set down.
    Cut,
    /// It is set down itself.
    Down,
    /// Somebody releases it.
    Released,
    /// It is deleted, cable and all.
    Deleted,
}

/// A cable, as it is now.
struct Cable {
    names: [String; 2],
    near: IfIndex,
    far: IfIndex,
    wire: Wire,
}

/// A packet every millisecond or so, and where each arrived.
struct Traffic {
    from: Wire,
    /// When each was sent, the first one being number 0.
    sent: Vec<Instant>,
    arrived: HashSet<usize>,
}

impl Cable {
    fn new(number: usize) -> Self {
        let names = ["eth", "far"].map(|end| format!("{end}{number}"));
        let [near, far] = [&names[0], &names[1]].map(|name| index(name));
        let wire = Wire::open(&names[1]);
        Self { names, near, far, wire }
    }

    /// What was deleted is made again, with other indices.
    fn replace(&mut self, raw: &mut Raw, next: &mut u32) {
        [self.near, self.far] = [*next, *next + 1].map(|index| IfIndex::new(index).unwrap());
        *next += 2;
        raw.add_veth((&self.names[0], self.near), (&self.names[1], self.far)).unwrap();
        raw.set_flags(self.far, IFF_UP, IFF_UP).unwrap();
        self.wire = Wire::open(&self.names[1]);
    }
}

impl Traffic {
    /// Sends a packet, and tells the last that arrived and over which cable.
    fn flow(&mut self, cables: &[Cable]) -> Option<(usize, usize)> {
        let packet = Flow::new(UDP).ipv4(&self.sent.len().to_be_bytes());
        self.sent.push(Instant::now());
        self.from.send(&packet.frame);
        let mut fds: Vec<_> =
            cables.iter().map(|cable| PollFd::new(cable.wire.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, 1_u8).unwrap();
        let mut last = None;
        for (number, cable) in cables.iter().enumerate() {
            for frame in cable.wire.received() {
                let sequence = usize::from_be_bytes(frame[42..50].try_into().unwrap());
                assert!(self.arrived.insert(sequence), "{sequence} arrived twice");
                last = last.max(Some((sequence, number)));
            }
        }
        sleep(Duration::from_millis(1));
        last
    }

    fn flow_for(&mut self, cables: &[Cable], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.flow(cables);
        }
    }

    /// Sends until a packet arrives over another cable than this. Returns the time from when the
    /// last that came over this one was sent.
    fn leave(&mut self, old: usize, cables: &[Cable]) -> Duration {
        let start = Instant::now();
        let mut last = start;
        loop {
            match self.flow(cables) {
                Some((sequence, cable)) if cable == old => last = self.sent[sequence],
                Some(_) => return last.elapsed(),
                None => assert!(start.elapsed() < Duration::from_secs(10), "there is no failover"),
            }
        }
    }

    fn lost(&self) -> usize {
        self.sent.len() - self.arrived.len()
    }
}

fn strike(raw: &mut Raw, cable: &Cable, blow: Blow) -> std::io::Result<()> {
    match blow {
        Blow::Cut => raw.set_flags(cable.far, 0, IFF_UP),
        Blow::Down => raw.set_flags(cable.near, 0, IFF_UP),
        Blow::Released => raw.set_master(cable.near, None),
        Blow::Deleted => raw.delete(cable.near),
    }
}

fn repair(raw: &mut Raw, cable: &mut Cable, blow: Blow, next: &mut u32) {
    match blow {
        Blow::Cut => raw.set_flags(cable.far, IFF_UP, IFF_UP).unwrap(),
        Blow::Down => raw.set_flags(cable.near, IFF_UP, IFF_UP).unwrap(),
        // The daemon does it.
        Blow::Released => {}
        Blow::Deleted => cable.replace(raw, next),
    }
}

/// A daemon, its team's traffic, and what is done to them.
struct Scene {
    daemon: Daemon,
    raw: Raw,
    next_index: u32,
    cables: Vec<Cable>,
    traffic: Traffic,
}

impl Scene {
    fn new() -> Self {
        cables(u32::try_from(PORTS).unwrap());
        let daemon = Daemon::start(&json!({
            "device": "team0", "runner": {"name": "activebackup"}, "ports": {"eth1": {}, "eth2": {}, "eth3": {}}
        }));
        ip("link set team0 up");
        let cables = (1..=PORTS).map(Cable::new).collect();
        let traffic =
            Traffic { from: Wire::open("team0"), sent: Vec::new(), arrived: HashSet::new() };
        Self { daemon, raw: Raw::new(), next_index: FREE_INDEX, cables, traffic }
    }

    fn until_all_are_up(&self) -> Value {
        self.daemon.until("all ports are up", |status| {
            (1..=PORTS).all(|port| status["ports"][format!("eth{port}")]["state"] == "up")
        })
    }

    /// Strikes the active port, and returns for how long no packet arrived.
    fn fail_over(&mut self, blow: Blow, rng: &mut Rng) -> Duration {
        let status = self.until_all_are_up();
        let old = self.cables.iter().position(|cable| status["active"] == cable.names[0]).unwrap();
        self.traffic.flow_for(&self.cables, Duration::from_millis(rng.u64(5..20)));
        let time = thread::scope(|scope| {
            // A deletion takes its time.
            let striking = scope.spawn(|| strike(&mut self.raw, &self.cables[old], blow));
            let time = self.traffic.leave(old, &self.cables);
            striking.join().unwrap().unwrap();
            time
        });
        repair(&mut self.raw, &mut self.cables[old], blow, &mut self.next_index);
        self.traffic.flow_for(&self.cables, Duration::from_millis(rng.u64(1..10)));
        time
    }
}

#[test]
fn two_hundred_failovers_are_done_in_time() {
    enter();
    let mut scene = Scene::new();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let before = scene.until_all_are_up()["failovers"].as_u64().unwrap();
    let limit = LIMIT * slowness();
    let mut times = Vec::new();
    for round in 0..FAILOVERS {
        let blow = [Blow::Cut, Blow::Down, Blow::Released, Blow::Deleted][rng.usize(..4)];
        let mut tries = vec![scene.fail_over(blow, &mut rng)];
        while tries.iter().all(|time| *time >= limit) {
            assert!(tries.len() < TRIES, "round {round}: {blow:?} takes {tries:?}");
            sleep(PAUSE);
            tries.push(scene.fail_over(blow, &mut rng));
        }
        times.extend(tries.into_iter().map(|time| (time, blow)));
    }
    scene.traffic.flow_for(&scene.cables, Duration::from_millis(100));
    times.sort_by_key(|(time, _)| *time);
    let (count, (median, _), worst) = (times.len(), times[times.len() / 2], times[times.len() - 1]);
    let again = count - FAILOVERS;
    let (lost, sent) = (scene.traffic.lost(), scene.traffic.sent.len());
    // Not by a macro, whose words are shown only if the test fails.
    writeln!(
        stderr(),
        "{FAILOVERS} failovers, {again} made again: median {median:.1?}, worst {worst:.1?}; {lost} of {sent} packets lost"
    )
    .unwrap();
    assert!(again <= FAILOVERS / OF, "{again} of {FAILOVERS} took longer than {limit:?}");
    let counted = scene.daemon.status()["failovers"].as_u64().unwrap() - before;
    assert_eq!(
        counted,
        u64::try_from(count).unwrap(),
        "none more, none less: {}",
        scene.daemon.log()
    );
}
