//! The teams, their VLANs and ports, and the process that changes them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libteam::{IfIndex, Mode, TeamHandle};

use crate::Size;
use crate::follow::{FIRST_PASSING, describe_link, describe_port, describe_team, monotonic};
use crate::netns::{index, ip_json};
use crate::raw::{IFF_UP, Raw};

/// Far from the indices that the kernel gives by itself, and below 4,095, as each is also the
/// number of the VLAN.
const FIRST_VLAN: u16 = 1_000;
/// The first index of the ports that exist all the time.
const FIRST_PORT: u32 = 5_000;
const PORTS: u32 = 2;

pub(crate) struct Scene {
    pub(crate) teams: Vec<Team>,
    raw: Raw,
    next_passing: u32,
    /// How many requests changed something.
    pub(crate) changes: usize,
}

pub(crate) struct Team {
    pub(crate) ifindex: IfIndex,
    ports: Vec<IfIndex>,
    vlans: Vec<IfIndex>,
    /// The port that goes next, and the link that went before it: teamd must be able to look at a
    /// port that it lost.
    passing: Option<IfIndex>,
    released: Option<IfIndex>,
    renames: u32,
}

/// The name of a team.
pub(crate) fn team_name(number: u16) -> String {
    format!("flap{number}")
}

/// Creates the teams of the scene, without ports.
pub(crate) fn create_teams(size: Size) {
    for number in 0..size.teams {
        let mut team = TeamHandle::create(team_name(number)).unwrap();
        team.set_mode(Mode::ActiveBackup).unwrap();
    }
}

impl Scene {
    /// Gives the teams of the current namespace their ports and VLANs, all of them up.
    pub(crate) fn new(size: Size) -> Self {
        let mut raw = Raw::new();
        let teams = (0..size.teams).map(|number| Team::new(&mut raw, number, size.vlans)).collect();
        Self { teams, raw, next_passing: FIRST_PASSING, changes: 0 }
    }

    /// Flaps everything for some time; returns the time of the last change.
    pub(crate) fn flap(&mut self, time: Duration) -> Duration {
        let start = Instant::now();
        while start.elapsed() < time {
            for team in 0..self.teams.len() {
                self.flap_team(team);
            }
        }
        // What has to be right: one port without a carrier, and every other VLAN down.
        for team in &mut self.teams {
            for vlan in team.vlans.iter().step_by(2) {
                self.raw.set_flags(*vlan, 0, IFF_UP).unwrap();
            }
            team.rename_port(&mut self.raw);
            self.raw.set_carrier(*team.ports.first().unwrap(), false).unwrap();
        }
        monotonic()
    }

    /// Takes the carrier and the VLANs of a team down and up again, and replaces a port.
    fn flap_team(&mut self, number: usize) {
        let passing = IfIndex::new(self.next_passing).unwrap();
        self.next_passing += 1;
        let (raw, team) = (&mut self.raw, self.teams.get_mut(number).unwrap());
        for (is_up, flags) in [(false, 0), (true, IFF_UP)] {
            for port in &team.ports {
                raw.set_carrier(*port, is_up).unwrap();
            }
            for vlan in &team.vlans {
                raw.set_flags(*vlan, flags, IFF_UP).unwrap();
            }
            team.rename_port(raw);
        }
        let before = team.passing.replace(passing);
        if let Some(port) = before {
            raw.set_master(port, None).unwrap();
        }
        if let Some(link) = std::mem::replace(&mut team.released, before) {
            raw.delete(link).unwrap();
        }
        raw.add_dummy(&format!("passing{passing}"), passing).unwrap();
        raw.set_master(passing, Some(team.ifindex)).unwrap();
        self.changes += 2 * (team.vlans.len() + team.ports.len() + 1) + 4;
    }

    /// Returns what a follower must know of the teams: of all links, or of those of each team. Asks
    /// the kernel with `ip`.
    pub(crate) fn state(&self, all_links: bool) -> Vec<String> {
        self.ports();
        let links = Links::read();
        self.teams.iter().flat_map(|team| links.describe(team.ifindex, all_links)).collect()
    }

