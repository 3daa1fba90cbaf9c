//! Somebody changes everything as fast as it goes, and a handle follows: each change that it tells fits the last.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libteam::{Change, Changes, IfIndex, Link, Mode, OptionId, Port, TeamBuilder, TeamHandle, TeamOption};

use crate::difference::{overhear, until_quiet};
use crate::netns::{dummies, enter, index, ip, ip_batch};
use crate::raw::{Raw, drops};
use crate::truth::assert_true;

/// Links and a port that nobody deletes or releases.
const LASTING: [&str; 4] = ["last1", "last2", "last3", "last4"];
const LASTING_PORT: &str = "lastport";
/// The indexes of links that come and go; each is used again and again.
const PASSING: std::ops::Range<u32> = 1000..1012;

/// How long the writer writes at the least, how many batches are told meanwhile, and how much is written.
const DURATION: Duration = Duration::from_secs(1);
const ENOUGH: usize = 20;
const ENOUGH_WRITES: usize = 200;
/// How much longer it may take: long dumps in the middle of a storm want their time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Numbers without a pattern.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len().try_into().unwrap()) as usize]
    }
}

/// Changes links, ports and options of `team0` at random until told to stop, and counts how often it could.
fn write(seed: u64, stop: &AtomicBool, done: &AtomicUsize) {
    let mut random = Random(seed);
    let (mut raw, mut team) = (Raw::new(), TeamHandle::open("team0").unwrap());
    let (master, port) = (team.team_ifindex(), index(LASTING_PORT));
    let lasting = LASTING.map(index);
    let passing: Vec<IfIndex> = PASSING.map(|number| IfIndex::new(number).unwrap()).collect();
    while !stop.load(Ordering::Relaxed) {
        let number = random.below(1000);
        let old = random.one_of(&lasting);
        let new = random.one_of(&passing);
        let any = if random.below(2) == 0 { old } else { new };
        // What cannot be done at the moment is not done.
        let result = match random.below(12) {
            0 | 1 => raw.add_dummy(&format!("new{number}"), new).is_ok(),
            2 => raw.delete(new).is_ok(),
            3 => raw.rename(any, &format!("name{number}")).is_ok(),
            4 => raw.set_mtu(any, 1000 + number).is_ok(),
            5 => raw.set_up(any, number % 2 == 0).is_ok(),
            6 | 7 => raw.set_master(any, Some(master)).is_ok(),
            8 => raw.set_master(any, None).is_ok(),
            9 => team.set_option(&OptionId::global("notify_peers_interval"), number).is_ok(),
            10 => team.set_port_priority(any, i32::try_from(number).unwrap()).is_ok(),
            _ => {
                let name = random.one_of(&["enabled", "rx_enabled", "tx_enabled", "user_linkup"]);
                team.set_option(&OptionId::port(name, random.one_of(&[port, any])), number % 2 == 0).is_ok()
            }
        };
        done.fetch_add(usize::from(result), Ordering::Relaxed);
    }
}

/// What a handle's user knows who saw the beginning and then was told of changes only.
#[derive(Debug, PartialEq)]
struct Mirror {
    links: BTreeMap<IfIndex, Link>,
    ports: BTreeMap<IfIndex, Port>,
    options: BTreeMap<OptionId, TeamOption>,
}

impl Mirror {
    fn of(team: &TeamHandle) -> Self {
        Self {
            links: team.links().map(|link| (link.ifindex(), link.clone())).collect(),
            ports: team.ports().map(|port| (port.ifindex(), port.clone())).collect(),
            options: team.options().map(|option| (option.id().clone(), option.clone())).collect(),
        }
    }

    fn apply(&mut self, changes: &Changes) {
        changes.links().for_each(|change| follow(&mut self.links, change.latest().ifindex(), change));
        changes.ports().for_each(|change| follow(&mut self.ports, change.latest().ifindex(), change));
        changes.options().for_each(|change| follow(&mut self.options, change.latest().id().clone(), change));
    }
}

/// Panics unless the change starts where the mirror is.
fn follow<K: Ord + Debug, V: PartialEq + Clone + Debug>(mirror: &mut BTreeMap<K, V>, key: K, change: &Change<V>) {
    assert_eq!(change.before(), mirror.get(&key), "{key:?} was told to be something else before");
    match change.after() {
        Some(after) => mirror.insert(key, after.clone()),
        None => mirror.remove(&key),
    };
}

