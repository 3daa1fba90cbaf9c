//! Notifications of a link that has nothing to do with the team, and of a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libteam::{ChangeKind, IfIndex, LinkScope, TeamHandle};

use crate::c_library::CLibrary;
use crate::limit::Listener;
use crate::raw::drops;
use crate::receive;
use crate::sample::timed;
use crate::scene::{Renames, Scene};
use crate::table::{Bar, Compared, Row, Table};

const NOTIFICATIONS: u32 = 10_000;
/// An even number: after an odd one the link would have its other name.
const A_ROUND: u32 = 1_000;
/// How many notifications the C library handles in a round: it takes long.
const A_ROUND_OF_C: u32 = 250;
/// How many notifications wait before any is read, where they are not read as they come. An odd
/// number: after an even one the link would have its old name, and nothing would have changed.
const BURST: u32 = 125;

/// The most that a notification may cost beyond the limit where it is read as it comes.
const SINGLE: Bar = Bar::AtMost(1.35);

/// Notifications of a link's renames, of which so many wait before they are handled.
struct Case {
    what: &'static str,
    scope: LinkScope,
    link: IfIndex,
    burst: u32,
    limit: Bar,
    c_library: Bar,
}

/// What a handle did with the notifications.
#[derive(Default)]
struct Handled {
    spent: Duration,
    wake_ups: u32,
    calls: u32,
}

pub(crate) fn measure(scene: &Scene, c_library: &CLibrary, table: &mut Table) {
    assert_eq!(notifications_of_two_renames(scene.unrelated), 2, "a rename is one notification");
    let unrelated = Case {
        what: "",
        scope: LinkScope::Team,
        link: scene.unrelated,
        burst: 1,
        limit: Bar::None,
        c_library: Bar::None,
    };
    let handled = rename(scene, &unrelated, NOTIFICATIONS);
    table.fact(
        &format!(
            "{NOTIFICATIONS} notifications of an unrelated link, Team, {} other links",
            scene.others()
        ),
        &format!("{} wake-ups, {} handler calls", handled.wake_ups, handled.calls),
        handled.wake_ups == 0 && handled.calls == 0,
    );
    let cases = cases(scene);
    let rows: Vec<Row> = cases
        .iter()
        .map(|case| Row {
            what: case.what.to_owned(),
            links: scene.others(),
            limit: case.limit,
            c_library: case.c_library,
        })
        .collect();
    table.compare_all(&rows, |places| {
        let cases: Vec<&Case> = places.iter().filter_map(|place| cases.get(*place)).collect();
        compare(scene, c_library, &cases)
    });
}

fn cases(scene: &Scene) -> [Case; 5] {
    let (team, all) = (LinkScope::Team, LinkScope::All);
    let (port, unrelated) = (*scene.ports.first().unwrap(), scene.unrelated);
    let case = |what, scope, link, burst, limit, c_library| Case {
        what,
        scope,
        link,
        burst,
        limit,
        c_library,
    };
    [
        case(
            "a notification of a port, Team, read as it comes",
            team,
            port,
            1,
            SINGLE,
            Bar::AtLeast(3.0),
        ),
        case(
            "a notification of a port, All, read as it comes",
            all,
            port,
            1,
            SINGLE,
            Bar::AtLeast(3.0),
        ),
        case(
            "a notification of a port, Team, 125 at once",
            team,
            port,
            BURST,
            Bar::None,
            Bar::None,
        ),
        case(
            "a notification of an unrelated link, All, read as it comes",
            all,
            unrelated,
            1,
            SINGLE,
            Bar::None,
        ),
        case(
            "a notification of an unrelated link, All, 125 at once",
            all,
            unrelated,
            BURST,
            Bar::None,
            Bar::AtLeast(4.0),
        ),
    ]
}

fn compare(scene: &Scene, c_library: &CLibrary, cases: &[&Case]) -> Vec<Compared> {
    let things: Vec<String> = cases
        .iter()
        .map(|case| format!("notify:{}:{A_ROUND_OF_C}:{}", case.link, case.burst))
        .collect();
    let mut times: Vec<Compared> = cases.iter().map(|_| Compared::default()).collect();
    for _ in 0..NOTIFICATIONS / A_ROUND {
        for (case, times) in cases.iter().zip(&mut times) {
            let handled = rename(scene, case, A_ROUND);
            let bursts = A_ROUND / case.burst;
            assert_eq!(
                (handled.wake_ups, handled.calls),
                (bursts, bursts),
                "each burst wakes the handle once"
            );
            times.ours.add(handled.spent / A_ROUND);
            times.limit.add(read(case) / A_ROUND);
        }
        let words: Vec<&str> =
            ["open"].into_iter().chain(things.iter().map(String::as_str)).collect();
        let spent = scene.run(c_library, &words);
        let spent = spent.iter().skip(1).map(|spent| *spent / A_ROUND_OF_C);
        times.iter_mut().zip(spent).for_each(|(times, spent)| times.c_library.add(spent));
    }
    times
}

/// Renames a link so often, and lets a handle handle the notifications.
fn rename(scene: &Scene, case: &Case, times: u32) -> Handled {
    let mut team = scene.open(case.scope);
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    team.add_handler(ChangeKind::all(), move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let mut handled = Handled::default();
    each_burst(case, times, || {
        while is_readable(&mut team) {
            handled.wake_ups += 1;
            handled.spent += timed(|| team.handle_events().unwrap()).0;
        }
    });
    handled.calls = calls.load(Ordering::Relaxed);
    handled
}

/// Returns what reading the notifications costs by itself.
fn read(case: &Case) -> Duration {
    let (listener, mut buffer) = (Listener::of_links(), receive::buffer());
    let mut spent = Duration::ZERO;
    each_burst(case, A_ROUND, || spent += timed(|| listener.drain(&mut buffer)).0);
    spent
}

fn each_burst(case: &Case, times: u32, mut then: impl FnMut()) {
    let mut renames = Renames::of(case.link);
    for number in 1..=times {
        renames.next();
        if number % case.burst == 0 {
            then();
        }
    }
}

fn is_readable(team: &mut TeamHandle) -> bool {
    team.wait(Some(Duration::ZERO)).unwrap()
}

fn notifications_of_two_renames(link: IfIndex) -> usize {
    let listener = Listener::of_links();
    let mut renames = Renames::of(link);
    (0..2).for_each(|_| renames.next());
    listener.drain(&mut receive::buffer()).0
}

/// Counts the notifications that fit the default receive buffer of a handle, and checks that the
/// buffer grows after an overrun.
pub(crate) fn holding(scene: &Scene, table: &mut Table) {
    let mut team = scene.open(LinkScope::All);
    let size = team.receive_buffers().unwrap().link;
    let mut renames = Renames::of(scene.unrelated);
    let (mut held, mut time) = (0, Duration::ZERO);
    while drops().0 == 0 {
        time += timed(|| (0..10).for_each(|_| renames.next())).0;
        held += 10;
    }
    table.fact(
        &format!("notifications that fit the default receive buffer of {size} bytes"),
        &format!("{held}, which one writer makes in {:.0} ms", time.as_secs_f64() * 1e3),
        true,
    );
    let resynced = team.handle_events().unwrap().is_resynced();
    let grown = team.receive_buffers().unwrap().link;
    table.fact(
        "the same buffer after the overrun",
        &format!("{grown} bytes"),
        resynced && grown == 2 * size,
    );
}
