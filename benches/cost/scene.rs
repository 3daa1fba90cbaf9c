//! The team that is measured, and the other links of its namespace.

use std::thread;
use std::time::Duration;

use libteam::{IfIndex, LinkScope, Mode, TeamBuilder, TeamHandle};

use crate::c_library::CLibrary;
use crate::netns::{dummies, enter, index, ip};
use crate::raw::Raw;

const PORTS: usize = 8;
/// Far from the indices that the kernel gives by itself.
const FIRST_OTHER: u32 = 100_000;

pub(crate) struct Scene {
    pub(crate) team: IfIndex,
    pub(crate) ports: Vec<IfIndex>,
    /// A link that has nothing to do with the team.
    pub(crate) unrelated: IfIndex,
    others: u32,
}

impl Scene {
    /// In a network namespace of its own: a team that is up, with its ports.
    pub(crate) fn new() -> Self {
        enter();
        let (team, ports) = team("team0", Mode::ActiveBackup);
        dummies(&["unrelated"]);
        let unrelated = index("unrelated");
        // Names of one length from the start, for bytes are counted.
        for link in [unrelated, *ports.first().unwrap()] {
            let mut renames = Renames::of(link);
            (0..2).for_each(|_| renames.next());
        }
        settle();
        Self { team, ports, unrelated, others: 0 }
    }

    /// Adds other links until there are so many.
    pub(crate) fn grow_to(&mut self, others: u32) {
        let mut raw = Raw::new();
        for number in self.others..others {
            raw.add_dummy(&format!("other{number}"), IfIndex::new(FIRST_OTHER + number).unwrap())
                .unwrap();
        }
        self.others = others;
        settle();
    }

    pub(crate) fn others(&self) -> u32 {
        self.others
    }

    /// The number of all links of the namespace.
    pub(crate) fn links(&self) -> u32 {
        // The loopback link, the team and the unrelated link.
        3 + u32::try_from(PORTS).unwrap() + self.others
    }

    /// Has the C library do these things with the team, one after the other, and tells how long
    /// each took.
    pub(crate) fn run(&self, c_library: &CLibrary, things: &[&str]) -> Vec<Duration> {
        let mut words = vec![self.team.to_string()];
        words.extend(things.iter().map(ToString::to_string));
        c_library.run(&words)
    }

    /// Gives the handle's user what it wants of this team.
    pub(crate) fn open(&self, scope: LinkScope) -> TeamHandle {
        builder(scope).open_index(self.team).expect("the team can be opened")
    }
}

pub(crate) fn builder(scope: LinkScope) -> TeamBuilder {
    TeamHandle::builder().link_scope(scope)
}

/// A team with dummy ports in the current namespace.
pub(crate) fn team(name: &str, mode: Mode) -> (IfIndex, Vec<IfIndex>) {
    let mut team = TeamHandle::create(name).unwrap();
    team.set_mode(mode).unwrap();
    let names: Vec<String> = (0..PORTS).map(|number| format!("port{number}")).collect();
    dummies(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let ports: Vec<IfIndex> = names.iter().map(|port| index(port)).collect();
    for port in &ports {
        team.add_port(*port).unwrap();
    }
    ip(&format!("link set {name} up"));
    (team.ifindex(), ports)
}

/// A link that has one of two names, and the other one next: each time that is one notification.
pub(crate) struct Renames {
    raw: Raw,
    link: IfIndex,
    number: u32,
}

impl Renames {
    /// Of a link that was renamed an even number of times.
    pub(crate) fn of(link: IfIndex) -> Self {
        Self { raw: Raw::new(), link, number: 0 }
    }

    pub(crate) fn next(&mut self) {
        self.raw.rename(self.link, &format!("r{}x{}", self.link, self.number % 2)).unwrap();
        self.number += 1;
    }
}

/// The kernel tells some things later.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(500));
}
