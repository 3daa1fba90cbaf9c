//! What is drawn from the seed: what a round does to the team, and the next actions of each writer.

use fastrand::Rng;
use libteam::{IfIndex, OptionId, OptionValue};

use super::action::Action;
use super::world::{
    ALIAS, BRIDGE, FAR_END, OTHER_TEAM, PERMANENT, PORTS, TEAM, TEAM_ALIAS, TEAMS, TRANSIENT,
    first_name,
};

/// What happens to the team in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TeamLife {
    /// The team keeps its mode and its permanent ports.
    Kept,
    /// The team loses all its ports from time to time, and gets another mode.
    ModeChanges,
    /// The team is deleted and created again from time to time.
    Recreated,
}

/// The plan of one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) team_life: TeamLife,
    pub(super) writers: usize,
    /// The number of times that each writer draws actions.
    pub(super) draws: usize,
    /// Whether writers pause from time to time, so that handles read all events.
    pub(super) rests: bool,
    /// Whether another program sets the team's carrier. The kernel does not report a new carrier of
    /// a team that is down.
    pub(super) carriers: bool,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng, carriers: bool) -> Self {
        let team_life = match rng.u32(..10) {
            0..5 => TeamLife::Kept,
            5..8 => TeamLife::ModeChanges,
            _ => TeamLife::Recreated,
        };
        Self {
            team_life,
            writers: rng.usize(1..=3),
            draws: rng.usize(10..=60),
            rests: rng.bool(),
            carriers,
        }
    }

    /// Returns the actions before the writers start; in some rounds they add permanent ports.
    pub(super) fn prologue(self) -> Vec<Action> {
        if self.team_life != TeamLife::Kept {
            return Vec::new();
        }
        PORTS.map(|link| Action::SetMaster { link, master: Some(TEAM) }).to_vec()
    }

    /// Returns the actions after the writers stopped; the team exists afterwards.
    pub(super) fn epilogue(rng: &mut Rng) -> Vec<Action> {
        let mut actions = Vec::new();
        for team in TEAMS {
            actions.extend(make_team(team, rng));
        }
        actions
    }

    /// Returns the next actions of one writer.
    pub(super) fn next(self, rng: &mut Rng, writer: usize) -> Vec<Action> {
        match rng.u32(..100) {
            0..9 => vec![add(rng)],
            9..16 => vec![Action::Delete { link: any(rng, &TRANSIENT) }],
            16..23 => {
                vec![Action::Rename { link: anything(rng), name: format!("name{}", rng.u32(..20)) }]
            }
            23..26 => swap_names(anything(rng), anything(rng), writer),
            26..30 => vec![Action::SetHwaddr { link: anything(rng), last_byte: rng.u8(..) }],
            30..36 => vec![Action::SetMtu { link: anything(rng), mtu: rng.u32(1200..1500) }],
            36..43 => vec![flags(rng)],
            43..46 => vec![self.carrier(rng)],
            46..49 => vec![alternative_name(rng)],
            49..65 => vec![self.master(rng)],
            65..71 => moves(rng),
            71..75 => self.mode(rng),
            75..93 => vec![option(rng)],
            93..94 => vec![teamnl(rng)],
            94..96 => self.end_of_team(rng),
            96..98 if self.rests => vec![Action::Pause { milliseconds: rng.u64(1..30) }],
            _ => vec![Action::SetFlags { link: any(rng, &TEAMS), flags: 1, mask: 1 }],
        }
    }

    fn carrier(self, rng: &mut Rng) -> Action {
        let carrier = rng.bool();
        match rng.u32(..4) {
            0 if self.carriers => Action::SetCarrier { link: any(rng, &TEAMS), carrier },
            1 => Action::SetCarrier { link: any(rng, &PERMANENT), carrier },
            _ => Action::SetFlags { link: FAR_END, flags: carrier.into(), mask: 1 },
        }
    }

    fn master(self, rng: &mut Rng) -> Action {
        let link = match rng.u32(..10) {
            0..4 => any(rng, &PERMANENT),
            4 if self.team_life != TeamLife::Kept => any(rng, &PORTS),
            5 => any(rng, &[OTHER_TEAM, BRIDGE]),
            _ => any(rng, &TRANSIENT),
        };
        let master = match rng.u32(..10) {
            0..5 => Some(TEAM),
            5 => Some(OTHER_TEAM),
            6 => Some(BRIDGE),
            7 => Some(any(rng, &TRANSIENT)),
            _ => None,
        };
        Action::SetMaster { link, master }
    }

    fn mode(self, rng: &mut Rng) -> Vec<Action> {
        let team = if self.team_life == TeamLife::ModeChanges { TEAM } else { OTHER_TEAM };
        let mode = any(rng, &["roundrobin", "random", "broadcast", "activebackup", "loadbalance"]);
        let mut actions: Vec<Action> =
            if rng.bool() { all_released().collect() } else { Vec::new() };
        actions.push(Action::SetMode { team, mode });
        actions
    }

    fn end_of_team(self, rng: &mut Rng) -> Vec<Action> {
        let team =
            if self.team_life == TeamLife::Recreated { any(rng, &TEAMS) } else { OTHER_TEAM };
        let mut actions = vec![Action::Delete { link: team }];
        if rng.u32(..4) == 0 {
            // Another link takes its index.
            actions.push(Action::Add { kind: "dummy", link: team });
            actions.push(Action::Delete { link: team });
        }
        if rng.u32(..3) > 0 {
            actions.extend(make_team(team, rng));
        }
        actions
    }
}

