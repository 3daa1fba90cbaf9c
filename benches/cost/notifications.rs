//! Notifications of an unrelated link and of a port.

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
use crate::table::{Bar, Compared, Table};

const NOTIFICATIONS: u32 = 10_000;
/// An even number, so that the link has its first name again afterwards.
const A_ROUND: u32 = 1_000;
/// The number of notifications per round for the C library, which takes long for each.
const A_ROUND_OF_C: u32 = 250;
/// The number of notifications that are queued before they are read. An odd number: after an even
/// one the link would have its old name again, and there would be no change.
const BURST: u32 = 125;

/// One measurement: a handle of this scope, this number of renames of a link at once.
struct Case {
    what: &'static str,
    scope: LinkScope,
    link: IfIndex,
    burst: u32,
    bar: Bar,
}

/// What the handle did while the link was renamed.
#[derive(Default)]
struct Outcome {
    spent: Duration,
    wake_ups: u32,
    calls: u32,
}

pub(crate) fn measure(scene: &Scene, c_library: &CLibrary, table: &mut Table) {
    assert_eq!(notifications_of_two_renames(scene.unrelated), 2, "notifications of two renames");
    let (port, unrelated) = (*scene.ports.first().unwrap(), scene.unrelated);
    let case = |what, scope, link, burst, bar| Case { what, scope, link, burst, bar };
    let outcome = rename(scene, &case("", LinkScope::Team, unrelated, 1, Bar::None), NOTIFICATIONS);
    table.fact(
        &format!(
            "{NOTIFICATIONS} notifications of an unrelated link, Team, {} other links",
            scene.others()
        ),
        &format!("{} wake-ups, {} handler calls", outcome.wake_ups, outcome.calls),
        outcome.wake_ups == 0 && outcome.calls == 0,
    );
    let (team, all) = (LinkScope::Team, LinkScope::All);
    let each = [
        case("a notification of a port, Team, read as it comes", team, port, 1, Bar::AtLeast(3.0)),
        case("a notification of a port, All, read as it comes", all, port, 1, Bar::AtLeast(3.0)),
        case("a notification of a port, Team, 125 at once", team, port, BURST, Bar::None),
        case(
            "a notification of an unrelated link, All, read as it comes",
            all,
            unrelated,
            1,
            Bar::None,
        ),
        case(
            "a notification of an unrelated link, All, 125 at once",
            all,
            unrelated,
            BURST,
            Bar::AtLeast(4.0),
        ),
    ];
    let things: Vec<String> = each
        .iter()
        .map(|case| format!("notify:{}:{A_ROUND_OF_C}:{}", case.link, case.burst))
        .collect();
    let mut times = each.each_ref().map(|_| Compared::default());
    for _ in 0..NOTIFICATIONS / A_ROUND {
        for (case, times) in each.iter().zip(&mut times) {
            let outcome = rename(scene, case, A_ROUND);
            let bursts = A_ROUND / case.burst;
            assert_eq!(
                (outcome.wake_ups, outcome.calls),
                (bursts, bursts),
                "wake-ups and calls per burst"
            );
            times.ours.add(outcome.spent / A_ROUND);
            times.limit.add(read(case) / A_ROUND);
        }
        let words: Vec<&str> =
            ["open"].into_iter().chain(things.iter().map(String::as_str)).collect();
        let spent = scene.run(c_library, &words);
        let spent = spent.iter().skip(1).map(|spent| *spent / A_ROUND_OF_C);
        times.iter_mut().zip(spent).for_each(|(times, spent)| times.c_library.add(spent));
    }
    for (case, times) in each.iter().zip(&times) {
        table.compare(case.what, scene.others(), times, Bar::None, case.bar);
    }
}

/// Renames a link this often, while a handle handles events whenever it is readable.
fn rename(scene: &Scene, case: &Case, times: u32) -> Outcome {
    let mut team = scene.open(case.scope);
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    team.add_handler(ChangeKind::all(), move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let mut outcome = Outcome::default();
    each_burst(case, times, || {
        while is_readable(&mut team) {
            outcome.wake_ups += 1;
            outcome.spent += timed(|| team.handle_events().unwrap()).0;
        }
    });
    outcome.calls = calls.load(Ordering::Relaxed);
    outcome
}

/// Returns the time for reading the notifications without decoding them.
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

/// Measures how many notifications fit the default receive buffer of a handle that does not read,
/// and how the buffer grows then.
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
