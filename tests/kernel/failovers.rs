//! Many failovers of the example `active_backup` under traffic, each within a time limit.

use std::collections::HashSet;
use std::io::{Write, stderr};
use std::os::fd::AsFd as _;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;
use libteam::IfIndex;
use nix::poll::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, veth_pairs};
use crate::support::frames::Wire;
use crate::support::netns::{enter, index, ip};
use crate::support::packets::{Flow, UDP};
use crate::support::raw::Raw;
use crate::support::timeouts::slowness;

const FAILOVERS: usize = 200;
/// The limit on a machine that is not emulated.
const LIMIT: Duration = Duration::from_millis(50);
/// The maximum number of attempts of one failover. A machine that pauses its guest exceeds the
/// limit once; a slow daemon exceeds it each time.
const MAX_ATTEMPTS: usize = 20;
/// One of this many failovers may need another attempt.
const OF: usize = 10;
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(500);
const PORTS: usize = 3;
const IFF_UP: u32 = 1;
/// From this one on, indexes are free.
const FREE_INDEX: u32 = 5000;

/// The failure of the active port.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// The far end of its veth pair is set down.
    Cut,
    /// The port itself is set down.
    Down,
    /// Another program releases the port.
    Released,
    /// The veth pair is deleted.
    Deleted,
}

/// A veth pair with its current indexes.
struct VethPair {
    names: [String; 2],
    near: IfIndex,
    far: IfIndex,
    wire: Wire,
}

/// A packet about every millisecond, and the port over which each arrived.
struct Traffic {
    from: Wire,
    /// The time at which each packet was sent, by its number.
    sent: Vec<Instant>,
    arrived: HashSet<usize>,
}

impl VethPair {
    fn new(number: usize) -> Self {
        let names = ["eth", "far"].map(|end| format!("{end}{number}"));
        let [near, far] = [&names[0], &names[1]].map(|name| index(name));
        let wire = Wire::open(&names[1]);
        Self { names, near, far, wire }
    }

    /// Creates a deleted veth pair again, with other indexes.
    fn replace(&mut self, raw: &mut Raw, next: &mut u32) {
        [self.near, self.far] = [*next, *next + 1].map(|index| IfIndex::new(index).unwrap());
        *next += 2;
        raw.add_veth((&self.names[0], self.near), (&self.names[1], self.far)).unwrap();
        raw.set_flags(self.far, IFF_UP, IFF_UP).unwrap();
        self.wire = Wire::open(&self.names[1]);
    }
}

impl Traffic {
    /// Sends a packet. Returns the last packet that arrived, and its veth pair.
    fn flow(&mut self, veth_pairs: &[VethPair]) -> Option<(usize, usize)> {
        let packet = Flow::new(UDP).ipv4(&self.sent.len().to_be_bytes());
        self.sent.push(Instant::now());
        self.from.send(&packet.frame);
        let mut fds: Vec<_> = veth_pairs
            .iter()
            .map(|veth_pair| PollFd::new(veth_pair.wire.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut fds, 1_u8).unwrap();
        let mut last = None;
        for (number, veth_pair) in veth_pairs.iter().enumerate() {
            for frame in veth_pair.wire.received() {
                let sequence = usize::from_be_bytes(frame[42..50].try_into().unwrap());
                assert!(self.arrived.insert(sequence), "packet {sequence} arrived twice");
                last = last.max(Some((sequence, number)));
            }
        }
        sleep(Duration::from_millis(1));
        last
    }

    fn flow_for(&mut self, veth_pairs: &[VethPair], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.flow(veth_pairs);
        }
    }

    /// Sends until a packet arrives over another veth pair. Returns the time since the sending of
    /// the last packet that arrived over the old one.
    fn leave(&mut self, old: usize, veth_pairs: &[VethPair]) -> Duration {
        let start = Instant::now();
        let mut last = start;
        loop {
            match self.flow(veth_pairs) {
                Some((sequence, veth_pair)) if veth_pair == old => last = self.sent[sequence],
                Some(_) => return last.elapsed(),
                None => {
                    assert!(start.elapsed() < Duration::from_secs(10), "no failover within 10 s");
                }
            }
        }
    }

    fn lost(&self) -> usize {
        self.sent.len() - self.arrived.len()
    }
}

fn inflict(raw: &mut Raw, veth_pair: &VethPair, failure: Failure) -> std::io::Result<()> {
    match failure {
        Failure::Cut => raw.set_flags(veth_pair.far, 0, IFF_UP),
        Failure::Down => raw.set_flags(veth_pair.near, 0, IFF_UP),
        Failure::Released => raw.set_master(veth_pair.near, None),
        Failure::Deleted => raw.delete(veth_pair.near),
    }
}

