//! Memory per cached link, seen from outside: by what a process grows that does nothing but open a
//! handle.

use std::env;
use std::process::Command;

use libteam::LinkScope;

use crate::process::resident_bytes;
use crate::scene::{Scene, builder};
use crate::table::Table;

/// Starts this program to print its own size.
pub(crate) const ARGUMENT: &str = "--memory-of-all-links";

/// At most so many bytes for each link.
const BAR: usize = 256;

pub(crate) fn measure(scene: &Scene, table: &mut Table) {
    let output = Command::new(env::current_exe().unwrap())
        .args([ARGUMENT, &scene.team.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (bytes, links) = text.trim().split_once(' ').expect("the other process tells its size");
    let bytes = bytes.parse::<usize>().unwrap() / links.parse::<usize>().unwrap();
    table.fact(
        &format!("memory per cached link, All, {links} links"),
        &format!("{bytes} bytes (≤ {BAR})"),
        bytes <= BAR,
    );
}

/// Prints by how many bytes this process grows with a handle, and how many links that has.
pub(crate) fn print(team: &str) {
    // The first handle brings more into memory than its links.
    let team = libteam::IfIndex::new(team.parse().unwrap()).unwrap();
    drop(builder(LinkScope::Team).open_index(team).unwrap());
    let before = resident_bytes("self");
    let handle = builder(LinkScope::All).open_index(team).unwrap();
    println!("{} {}", resident_bytes("self") - before, handle.links().len());
}
