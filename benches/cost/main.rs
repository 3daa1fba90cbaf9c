//! What a handle costs, against the C library and against the kernel alone: `cargo bench` prints
//! one table, and ends with an error if one of its bars does not hold.
//!
//! Three do the same thing in turns on the same team, each time anew: this crate, a program over
//! the C library (`benches/c/team.c`), and the limit, which sends the same requests and throws the
//! replies away. What counts is the median of the ratios of what was measured at about the same
//! time. `cargo bench --bench cost -- refresh` measures only that part; the others are open,
//! notify, resync, memory, settings and handles.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../common/c_library.rs"]
mod c_library;
mod compared;
mod count;
mod limit;
mod many;
mod memory;
#[path = "../common/netlink.rs"]
mod netlink;
#[path = "../../tests/kernel/support/netns.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod netns;
mod notifications;
#[path = "../../tests/kernel/support/raw.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod raw;
#[path = "../common/receive.rs"]
mod receive;
#[path = "../common/sample.rs"]
mod sample;
mod scene;
mod settings;
#[path = "../common/table.rs"]
mod table;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use c_library::CLibrary;
use compared::Growth;
use scene::Scene;
use table::Table;

/// How many other links there are beside the team and its ports, one scene after the other.
const OTHER_LINKS: [u32; 3] = [0, 1_000, 10_000];

fn main() -> ExitCode {
    // What cargo adds begins with dashes.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [memory::ARGUMENT, team] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        memory::tell(team);
        return ExitCode::SUCCESS;
    }
    let mut table = Table::default();
    measure(|part| words.is_empty() || words.iter().any(|word| word == part), &mut table);
    println!("{table}");
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the parts that are wanted.
fn measure(wants: impl Fn(&str) -> bool, table: &mut Table) {
    let start = Instant::now();
    let c_library = CLibrary::build("team", &["libteam.so.5"]);
    count::install();
    let mut scene = Scene::new();
    if wants("notify") {
        notifications::holding(&scene, table);
    }
    let mut growth = Growth::default();
    let nothing_else = count::received_by_open(&scene);
    for other_links in OTHER_LINKS {
        scene.grow_to(other_links);
        eprintln!("{other_links} other links after {:.0} s", start.elapsed().as_secs_f64());
        if wants("open") {
            growth.add(other_links, compared::opening(&scene, &c_library, table));
        }
        if wants("refresh") {
            compared::refreshing(&scene, &c_library, table);
        }
        if wants("notify") {
            notifications::measure(&scene, &c_library, table);
        }
        if wants("resync") {
            compared::resyncing(&scene, &c_library, table);
        }
    }
    if wants("open") {
        let much_else = count::received_by_open(&scene);
        table.fact(
            "open, Team: bytes and messages received",
            &format!("{nothing_else:?} at 0, {much_else:?} at 10,000 links"),
            nothing_else == much_else,
        );
        growth.tell(table);
    }
    if wants("memory") {
        memory::measure(&scene, table);
    }
    if wants("settings") {
        settings::measure(&c_library, table);
    }
    if wants("handles") {
        many::measure(table);
    }
    eprintln!("done after {:.0} s", start.elapsed().as_secs_f64());
}