fn repair(raw: &mut Raw, veth_pair: &mut VethPair, failure: Failure, next: &mut u32) {
    match failure {
        Failure::Cut => raw.set_flags(veth_pair.far, IFF_UP, IFF_UP).unwrap(),
        Failure::Down => raw.set_flags(veth_pair.near, IFF_UP, IFF_UP).unwrap(),
        // The daemon adds the port again.
        Failure::Released => {}
        Failure::Deleted => veth_pair.replace(raw, next),
    }
}

/// A daemon and the traffic over its team.
struct Scene {
    daemon: Daemon,
    raw: Raw,
    next_index: u32,
    veth_pairs: Vec<VethPair>,
    traffic: Traffic,
}

impl Scene {
    fn new() -> Self {
        veth_pairs(u32::try_from(PORTS).unwrap());
        let daemon = Daemon::start(&json!({
            "device": "team0", "runner": {"name": "activebackup"}, "ports": {"eth1": {}, "eth2": {}, "eth3": {}}
        }));
        ip("link set team0 up");
        let veth_pairs = (1..=PORTS).map(VethPair::new).collect();
        let traffic =
            Traffic { from: Wire::open("team0"), sent: Vec::new(), arrived: HashSet::new() };
        Self { daemon, raw: Raw::new(), next_index: FREE_INDEX, veth_pairs, traffic }
    }

    fn until_all_are_up(&self) -> Value {
        self.daemon.until("all ports are up", |status| {
            (1..=PORTS).all(|port| status["ports"][format!("eth{port}")]["state"] == "up")
        })
    }

    /// Makes the active port fail, and returns the time without arriving packets.
    fn fail_over(&mut self, failure: Failure, rng: &mut Rng) -> Duration {
        let status = self.until_all_are_up();
        let old = self
            .veth_pairs
            .iter()
            .position(|veth_pair| status["active"] == veth_pair.names[0])
            .unwrap();
        self.traffic.flow_for(&self.veth_pairs, Duration::from_millis(rng.u64(5..20)));
        let time = thread::scope(|scope| {
            // Deleting a link takes long.
            let striking = scope.spawn(|| inflict(&mut self.raw, &self.veth_pairs[old], failure));
            let time = self.traffic.leave(old, &self.veth_pairs);
            striking.join().unwrap().unwrap();
            time
        });
        repair(&mut self.raw, &mut self.veth_pairs[old], failure, &mut self.next_index);
        self.traffic.flow_for(&self.veth_pairs, Duration::from_millis(rng.u64(1..10)));
        time
    }
}

#[test]
fn each_of_two_hundred_failovers_is_in_time() {
    enter();
    let mut scene = Scene::new();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let before = scene.until_all_are_up()["failovers"].as_u64().unwrap();
    let limit = LIMIT * slowness();
    let mut times = Vec::new();
    for round in 0..FAILOVERS {
        let failure =
            [Failure::Cut, Failure::Down, Failure::Released, Failure::Deleted][rng.usize(..4)];
        let mut attempts = vec![scene.fail_over(failure, &mut rng)];
        while attempts.iter().all(|time| *time >= limit) {
            assert!(attempts.len() < MAX_ATTEMPTS, "round {round}: {failure:?} takes {attempts:?}");
            sleep(PAUSE);
            attempts.push(scene.fail_over(failure, &mut rng));
        }
        times.extend(attempts.into_iter().map(|time| (time, failure)));
    }
    scene.traffic.flow_for(&scene.veth_pairs, Duration::from_millis(100));
    times.sort_by_key(|(time, _)| *time);
    let (count, (median, _), worst) = (times.len(), times[times.len() / 2], times[times.len() - 1]);
    let again = count - FAILOVERS;
    let (lost, sent) = (scene.traffic.lost(), scene.traffic.sent.len());
    // Not by println!, whose output is shown only if the test fails.
    writeln!(
        stderr(),
        "{FAILOVERS} failovers, {again} repeated: median {median:.1?}, worst {worst:.1?}; {lost} of {sent} packets lost"
    )
    .unwrap();
    assert!(again <= FAILOVERS / OF, "{again} of {FAILOVERS} failovers took longer than {limit:?}");
    let counted = scene.daemon.status()["failovers"].as_u64().unwrap() - before;
    assert_eq!(
        counted,
        u64::try_from(count).unwrap(),
        "failovers counted by the daemon: {}",
        scene.daemon.log()
    );
}