    /// Returns the ports of each team, and whether each is up.
    pub(crate) fn ports(&self) -> Vec<BTreeMap<u32, bool>> {
        let links = Links::read();
        let of = |team: &Team| {
            let ports = links.ports(team.ifindex);
            assert!(
                team.ports.iter().all(|port| ports.contains_key(&port.get())),
                "team {} has lost ports that the scene did not release: {ports:?}",
                team.ifindex
            );
            ports
        };
        self.teams.iter().map(of).collect()
    }
}

impl Team {
    fn new(raw: &mut Raw, number: u16, vlans: u16) -> Self {
        let name = team_name(number);
        let ifindex = index(&name);
        let ports: Vec<IfIndex> = (0..PORTS)
            .map(|port| IfIndex::new(FIRST_PORT + PORTS * u32::from(number) + port).unwrap())
            .collect();
        raw.set_flags(ifindex, IFF_UP, IFF_UP).unwrap();
        for port in &ports {
            raw.add_dummy(&format!("k{port}x0"), *port).unwrap();
            raw.set_master(*port, Some(ifindex)).unwrap();
        }
        let first = FIRST_VLAN + number * vlans;
        let vlans: Vec<IfIndex> =
            (first..first + vlans).map(|vlan| IfIndex::new(vlan.into()).unwrap()).collect();
        for vlan in &vlans {
            raw.add_vlan(&format!("{name}.{vlan}"), *vlan, ifindex).unwrap();
            raw.set_flags(*vlan, IFF_UP, IFF_UP).unwrap();
        }
        Self { ifindex, ports, vlans, passing: None, released: None, renames: 0 }
    }

    /// Gives a port a name whose number is larger than before.
    fn rename_port(&mut self, raw: &mut Raw) {
        let port = *self.ports.first().unwrap();
        self.renames += 1;
        raw.rename(port, &format!("k{port}x{}", self.renames)).unwrap();
    }
}

/// What `ip` prints of all links.
struct Links(Vec<Link>);

struct Link {
    ifindex: u32,
    name: String,
    is_up: bool,
    /// What the driver calls up: `netif_oper_up`.
    is_running: bool,
    master: u32,
}

impl Links {
    fn read() -> Self {
        let printed = ip_json("link show");
        let text = |link: &serde_json::Value, key: &str| {
            link.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let number = |link: &serde_json::Value| {
            u32::try_from(link.get("ifindex").unwrap().as_u64().unwrap()).unwrap()
        };
        let indices: BTreeMap<String, u32> =
            printed.iter().map(|link| (text(link, "ifname"), number(link))).collect();
        let links = printed.iter().map(|link| {
            let flags = link.get("flags").unwrap().as_array().unwrap();
            let is_up = flags.iter().any(|flag| flag == "UP");
            let is_running = is_up && ["UP", "UNKNOWN"].contains(&&*text(link, "operstate"));
            let master = indices.get(&text(link, "master")).copied().unwrap_or_default();
            Link { ifindex: number(link), name: text(link, "ifname"), is_up, is_running, master }
        });
        let mut links: Vec<Link> = links.collect();
        links.sort_unstable_by_key(|link| link.ifindex);
        Self(links)
    }

    fn describe(&self, team: IfIndex, all_links: bool) -> Vec<String> {
        let is_port = |link: &&Link| link.master == team.get();
        let links = self
            .0
            .iter()
            .filter(|link| all_links || is_port(link) || link.ifindex == team.get())
            .map(|link| describe_link(link.ifindex, &link.name, link.is_up, link.master));
        let ports = self.0.iter().filter(is_port);
        let ports = ports.map(|link| describe_port(link.ifindex, link.is_running));
        [describe_team(team)].into_iter().chain(links).chain(ports).collect()
    }

    fn ports(&self, team: IfIndex) -> BTreeMap<u32, bool> {
        let ports = self.0.iter().filter(|link| link.master == team.get());
        ports.map(|link| (link.ifindex, link.is_running)).collect()
    }
}
