//! The cost of a handle, compared with the C library and with the kernel alone. `cargo bench`
//! prints one table, and fails if one of its bars does not hold.
//!
//! Three programs do the same on the same team, in turns: this crate, a program that uses the C
//! library (`benches/c/team.c`), and the limit, which sends the same requests and discards the
//! replies. The result is the median of the ratios of times that were measured close together.
//! `cargo bench --bench cost -- refresh` measures only that part; the others are open, notify,
//! resync, memory, settings and handles.

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
    reason = "shared with the tests, which use the other items"
)]
mod netns;
mod notifications;
#[path = "../../tests/kernel/support/raw.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use the other items"
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

/// The numbers of other links besides the team and its ports, one after the other.
const OTHER_LINKS: [u32; 3] = [0, 1_000, 10_000];

fn main() -> ExitCode {
    // cargo adds the argument --bench.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [memory::ARGUMENT, team] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        memory::print(team);
        return ExitCode::SUCCESS;
    }
    let mut table = Table::default();
    measure(|part| words.is_empty() || words.iter().any(|word| word == part), &mut table);
    println!("{table}");
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the selected parts.
fn measure(selected: impl Fn(&str) -> bool, table: &mut Table) {
    let start = Instant::now();
    let c_library = CLibrary::build("team", &["libteam.so.5"]);
    count::install();
    let mut scene = Scene::new();
    if selected("notify") {
        notifications::holding(&scene, table);
    }
    let mut growth = Growth::default();
    let nothing_else = count::received_by_open(&scene);
    for other_links in OTHER_LINKS {
        scene.grow_to(other_links);
        eprintln!("{other_links} other links after {:.0} s", start.elapsed().as_secs_f64());
        if selected("open") {
            growth.add(other_links, compared::opening(&scene, &c_library, table));
        }
        if selected("refresh") {
            compared::refreshing(&scene, &c_library, table);
        }
        if selected("notify") {
            notifications::measure(&scene, &c_library, table);
        }
        if selected("resync") {
            compared::resyncing(&scene, &c_library, table);
        }
    }
    if selected("open") {
        let much_else = count::received_by_open(&scene);
        table.fact(
            "open, Team: bytes and messages received",
            &format!("{nothing_else:?} at 0, {much_else:?} at 10,000 links"),
            nothing_else == much_else,
        );
        growth.report(table);
    }
    if selected("memory") {
        memory::measure(&scene, table);
    }
    if selected("settings") {
        settings::measure(&c_library, table);
    }
    if selected("handles") {
        many::measure(table);
    }
    eprintln!("done after {:.0} s", start.elapsed().as_secs_f64());
}
