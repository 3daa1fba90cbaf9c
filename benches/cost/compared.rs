//! What a handle asks the kernel for: opening, refreshing, resyncing.

use std::time::Duration;

use libteam::LinkScope;

use crate::c_library::CLibrary;
use crate::chart::Chart;
use crate::count;
use crate::limit::{Listener, Requests, Sockets, driver};
use crate::sample::{Samples, timed};
use crate::scene::{Renames, Scene};
use crate::table::{Bar, Compared, Row, Table};

/// Renames that overrun a receive buffer of the default size.
const BURST: u32 = 1_200;

/// How often in a round this crate and the limit resync.
const TURNS_OF_RESYNC: usize = 6;

const SCOPES: [(LinkScope, &str, f64, f64); 2] =
    [(LinkScope::All, "All", 1.35, 6.0), (LinkScope::Team, "Team", 1.5, 40.0)];

/// Returns the number of rounds, and how often this crate and the limit, and the C library, do the
/// thing in each. The C library takes seconds where there are many links.
fn rounds(other_links: u32) -> (usize, usize, usize) {
    if other_links < 3_000 { (5, 9, 5) } else { (3, 9, 1) }
}

/// The bar against the C library holds where there are many links.
fn against_c(other_links: u32, bar: f64) -> Bar {
    if other_links >= 10_000 { Bar::AtLeast(bar) } else { Bar::None }
}

fn row(thing: &str, scope: &str, links: u32, limit: f64, c_library: Bar) -> Row {
    Row { what: format!("{thing}, {scope}"), links, limit: Bar::AtMost(limit), c_library }
}

/// Lets this crate and the limit do the thing in turns, then the C library, for some rounds.
fn compare(
    scene: &Scene,
    c_library: &CLibrary,
    thing: &str,
    mut ours: impl FnMut() -> Duration,
    mut limit: impl FnMut() -> Duration,
) -> Compared {
    let (rounds, turns, of_c) = rounds(scene.others());
    let mut times = Compared::default();
    for _ in 0..rounds {
        for _ in 0..turns {
            times.ours.add(ours());
            times.limit.add(limit());
        }
        // The first handle of a process pays for more than itself.
        let things: Vec<&str> =
            ["open"].into_iter().chain(std::iter::repeat_n(thing, of_c)).collect();
        let spent = scene.run(c_library, &things);
        spent.into_iter().skip(1).for_each(|time| times.c_library.add(time));
    }
    times
}

/// Opens a handle; returns how many seconds this crate and the limit took for all links.
pub(crate) fn opening(
    scene: &Scene,
    c_library: &CLibrary,
    table: &mut Table,
    chart: &mut Chart,
) -> [f64; 2] {
    let (family, group) = driver();
    let mut seconds = [0.0; 2];
    for (scope, name, limit_bar, c_bar) in SCOPES {
        let mut requests = Requests::of_open(scene.team, scope, family);
        check_traffic(&mut requests, count::traffic_of(|| scene.open(scope)));
        let row = row("open", name, scene.others(), limit_bar, against_c(scene.others(), c_bar));
        let times = table.compare(&row, || {
            let by_hand = || {
                let (time, _sockets) = timed(|| {
                    let sockets = Sockets::new();
                    let listeners = [Listener::of_links(), Listener::of_driver(group)];
                    requests.exchange(&sockets);
                    (sockets, listeners)
                });
                time
            };
            compare(scene, c_library, "open", || timed(|| scene.open(scope)).0, by_hand)
        });
        chart.add("open", name, scene.links(), &times);
        if scope == LinkScope::All {
            seconds = [&times.ours, &times.limit].map(Samples::seconds);
        }
    }
    seconds
}

/// Requests everything again.
pub(crate) fn refreshing(
    scene: &Scene,
    c_library: &CLibrary,
    table: &mut Table,
    chart: &mut Chart,
) {
    let (family, _) = driver();
    for (scope, name, limit_bar, c_bar) in SCOPES {
        let mut requests = Requests::of_resync(scene.team, scope, family);
        let mut team = scene.open(scope);
        check_traffic(&mut requests, count::traffic_of(|| team.refresh().unwrap()));
        let sockets = Sockets::new();
        let row = row("refresh", name, scene.others(), limit_bar, against_c(scene.others(), c_bar));
        let times = table.compare(&row, || {
            let ours = || timed(|| team.refresh().unwrap()).0;
            let by_hand = || timed(|| requests.exchange(&sockets)).0;
            compare(scene, c_library, "refresh", ours, by_hand)
        });
        chart.add("refresh", name, scene.links(), &times);
    }
}

