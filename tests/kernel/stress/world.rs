//! The links of a storm, by the indexes that each of them always has, and the two namespaces that
//! they live in.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use libteam::IfIndex;
use nix::sched::{CloneFlags, unshare};

use super::exclusions::Omission;
use crate::support::netns::{enter, own_namespace};
use crate::support::raw::Raw;

/// The team that handles follow, and one that takes its ports away.
pub(super) const TEAM: IfIndex = number(10);
pub(super) const RIVAL: IfIndex = number(11);
pub(super) const TEAMS: [IfIndex; 2] = [TEAM, RIVAL];
pub(super) const BRIDGE: IfIndex = number(12);

/// Links that nobody ever deletes.
pub(super) const LASTING: [IfIndex; 5] = [number(20), number(21), number(22), number(23), LOOSE];
/// The lasting link that the C library's tools know by its alternative name.
const LOOSE: IfIndex = number(24);

/// Ports that stay ports as long as the round says so: one end of a virtual cable, and a dummy.
pub(super) const PORTS: [IfIndex; 2] = [number(30), number(32)];
pub(super) const FAR_END: IfIndex = number(31);

/// Indexes whose links come and go. An even one and the next may be the ends of a virtual cable.
pub(super) const PASSING: [IfIndex; 12] = [
    number(100),
    number(101),
    number(102),
    number(103),
    number(104),
    number(105),
    number(106),
    number(107),
    number(108),
    number(109),
    number(110),
    number(111),
];

/// Alternative names that stay, whatever the links are called.
pub(super) const TEAM_ALIAS: &str = "the-team";
pub(super) const LOOSE_ALIAS: &str = "loose";

const fn number(index: u32) -> IfIndex {
    match IfIndex::new(index) {
        Some(index) => index,
        None => panic!("no link has index 0"),
    }
}

/// The other end of the virtual cable of which a passing link may be one end.
pub(super) fn twin(link: IfIndex) -> IfIndex {
    number(link.get() ^ 1)
}

/// The namespace of the storm, which is that of the calling thread, and one where links are moved
/// to.
pub(super) struct World {
    pub(super) here: File,
    pub(super) there: File,
    raw_there: Mutex<Raw>,
    /// What nobody does to it.
    pub(super) omission: Omission,
}

impl World {
    /// A new namespace with the links that last, and so many more that nothing ever happens to.
    pub(super) fn new(bystanders: u32, omission: Omission) -> Self {
        enter();
        let raw = &mut Raw::new();
        for link in LASTING.into_iter().chain([PORTS[1]]) {
            raw.add_dummy(&first_name(link), link).unwrap();
        }
        for link in (0..bystanders).map(|bystander| number(10_000 + bystander)) {
            raw.add_dummy(&first_name(link), link).unwrap();
        }
        raw.add_veth((&first_name(PORTS[0]), PORTS[0]), (&first_name(FAR_END), FAR_END)).unwrap();
        raw.add("bridge", &first_name(BRIDGE), BRIDGE).unwrap();
        raw.add_alternative_name(LOOSE, LOOSE_ALIAS).unwrap();
        let elsewhere = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            (own_namespace(), Raw::new())
        };
        let (there, raw_there) = thread::spawn(elsewhere).join().unwrap();
        Self { here: own_namespace(), there, raw_there: Mutex::new(raw_there), omission }
    }

    /// A connection that changes links of the other namespace.
    pub(super) fn raw_there(&self) -> MutexGuard<'_, Raw> {
        self.raw_there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name under which a link is made.
pub(super) fn first_name(link: IfIndex) -> String {
    format!("link{link}")
}

/// Whether whoever makes a link with this index says so in the log. A link that came back and found
/// its index taken has another one.
pub(super) fn is_known(link: IfIndex) -> bool {
    let others = [BRIDGE, FAR_END];
    PASSING.contains(&link)
        || LASTING.contains(&link)
        || PORTS.contains(&link)
        || TEAMS.contains(&link)
        || others.contains(&link)
}
