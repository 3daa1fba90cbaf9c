//! What a handle tells, as tests look at it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use libteam::{
    Change, ChangeKind, Changes, Error, IfIndex, Link, LinkScope, Mode, OptionId, Port,
    TeamBuilder, TeamHandle, TeamOption,
};
use rustix::io::Errno;

use crate::support::features::renames_links_that_are_up;
use crate::support::netns::{dummies, index, ip};
use crate::support::snapshot::state;
use crate::support::timeouts::patience;

/// Creates `team0` in this mode with new dummy devices as its ports, and hears everything of that.
pub(crate) fn team_with(mode: Mode, ports: &[&str]) -> TeamHandle {
    if !ports.is_empty() {
        dummies(ports);
    }
    let mut team = all_links().create("team0").unwrap();
    team.set_mode(mode).unwrap();
    for port in ports {
        team.add_port(index(port)).unwrap();
    }
    told(&mut team);
    team
}

/// What the handle has to tell now.
pub(crate) fn told(team: &mut TeamHandle) -> Changes {
    team.handle_events().expect("events can be handled")
}

/// The options told, before and after: what two handles tell alike, whichever of them did it.
pub(crate) fn options_told(changes: &Changes) -> Vec<(Option<TeamOption>, Option<TeamOption>)> {
    changes.options().map(|change| (change.before().cloned(), change.after().cloned())).collect()
}

/// Sets a link down, of which the handle hears, where the kernel would not rename it otherwise.
pub(crate) fn make_renamable(team: &mut TeamHandle, link: &str) {
    if !renames_links_that_are_up() {
        ip(&format!("link set {link} down"));
        told(team);
    }
}

/// Panics if the handle has anything to tell.
pub(crate) fn assert_silent(team: &mut TeamHandle) {
    assert_eq!(told(team), Changes::default());
}

/// The one link that changed; panics if anything else did.
pub(crate) fn only_link(changes: &Changes) -> Change<Link> {
    assert_eq!(
        (changes.links().len(), changes.kinds()),
        (1, ChangeKind::LINK),
        "not one link: {changes:#?}"
    );
    changes.links().next().unwrap().clone()
}

/// The one option that changed; panics if another option or a port did. Links are not looked at.
pub(crate) fn only_option(changes: &Changes) -> Change<TeamOption> {
    assert_eq!(
        (changes.options().len(), changes.ports().len()),
        (1, 0),
        "not one option: {changes:#?}"
    );
    changes.options().next().unwrap().clone()
}

/// What changed of one link.
pub(crate) fn link_change(changes: &Changes, ifindex: IfIndex) -> Option<&Change<Link>> {
    changes.links().find(|change| change.latest().ifindex() == ifindex)
}

/// The names of the ports that changed, with the change's mark in front.
pub(crate) fn port_marks(changes: &Changes) -> Vec<String> {
    let mark = |change: &Change<Port>| match (change.is_added(), change.is_removed()) {
        (true, _) => '+',
        (_, true) => '-',
        _ => '*',
    };
    changes
        .ports()
        .map(|change| format!("{}{}", mark(change), change.latest().name().unwrap_or("?")))
        .collect()
}

/// The options of one port.
pub(crate) fn options_of(team: &TeamHandle, port: IfIndex) -> Vec<OptionId> {
    team.options().map(|option| option.id().clone()).filter(|id| id.port == Some(port)).collect()
}

/// Hears what the kernel tells in its own time until something holds; panics if it does not come to
/// hold.
pub(crate) fn hear_until(
    team: &mut TeamHandle,
    what: &str,
    holds: impl Fn(&TeamHandle) -> bool,
) -> Vec<Changes> {
    let deadline = Instant::now() + patience();
    let mut heard = vec![told(team)];
    while !holds(team) {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "it does not happen: {what}");
        team.wait(Some(left)).unwrap();
        heard.push(told(team));
    }
    heard
}

/// Hears events until the cache is what a fresh handle sees; panics if it never is.
pub(crate) fn hear_until_true(team: &mut TeamHandle) {
    let deadline = Instant::now() + patience();
    loop {
        let fresh = state(
            &TeamHandle::builder()
                .link_scope(team.link_scope())
                .open_index(team.ifindex())
                .expect("a fresh handle opens"),
        );
        told(team);
        if state(team) == fresh {
            return;
        }
        assert!(Instant::now() < deadline, "{:#?} never comes to be {fresh:#?}", state(team));
        team.wait(Some(Duration::from_millis(20))).unwrap();
    }
}

/// Registers a handler for everything, and returns where what it hears arrives.
pub(crate) fn listen(team: &mut TeamHandle) -> Receiver<Changes> {
    let (tell, heard) = channel();
    let everything = ChangeKind::all();
    team.add_handler(everything, move |_, changes| Ok(tell.send(changes.clone())?));
    heard
}

/// The error number of an error that the kernel answered.
pub(crate) fn refusal(error: &Error) -> Errno {
    assert!(matches!(error, Error::Kernel { .. }), "not the kernel's: {error:?}");
    Errno::from_raw_os_error(error.raw_os_error().unwrap())
}

/// What somebody knows who hears nothing but changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replica {
    links: BTreeMap<IfIndex, Link>,
    ports: BTreeMap<IfIndex, Port>,
    options: BTreeMap<OptionId, TeamOption>,
}

impl Replica {
    pub(crate) fn of(team: &TeamHandle) -> Self {
        Self {
            links: team.links().map(|link| (link.ifindex(), link.clone())).collect(),
            ports: team.ports().map(|port| (port.ifindex(), port.clone())).collect(),
            options: team.options().map(|option| (option.id().clone(), option.clone())).collect(),
        }
    }

    /// Takes over changes; panics where one does not start from what is known.
    pub(crate) fn hear(&mut self, changes: &Changes) {
        changes.links().for_each(|change| replay(&mut self.links, change, Link::ifindex));
        changes.ports().for_each(|change| replay(&mut self.ports, change, Port::ifindex));
        changes
            .options()
            .for_each(|change| replay(&mut self.options, change, |option| option.id().clone()));
    }
}

fn replay<K: Ord, V>(known: &mut BTreeMap<K, V>, change: &Change<V>, key: impl Fn(&V) -> K)
where
    V: Clone + PartialEq + std::fmt::Debug,
{
    let id = key(change.latest());
    assert_eq!(known.get(&id), change.before(), "a change does not start from what was told last");
    match change.after() {
        Some(after) => known.insert(id, after.clone()),
        None => known.remove(&id),
    };
}

/// Opens teams whose handle follows all links of the namespace.
pub(crate) fn all_links() -> TeamBuilder {
    TeamHandle::builder().link_scope(LinkScope::All)
}
