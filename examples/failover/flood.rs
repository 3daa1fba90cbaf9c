//! Makes the kernel drop link notifications, and checks that the handle recovers.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use libteam::TeamHandle;

use crate::cache_check::check_cache;
use crate::report::Report;
use crate::{Result, ensure, ip};

/// Links that exist before the flood, which renames one of them and deletes another.
const OLD_LINKS: usize = 4;
/// Links that the flood creates.
const NEW_LINKS: usize = 8;
/// The number of MTU changes of each link.
const ROUNDS: usize = 1000;
/// The group of links that one command changes.
const GROUP: u32 = 42;

/// The result of the flood.
pub(crate) struct Flood {
    /// The number of notifications that the kernel dropped.
    pub(crate) lost: u64,
    pub(crate) links_before: usize,
    pub(crate) links_after: usize,
}

/// Causes notifications without reading them until some are lost, then lets the handle recover.
pub(crate) fn survive(team: &mut TeamHandle, report: Report) -> Result<Flood> {
    ip::batch(&create("old", OLD_LINKS)?)?;
    team.handle_events()?;
    check_cache(team)?;
    let links_before = team.links().len();
    ensure(lost_notifications()? == 0, || "notifications were lost before the flood".to_owned())?;

    let started = Instant::now();
    ip::batch(&script()?)?;
    let lost = lost_notifications()?;
    report.line(
        "flood",
        &format!("the kernel dropped {lost} notifications within {:.1?}", started.elapsed()),
    );
    ensure(lost > 0, || "the flood was too small: no notification was lost".to_owned())?;

    let resync = resync(team)?;
    report.line("resync", &format!("took {resync:.1?}"));
    check_cache(team)?;
    let links_after = team.links().len();
    report.line("cache", &format!("equals ip -j link: {links_after} links"));
    ensure(links_after != links_before, || {
        format!("the number of links is {links_after} as before the flood")
    })?;
    Ok(Flood { lost, links_before, links_after })
}

/// Handles the events once, and returns how long that took.
fn resync(team: &mut TeamHandle) -> Result<Duration> {
    let started = Instant::now();
    let changes = team.handle_events()?;
    let took = started.elapsed();
    ensure(changes.is_resynced(), || {
        "the handle did not report that notifications were lost".to_owned()
    })?;
    ensure(!changes.is_inconsistent(), || "the resync was interrupted".to_owned())?;
    let added = changes.links().filter(|link| link.is_added()).count();
    let removed = changes.links().filter(|link| link.is_removed()).count();
    ensure((added, removed) == (NEW_LINKS, 1), || {
        format!(
            "{added} links were reported as added and {removed} as removed, not {NEW_LINKS} and 1"
        )
    })?;
    Ok(took)
}

/// Returns a script for `ip` that creates links of the group.
fn create(name: &str, count: usize) -> Result<String> {
    let mut script = String::new();
    for number in 1..=count {
        writeln!(script, "link add {name}{number} group {GROUP} type dummy")?;
    }
    Ok(script)
}

/// Returns the script of the flood. Its last changes are among the lost ones.
fn script() -> Result<String> {
    let mut script = create("new", NEW_LINKS)?;
    for round in 0..ROUNDS {
        writeln!(
            script,
            "link set group {GROUP} mtu {}",
            if round % 2 == 0 { 1400 } else { 1300 }
        )?;
    }
    script.push_str("link set old1 name renamed\n");
    script.push_str("link delete old2\n");
    Ok(script)
}

/// Returns how many notifications the kernel dropped because the handle's receive buffer was full.
///
/// Only the handle subscribes to link notifications in this namespace.
fn lost_notifications() -> Result<u64> {
    const ROUTE: &str = "0";
    const LINK_GROUP: &str = "00000001";
    let table = "/proc/thread-self/net/netlink";
    let text = fs::read_to_string(table).map_err(|error| format!("reading {table}: {error}"))?;
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if let [_address, ROUTE, _port_id, LINK_GROUP, _rmem, _wmem, _dump, _locks, drops, _inode] =
            *columns
        {
            return Ok(drops.parse()?);
        }
    }
    Err(format!("{table} does not show the handle's socket").into())
}
