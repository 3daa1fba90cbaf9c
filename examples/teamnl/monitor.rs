//! Follows a team: prints its changes, or everything after each change.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::io::{self, Write};
use std::str::FromStr;

use libteam::{Change, ChangeKind, Changes, IfIndex, Link, LinkChange, Port, TeamHandle};
use nix::sys::signal::Signal;

use crate::Failure;
use crate::interrupt::Interrupt;
use crate::line::{End, Item, Line};

/// The ends of the lines of ports and links in the C tool, unchanged and changed.
const PLAIN_ENDS: Ends = [End { whole: " ", cut: " ..." }; 2];
/// The ends of the lines of options.
const OPTION_ENDS: Ends =
    [End { whole: "", cut: "..." }, End { whole: " changed", cut: "... changed" }];

/// What is printed after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Changed,
    All,
}

impl FromStr for Style {
    type Err = Failure;

    /// Parses the name of a style or its beginning.
    fn from_str(word: &str) -> Result<Self, Failure> {
        let styles = [("all", Self::All), ("changed", Self::Changed)];
        let style = styles.into_iter().find(|(name, _)| name.starts_with(word));
        style
            .map(|(_, style)| style)
            .ok_or_else(|| Failure::Request(format!("Unknown monitor style \"{word}\"")))
    }
}

/// Follows the team until SIGINT or SIGQUIT.
pub(crate) fn run(
    team: &mut TeamHandle,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let interrupt = Interrupt::on(&[Signal::SIGINT, Signal::SIGQUIT]).map_err(Failure::Wait)?;
    let mut released = HashSet::new();
    while interrupt.wait(team).map_err(Failure::Wait)? {
        let batch = team.handle_events()?;
        if batch.kinds().contains(ChangeKind::PORT) {
            let removed = batch.ports().filter(|change| change.is_removed());
            released = removed.map(|change| change.latest().ifindex()).collect();
        }
        print(team, &batch, &released, style, out).map_err(Failure::Write)?;
        if team.team_link().is_none() {
            return Err(Failure::Request(format!("team device {} is gone", team.name())));
        }
    }
    Ok(())
}

/// Prints a section for each kind of object that changed. The links are those of the team, of its
/// ports, and of the ports that were removed last, which still change for a moment.
fn print(
    team: &TeamHandle,
    batch: &Changes,
    released: &HashSet<IfIndex>,
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let kinds = batch.kinds();
    if kinds.contains(ChangeKind::PORT) {
        let ports = entries(team, team.ports(), batch.ports(), Port::ifindex, style);
        print_section("ports:", &ports, PLAIN_ENDS, out)?;
    }
    if kinds.contains(ChangeKind::OPTION) {
        // The C library drops a removed option before the tool can print it.
        let changed = batch.options().filter(|change| !change.is_removed());
        let options = entries(team, team.options(), changed, |option| option.id().clone(), style);
        print_section("options:", &options, OPTION_ENDS, out)?;
    }
    if batch.links().any(is_shown) {
        let is_ours = |ifindex| {
            ifindex == team.ifindex() || team.is_port(ifindex) || released.contains(&ifindex)
        };
        let now = team.links().filter(|link| is_ours(link.ifindex()));
        let changed =
            batch.links().filter(|change| is_shown(change) && is_ours(change.latest().ifindex()));
        let links = entries(team, now, changed, Link::ifindex, style);
        print_section("ifinfos:", &links, PLAIN_ENDS, out)?;
    }
    out.flush()
}

/// Whether a field of a link changed that the C library shows.
fn is_shown(change: &Change<Link>) -> bool {
    change.changed_fields().intersects(
        LinkChange::REMOVED
            | LinkChange::NAME
            | LinkChange::HWADDR
            | LinkChange::HWADDR_LEN
            | LinkChange::MASTER
            | LinkChange::ADMIN_STATE
            | LinkChange::PHYS_PORT_ID
            | LinkChange::PHYS_PORT_ID_LEN,
    )
}

/// A line of a section, and whether its item changed.
struct Entry {
    line: Line,
    is_changed: bool,
}

/// Returns the lines of a section: removed items, then existing ones, the newest first.
fn entries<'a, T, K>(
    team: &TeamHandle,
    now: impl DoubleEndedIterator<Item = &'a T>,
    changed: impl Iterator<Item = &'a Change<T>>,
    key: impl Fn(&T) -> K,
    style: Style,
) -> Vec<Entry>
where
    T: Item + 'a,
    Change<T>: Item,
    K: Hash + Eq,
{
    let (removed, changed): (Vec<_>, Vec<_>) = changed.partition(|change| change.is_removed());
    let changed: HashMap<K, &Change<T>> =
        changed.into_iter().map(|change| (key(change.latest()), change)).collect();
    let removed = removed
        .into_iter()
        .rev()
        .map(|change| Entry { line: Line::of(change, team), is_changed: true });
    let now = now.rev().filter_map(|thing| match changed.get(&key(thing)) {
        Some(change) => Some(Entry { line: Line::of(*change, team), is_changed: true }),
        None => {
            (style == Style::All).then(|| Entry { line: Line::of(thing, team), is_changed: false })
        }
    });
    removed.chain(now).collect()
}

/// The ends of a line for an unchanged and a changed item.
type Ends = [End; 2];

fn print_section(
    title: &str,
    entries: &[Entry],
    ends: Ends,
    out: &mut impl Write,
) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    let [unchanged, changed] = ends;
    entries.iter().try_for_each(|entry| {
        entry.line.write("  ", if entry.is_changed { changed } else { unchanged }, out)
    })
}