fn any<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn anything(rng: &mut Rng) -> IfIndex {
    match rng.u32(..10) {
        0..4 => any(rng, &TRANSIENT),
        4..7 => any(rng, &PERMANENT),
        7 => any(rng, &PORTS),
        8 => any(rng, &[BRIDGE, FAR_END]),
        _ => any(rng, &TEAMS),
    }
}

fn all_released() -> impl Iterator<Item = Action> {
    PERMANENT
        .into_iter()
        .chain(TRANSIENT)
        .chain(PORTS)
        .map(|link| Action::SetMaster { link, master: None })
}

fn flags(rng: &mut Rng) -> Action {
    // IFF_UP, IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI, IFF_MULTICAST
    let mask = any(rng, &[1, 1, 1, 1, 0x80, 0x100, 0x200, 0x1000]);
    Action::SetFlags { link: anything(rng), flags: any(rng, &[0, mask]), mask }
}

fn add(rng: &mut Rng) -> Action {
    let link = any(rng, &TRANSIENT);
    match rng.u32(..10) {
        0..3 => Action::AddVeth { link },
        3 => Action::AddVlan { link, lower: any(rng, &TEAMS) },
        4 => Action::Add { kind: any(rng, &["team", "bridge"]), link },
        _ => Action::Add { kind: "dummy", link },
    }
}

/// Returns actions that give each of two links the other's name, also if other writers interfere.
fn swap_names(one: IfIndex, other: IfIndex, writer: usize) -> Vec<Action> {
    let names = ["one", "other", "between"].map(|name| format!("{name}{writer}"));
    let rename = |link, name: &String| Action::Rename { link, name: name.clone() };
    let mut actions = vec![
        rename(one, &names[0]),
        rename(other, &names[1]),
        rename(one, &names[2]),
        rename(other, &names[0]),
        rename(one, &names[1]),
    ];
    actions.extend([one, other].map(|link| Action::Rename { link, name: first_name(link) }));
    actions
}

fn alternative_name(rng: &mut Rng) -> Action {
    let (link, name) = (anything(rng), format!("alternative{}", rng.u32(..6)));
    if rng.bool() {
        Action::AddAlternativeName { link, name }
    } else {
        Action::DeleteAlternativeName { link, name }
    }
}

fn moves(rng: &mut Rng) -> Vec<Action> {
    let link = any(rng, &TRANSIENT);
    let mut actions = vec![Action::SendAway { link }];
    match rng.u32(..5) {
        0..2 => actions.push(Action::BringBack { link }),
        2 => actions.push(Action::DeleteAway { link }),
        3 => actions[0] = Action::BringBack { link },
        _ => {}
    }
    actions
}

fn option(rng: &mut Rng) -> Action {
    const GLOBAL: [&str; 4] = [
        "notify_peers_count",
        "notify_peers_interval",
        "mcast_rejoin_count",
        "mcast_rejoin_interval",
    ];
    const SWITCHES: [&str; 5] =
        ["enabled", "rx_enabled", "tx_enabled", "user_linkup", "user_linkup_enabled"];
    /// `ret #0`
    const PROGRAM: [u8; 8] = [6, 0, 0, 0, 0, 0, 0, 0];
    let port = match rng.u32(..3) {
        0 => any(rng, &PORTS),
        1 => any(rng, &PERMANENT),
        _ => any(rng, &TRANSIENT),
    };
    let team = if rng.u32(..6) == 0 { OTHER_TEAM } else { TEAM };
    let (id, value): (OptionId, OptionValue) = match rng.u32(..10) {
        0..2 => (OptionId::global(any(rng, &GLOBAL)), rng.u32(..3).into()),
        2..6 => (OptionId::port(any(rng, &SWITCHES), port), rng.bool().into()),
        6 => (OptionId::port("priority", port), rng.i32(-3..3).into()),
        7 => (OptionId::port("queue_id", port), rng.u32(..3).into()),
        8 => (OptionId::global("activeport"), port.get().into()),
        _ => match rng.u32(..4) {
            0 => {
                (OptionId::element("lb_tx_hash_to_port_mapping", rng.u32(..256)), port.get().into())
            }
            1 => (
                OptionId::global("lb_tx_method"),
                any(rng, &["hash", "hash_to_port_mapping"]).into(),
            ),
            2 => (OptionId::global("lb_stats_refresh_interval"), rng.u32(1..4).into()),
            _ => {
                let program: &[u8] = any(rng, &[&[], &PROGRAM]);
                (OptionId::global("bpf_hash_func"), OptionValue::Binary(program.to_vec()))
            }
        },
    };
    Action::SetOption { team, id, value }
}

fn teamnl(rng: &mut Rng) -> Action {
    let loose = PERMANENT[4];
    let (words, port) = any(
        rng,
        &[
            ("the-team setoption notify_peers_count 1", None),
            ("the-team setoption mcast_rejoin_interval 5", None),
            ("-p loose the-team setoption priority 9", None),
            ("-p loose the-team setoption user_linkup true", None),
            ("the-team port add loose", Some((loose, Some(TEAM)))),
            ("the-team port remove loose", Some((loose, None))),
        ],
    );
    debug_assert!(words.contains(TEAM_ALIAS) && (port.is_none() || words.contains(ALIAS)));
    Action::Teamnl { words, port }
}

fn make_team(team: IfIndex, rng: &mut Rng) -> Vec<Action> {
    let mode = any(rng, &["roundrobin", "random", "broadcast", "activebackup", "loadbalance"]);
    let mut actions =
        vec![Action::Add { kind: "team", link: team }, Action::SetMode { team, mode }];
    if team == TEAM {
        actions.push(Action::AddAlternativeName { link: team, name: TEAM_ALIAS.to_owned() });
    }
    actions
}
