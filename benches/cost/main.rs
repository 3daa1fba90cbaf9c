//! What a handle costs, against the C library and against the kernel alone: `cargo bench --bench
//! cost` prints one table as Markdown, and ends with an error if one of its bars does not hold.
//!
//! Three contenders do the same thing in turns on the same team: this crate, a program over the C
//! library (`benches/c/team.c`), and the limit, which sends the same requests and discards the
//! replies. The result is the median of the ratios of what was measured at about the same time. A
//! bar fails when the ratio is beyond it by more than the spread of these ratios, in two
//! measurements.
//!
//! `cargo bench --bench cost -- refresh` measures only that part; the others are open, notify,
//! resync, memory, settings and handles. `--svg FILE` draws open, refresh and resync against the
//! number of links.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../common/c_library.rs"]
mod c_library;
mod chart;
mod compared;
mod count;
#[path = "../common/follow.rs"]
#[allow(dead_code, clippy::panic, reason = "shared with the other benchmark, which uses all of it")]
mod follow;
#[path = "../common/follower.rs"]
#[allow(dead_code, clippy::panic, reason = "shared with the other benchmark, which uses all of it")]
mod follower;
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
#[path = "../common/process.rs"]
mod process;
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
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use c_library::CLibrary;
use chart::Chart;
use compared::Growth;
use scene::Scene;
use table::Table;

/// The numbers of other links besides the team and its ports, one scene after the other.
const OTHER_LINKS: [u32; 3] = [0, 1_000, 10_000];

/// The same for the picture.
const OTHER_LINKS_OF_PICTURE: [u32; 5] = [0, 100, 1_000, 3_000, 10_000];

fn main() -> ExitCode {
    // What cargo adds begins with dashes.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [memory::ARGUMENT, team] => {
            memory::print(team);
            return ExitCode::SUCCESS;
        }
        [follow::ARGUMENT, ref rest @ ..] => {
            follow::run(rest);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let (picture, parts) = match words.iter().position(|word| word == "--svg") {
        None => (None, words),
        Some(place) => {
            let mut parts = words;
            parts.remove(place);
            assert!(place < parts.len(), "--svg is followed by a file");
            let picture = parts.remove(place);
            (Some(picture), parts)
        }
    };
    let (mut table, mut chart) = (Table::new(), Chart::default());
    let links = if picture.is_some() { &OTHER_LINKS_OF_PICTURE[..] } else { &OTHER_LINKS };
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    measure(is_wanted, links, &mut table, &mut chart);
    println!("{table}");
    if let Some(picture) = picture {
        fs::write(picture, chart.svg()).expect("the picture can be written");
    }
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the parts that are wanted.
fn measure(is_wanted: impl Fn(&str) -> bool, links: &[u32], table: &mut Table, chart: &mut Chart) {
    let start = Instant::now();
    let c_library = CLibrary::build("team", &["libteam.so.5"]);
    count::install();
    let mut scene = Scene::new();
    if is_wanted("notify") {
        notifications::holding(&scene, table);
    }
    let mut growth = Growth::default();
    let nothing_else = count::received_by_open(&scene);
    let needs_scene = ["open", "refresh", "notify", "resync", "memory"].into_iter().any(&is_wanted);
    for &other_links in links.iter().filter(|_| needs_scene) {
        scene.grow_to(other_links);
        eprintln!("{other_links} other links after {:.0} s", start.elapsed().as_secs_f64());
        if is_wanted("open") {
            growth.add(other_links, compared::opening(&scene, &c_library, table, chart));
        }
        if is_wanted("refresh") {
            compared::refreshing(&scene, &c_library, table, chart);
        }
        if is_wanted("notify") {
            notifications::measure(&scene, &c_library, table);
        }
        if is_wanted("resync") {
            compared::resyncing(&scene, &c_library, table, chart);
        }
    }
    if is_wanted("open") {
        let much_else = count::received_by_open(&scene);
        table.fact(
            "open, Team: bytes and messages received",
            &format!("{nothing_else:?} at 0, {much_else:?} at 10,000 links"),
            nothing_else == much_else,
        );
        growth.add_to(table);
    }
    if is_wanted("memory") {
        memory::measure(&scene, table);
    }
    if is_wanted("settings") {
        settings::measure(&c_library, table);
    }
    if is_wanted("handles") {
        let follow = CLibrary::build("follow", &["libteam.so.5"]);
        many::measure(&follow, table);
    }
    eprintln!("done after {:.0} s", start.elapsed().as_secs_f64());
}
