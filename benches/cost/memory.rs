//! Memory per cached link, measured from outside: the growth of a process that only opens a handle.

use std::env;
use std::process::Command;

use libteam::LinkScope;

use crate::many::resident_bytes;
use crate::scene::{Scene, builder};
use crate::table::Table;

/// Makes this program print its own size.
pub(crate) const ARGUMENT: &str = "--memory-of-all-links";

/// The maximum number of bytes per link.
const BAR: usize = 256;

pub(crate) fn measure(scene: &Scene, table: &mut Table) {
    let output = Command::new(env::current_exe().unwrap())
        .args([ARGUMENT, &scene.team.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (bytes, links) = text.trim().split_once(' ').expect("the other process prints two numbers");
    let bytes = bytes.parse::<usize>().unwrap() / links.parse::<usize>().unwrap();
    table.fact(
        &format!("memory per cached link, All, {links} links"),
        &format!("{bytes} bytes (≤ {BAR})"),
        bytes <= BAR,
    );
}

/// Prints the growth of this process by a handle in bytes, and the handle's number of links.
pub(crate) fn print(team: &str) {
    // A first handle allocates everything besides the links.
    let team = libteam::IfIndex::new(team.parse().unwrap()).unwrap();
    drop(builder(LinkScope::Team).open_index(team).unwrap());
    let before = resident_bytes();
    let handle = builder(LinkScope::All).open_index(team).unwrap();
    println!("{} {}", resident_bytes() - before, handle.links().len());
}