/// How many batches, resyncs, and resyncs from interrupted dumps there were.
#[derive(Debug, Default)]
struct Counts {
    calls: usize,
    batches: usize,
    resyncs: usize,
    inconsistent: usize,
}

/// Handles events once, and panics unless what is told fits what was told before.
fn step(
    team: &mut TeamHandle,
    handler: &Receiver<Changes>,
    mirror: &mut Mirror,
    lasting: &[IfIndex],
    counts: &mut Counts,
) {
    let changes = team.handle_events().unwrap();
    counts.calls += 1;
    counts.batches += usize::from(!changes.is_empty());
    counts.resyncs += usize::from(changes.resynced());
    counts.inconsistent += usize::from(changes.is_inconsistent());
    for removed in changes.links().filter(|link| link.is_removed()) {
        assert!(!lasting.contains(&removed.latest().ifindex()), "{removed} lives on");
    }
    let port = lasting[0];
    assert!(!changes.ports().any(|change| change.is_removed() && change.latest().ifindex() == port), "it stays a port");
    let calls: Vec<Changes> = handler.try_iter().collect();
    assert!(calls.len() <= 1 && calls.iter().all(|call| *call == changes), "one batch, one call: {calls:?}");
    mirror.apply(&changes);
    if counts.calls % 16 == 0 {
        assert_eq!(*mirror, Mirror::of(team), "what was told does not add up to what is known");
    }
}

/// Creates `team0` with its lasting port, and the lasting links.
fn prepare() {
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    dummies(&LASTING);
    dummies(&[LASTING_PORT]);
    team.add_port(index(LASTING_PORT)).unwrap();
    ip("link set team0 up");
    until_quiet(&mut team);
}

/// Follows a writer with a handle that `builder` opens, in a namespace with so many more links: they make dumps longer.
#[expect(clippy::print_stdout, reason = "a failure wants the seed")]
fn follow_a_writer(builder: &TeamBuilder, bystanders: u32) -> Counts {
    enter();
    prepare();
    let bystander = |number| format!("link add idle{number} type dummy");
    ip_batch(&(0..bystanders).map(bystander).collect::<Vec<_>>());
    let mut team = builder.open("team0").unwrap();
    let lasting: Vec<IfIndex> = [LASTING_PORT, "team0", "lo"].into_iter().chain(LASTING).map(index).collect();

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::try_from(now.as_nanos()).unwrap() | 1;
    println!("seed {seed}");
    let (handler, mut mirror, mut counts) = (overhear(&mut team), Mirror::of(&team), Counts::default());
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| write(seed, &stop, &done));
        let end = Instant::now() + DURATION;
        // The writer has to stop even if this fails.
        let _stop_at_the_end = StopOnDrop(&stop);
        while Instant::now() < end || counts.batches < ENOUGH || done.load(Ordering::Relaxed) < ENOUGH_WRITES {
            assert!(Instant::now() < end + PATIENCE, "too little is told: {counts:?}");
            if team.wait(Some(Duration::from_millis(100))).unwrap() {
                step(&mut team, &handler, &mut mirror, &lasting, &mut counts);
            }
        }
    });
    while team.wait(Some(Duration::from_millis(100))).unwrap() {
        step(&mut team, &handler, &mut mirror, &lasting, &mut counts);
    }
    println!("{done:?} writes, {counts:?}, dropped messages {:?}", drops());
    assert_eq!(mirror, Mirror::of(&team), "what was told does not add up to what is known");
    assert_true(&team);
    counts
}

/// Tells the writer to stop, even if a test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn changes_add_up_with_the_smallest_buffer() {
    assert!(follow_a_writer(&TeamHandle::builder().receive_buffer(1), 0).resyncs > 0, "nothing was lost");
}

#[test]
fn changes_add_up_with_the_smallest_buffer_and_long_dumps() {
    assert!(follow_a_writer(&TeamHandle::builder().receive_buffer(1), 300).resyncs > 0, "nothing was lost");
}

#[test]
fn changes_add_up_with_a_small_buffer() {
    assert!(follow_a_writer(&TeamHandle::builder().receive_buffer(4096), 0).resyncs > 0, "nothing was lost");
}

#[test]
fn changes_add_up_with_the_default_buffer() {
    follow_a_writer(&TeamHandle::builder(), 0);
}
