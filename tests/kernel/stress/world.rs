//! The links of the stress test, by their fixed indexes, and its two network namespaces.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use libteam::IfIndex;
use nix::sched::{CloneFlags, unshare};

use super::exclusions::Exclusion;
use crate::support::netns::{enter, own_namespace};
use crate::support::raw::Raw;

/// The team that handles follow, and another team that takes over its ports.
pub(super) const TEAM: IfIndex = number(10);
pub(super) const OTHER_TEAM: IfIndex = number(11);
pub(super) const TEAMS: [IfIndex; 2] = [TEAM, OTHER_TEAM];
pub(super) const BRIDGE: IfIndex = number(12);

/// Links that are never deleted.
pub(super) const PERMANENT: [IfIndex; 5] =
    [number(20), number(21), number(22), number(23), ALIASED];
/// The permanent link that the C library's tools find by its alternative name.
const ALIASED: IfIndex = number(24);

/// Ports that stay ports for as long as the round's plan says: one end of a veth pair, and a dummy.
pub(super) const PORTS: [IfIndex; 2] = [number(30), number(32)];
pub(super) const FAR_END: IfIndex = number(31);

/// The indexes of links that are created and deleted. An even index and the next one may be the
/// ends of a veth pair.
pub(super) const TRANSIENT: [IfIndex; 12] = [
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
pub(super) const ALIAS: &str = "loose";

const fn number(index: u32) -> IfIndex {
    match IfIndex::new(index) {
        Some(index) => index,
        None => panic!("no link has index 0"),
    }
}

/// Returns the other end of the veth pair to which a transient link may belong.
pub(super) fn veth_peer(link: IfIndex) -> IfIndex {
    number(link.get() ^ 1)
}

/// The network namespace of the calling thread, and another one that links are moved to.
pub(super) struct World {
    pub(super) here: File,
    pub(super) there: File,
    raw_there: Mutex<Raw>,
    /// Actions that are not executed here.
    pub(super) exclusion: Exclusion,
}

impl World {
    /// Creates a namespace with the permanent links and `unused_links` links that never change.
    pub(super) fn new(unused_links: u32, exclusion: Exclusion) -> Self {
        enter();
        let raw = &mut Raw::new();
        for link in PERMANENT.into_iter().chain([PORTS[1]]) {
            raw.add_dummy(&first_name(link), link).unwrap();
        }
        for link in (0..unused_links).map(|unused_link| number(10_000 + unused_link)) {
            raw.add_dummy(&first_name(link), link).unwrap();
        }
        raw.add_veth((&first_name(PORTS[0]), PORTS[0]), (&first_name(FAR_END), FAR_END)).unwrap();
        raw.add("bridge", &first_name(BRIDGE), BRIDGE).unwrap();
        raw.add_alternative_name(ALIASED, ALIAS).unwrap();
        let elsewhere = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            (own_namespace(), Raw::new())
        };
        let (there, raw_there) = thread::spawn(elsewhere).join().unwrap();
        Self { here: own_namespace(), there, raw_there: Mutex::new(raw_there), exclusion }
    }

    /// A connection that changes links of the other namespace.
    pub(super) fn raw_there(&self) -> MutexGuard<'_, Raw> {
        self.raw_there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name under which a link is created.
pub(super) fn first_name(link: IfIndex) -> String {
    format!("link{link}")
}

/// Returns whether the log records each creation of a link with this index. A link that is moved
/// back and finds its index taken gets another one, which is not recorded.
pub(super) fn is_known(link: IfIndex) -> bool {
    let others = [BRIDGE, FAR_END];
    TRANSIENT.contains(&link)
        || PERMANENT.contains(&link)
        || PORTS.contains(&link)
        || TEAMS.contains(&link)
        || others.contains(&link)
}