/// Recovers from an overrun: from the error that reports it until nothing more waits.
pub(crate) fn resyncing(scene: &Scene, c_library: &CLibrary, table: &mut Table, chart: &mut Chart) {
    let (family, _) = driver();
    let port = *scene.ports.first().unwrap();
    let notify = format!("notify:{port}:{BURST}:{BURST}");
    let mut requests = SCOPES.map(|(scope, ..)| Requests::of_resync(scene.team, scope, family));
    let sockets = Sockets::new();
    let rows = SCOPES.map(|(_, name, ..)| row("resync", name, scene.others(), 1.35, Bar::None));
    let all_times = table.compare_all(&rows, |places| {
        let mut times: Vec<Compared> = places.iter().map(|_| Compared::default()).collect();
        let mut of_c = Samples::default();
        for turn in 0..TURNS_OF_RESYNC * rounds(scene.others()).0 {
            for (times, place) in times.iter_mut().zip(places) {
                times.ours.add(resync(scene, SCOPES.get(*place).unwrap().0));
                let requests = requests.get_mut(*place).unwrap();
                times.limit.add(resync_by_hand(scene, requests, &sockets));
            }
            if turn % TURNS_OF_RESYNC == 0 {
                of_c.add(scene.run(c_library, &["open", &notify]).remove(1));
            }
        }
        for times in &mut times {
            times.c_library = of_c.clone();
        }
        times
    });
    for (times, (_, name, ..)) in all_times.iter().zip(SCOPES) {
        chart.add("resync", name, scene.links(), times);
    }
}

fn resync(scene: &Scene, scope: LinkScope) -> Duration {
    let mut team = scene.open(scope);
    burst(scene);
    let (time, changes) = timed(|| team.handle_events().unwrap());
    assert!(changes.is_resynced(), "{BURST} notifications overran nothing");
    assert!(!team.wait(Some(Duration::ZERO)).unwrap(), "one call was not enough");
    time
}

fn resync_by_hand(scene: &Scene, requests: &mut Requests, sockets: &Sockets) -> Duration {
    let listener = Listener::of_links();
    burst(scene);
    let (time, (_, lost)) = timed(|| {
        let drained = listener.drain(&mut requests.buffer);
        requests.exchange(sockets);
        drained
    });
    assert!(lost, "{BURST} notifications overran nothing");
    time
}

/// Renames a port while no event is read.
fn burst(scene: &Scene) {
    let mut renames = Renames::of(*scene.ports.first().unwrap());
    (0..BURST).for_each(|_| renames.next());
}

/// Checks that the limit sends and receives what the library does.
fn check_traffic(requests: &mut Requests, library: count::Traffic) {
    requests.exchange(&Sockets::new());
    assert_eq!(requests.traffic, library, "the limit is not what the library sends and receives");
}

/// The growth of the time to open a handle for all links with their number.
#[derive(Default)]
pub(crate) struct Growth(Vec<(u32, [f64; 2])>);

impl Growth {
    pub(crate) fn add(&mut self, other_links: u32, seconds: [f64; 2]) {
        self.0.push((other_links, seconds));
    }

    /// Adds the exponent between the last two numbers of links.
    pub(crate) fn add_to(&self, table: &mut Table) {
        let [.., (few, [ours_few, limit_few]), (many, [ours_many, limit_many])] = self.0[..] else {
            return;
        };
        let factor = f64::from(many) / f64::from(few);
        let exponent = |few: f64, many: f64| (many / few).ln() / factor.ln();
        let (ours, limit) = (exponent(ours_few, ours_many), exponent(limit_few, limit_many));
        table.fact(
            "open, All: time grows with the number of links to the power of",
            &format!("{ours:.2}; the limit's: {limit:.2}"),
            ours < 1.2,
        );
    }
}
