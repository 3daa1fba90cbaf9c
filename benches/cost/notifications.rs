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
use crate::table::{Bar, Compared, Table};

const NOTIFICATIONS: u32 = 10_000;
/// An even number: after an odd one the link would have its other name.
const A_ROUND: u32 = 1_000;
/// How many the C library is told of in a round: it takes long.
const A_ROUND_OF_C: u32 = 250;
/// How many come before any is read, where they are not read as they come. An odd number: after an
/// even one the link would have its old name again, and there would be nothing to tell.
const BURST: u32 = 125;

/// Who is told of what: a handle, of a link's renames, so many at once.
struct Told {
    what: &'static str,
    scope: LinkScope,
    link: IfIndex,
    burst: u32,
    bar: Bar,
}

/// What one handle was told of a link's renames.
#[derive(Default)]
struct Heard {
    spent: Duration,
    wake_ups: u32,
    calls: u32,
}

pub(crate) fn measure(scene: &Scene, c_library: &CLibrary, table: &mut Table) {
    assert_eq!(notifications_of_two_renames(scene.unrelated), 2, "a rename is one notification");
    let (port, unrelated) = (*scene.ports.first().unwrap(), scene.unrelated);
    let told = |what, scope, link, burst, bar| Told { what, scope, link, burst, bar };
    let heard = rename(scene, &told("", LinkScope::Team, unrelated, 1, Bar::None), NOTIFICATIONS);
    table.fact(
        &format!(
            "{NOTIFICATIONS} notifications of an unrelated link, Team, {} other links",
            scene.others()
        ),
        &format!("{} wake-ups, {} handler calls", heard.wake_ups, heard.calls),
        heard.wake_ups == 0 && heard.calls == 0,
    );
    let (team, all) = (LinkScope::Team, LinkScope::All);
    let each = [
        told("a notification of a port, Team, read as it comes", team, port, 1, Bar::AtLeast(3.0)),
        told("a notification of a port, All, read as it comes", all, port, 1, Bar::AtLeast(3.0)),
        told("a notification of a port, Team, 125 at once", team, port, BURST, Bar::None),
        told(
            "a notification of an unrelated link, All, read as it comes",
            all,
            unrelated,
            1,
            Bar::None,
        ),
        told(
            "a notification of an unrelated link, All, 125 at once",
            all,
            unrelated,
            BURST,
            Bar::AtLeast(4.0),
        ),
    ];
    let things: Vec<String> = each
        .iter()
        .map(|told| format!("notify:{}:{A_ROUND_OF_C}:{}", told.link, told.burst))
        .collect();
    let mut times = each.each_ref().map(|_| Compared::default());
    for _ in 0..NOTIFICATIONS / A_ROUND {
        for (told, times) in each.iter().zip(&mut times) {
            let heard = rename(scene, told, A_ROUND);
            let bursts = A_ROUND / told.burst;
            assert_eq!((heard.wake_ups, heard.calls), (bursts, bursts), "each burst is told once");
            times.ours.add(heard.spent / A_ROUND);
            times.limit.add(read(told) / A_ROUND);
        }
        let words: Vec<&str> =
            ["open"].into_iter().chain(things.iter().map(String::as_str)).collect();
        let spent = scene.run(c_library, &words);
        let spent = spent.iter().skip(1).map(|spent| *spent / A_ROUND_OF_C);
        times.iter_mut().zip(spent).for_each(|(times, spent)| times.c_library.add(spent));
    }
    for (told, times) in each.iter().zip(&times) {
        table.compare(told.what, scene.others(), times, Bar::None, told.bar);
    }
}

/// Renames a link so often, and has a handle handle what it is woken for.
fn rename(scene: &Scene, told: &Told, times: u32) -> Heard {
    let mut team = scene.open(told.scope);
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    team.add_handler(ChangeKind::all(), move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let mut heard = Heard::default();
    each_burst(told, times, || {
        while is_readable(&mut team) {
            heard.wake_ups += 1;
            heard.spent += timed(|| team.handle_events().unwrap()).0;
        }
    });
    heard.calls = calls.load(Ordering::Relaxed);
    heard
}

/// What reading the notifications costs by itself.
fn read(told: &Told) -> Duration {
    let (listener, mut buffer) = (Listener::of_links(), receive::buffer());
    let mut spent = Duration::ZERO;
    each_burst(told, A_ROUND, || spent += timed(|| listener.drain(&mut buffer)).0);
    spent
}

fn each_burst(told: &Told, times: u32, mut then: impl FnMut()) {
    let mut renames = Renames::of(told.link);
    for number in 1..=times {
        renames.next();
        if number % told.burst == 0 {
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

/// How long a burst fits the receive buffer that a handle asks for by default, while nobody reads,
/// and what becomes of the buffer then.
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
