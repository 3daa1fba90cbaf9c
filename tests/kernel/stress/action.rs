//! The actions of the stress test, and the facts that each one establishes or ends.

use libteam::{IfIndex, OptionId, OptionValue};

use super::world::{TEAMS, TRANSIENT, is_known, veth_peer};

#[derive(Clone, Debug)]
pub(super) enum Action {
    Add {
        kind: &'static str,
        link: IfIndex,
    },
    AddVeth {
        link: IfIndex,
    },
    AddVlan {
        link: IfIndex,
        lower: IfIndex,
    },
    Delete {
        link: IfIndex,
    },
    Rename {
        link: IfIndex,
        name: String,
    },
    SetHwaddr {
        link: IfIndex,
        last_byte: u8,
    },
    SetMtu {
        link: IfIndex,
        mtu: u32,
    },
    SetFlags {
        link: IfIndex,
        flags: u32,
        mask: u32,
    },
    SetCarrier {
        link: IfIndex,
        carrier: bool,
    },
    AddAlternativeName {
        link: IfIndex,
        name: String,
    },
    DeleteAlternativeName {
        link: IfIndex,
        name: String,
    },
    SetMaster {
        link: IfIndex,
        master: Option<IfIndex>,
    },
    SendAway {
        link: IfIndex,
    },
    BringBack {
        link: IfIndex,
    },
    DeleteAway {
        link: IfIndex,
    },
    SetMode {
        team: IfIndex,
        mode: &'static str,
    },
    SetOption {
        team: IfIndex,
        id: OptionId,
        value: OptionValue,
    },
    /// Runs the C library's `teamnl`, with alternative names that never change.
    Teamnl {
        words: &'static str,
        port: Option<(IfIndex, Option<IfIndex>)>,
    },
    Pause {
        milliseconds: u64,
    },
}

/// Something that a handle reports and that holds for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// One link keeps this index.
    Link(IfIndex),
    /// A link is a port of a team.
    Port { team: IfIndex, port: IfIndex },
    /// A team keeps its mode.
    Mode { team: IfIndex },
}

/// The effect of an action on a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The fact does not change.
    None,
    /// The fact holds afterwards.
    Makes,
    /// The fact does not hold afterwards.
    Ends,
    /// The fact may hold afterwards or not.
    Unsure,
}

impl Action {
    /// Returns a short name for the kind of action.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Add { kind, .. } => kind,
            Self::AddVeth { .. } => "veth",
            Self::AddVlan { .. } => "vlan",
            Self::Delete { link } if TEAMS.contains(link) => "delete team",
            Self::Delete { .. } => "delete",
            Self::Rename { .. } => "rename",
            Self::SetHwaddr { .. } => "address",
            Self::SetMtu { .. } => "mtu",
            Self::SetFlags { .. } => "flags",
            Self::SetCarrier { .. } => "carrier",
            Self::AddAlternativeName { .. } | Self::DeleteAlternativeName { .. } => {
                "alternative name"
            }
            Self::SetMaster { master: Some(master), .. } if TEAMS.contains(master) => "enslave",
            Self::SetMaster { master: Some(_), .. } => "other master",
            Self::SetMaster { master: None, .. } => "release",
            Self::SendAway { .. } => "move",
            Self::BringBack { .. } => "move back",
            Self::DeleteAway { .. } => "delete elsewhere",
            Self::SetMode { .. } => "mode",
            Self::SetOption { .. } => "option",
            Self::Teamnl { .. } => "C teamnl",
            Self::Pause { .. } => "pause",
        }
    }

    /// Returns whether the action can have an effect although it is reported as failed.
    pub(super) fn may_fail_halfway(&self) -> bool {
        matches!(
            self,
            Self::AddVeth { .. }
                | Self::SetMaster { .. }
                | Self::Teamnl { .. }
                | Self::SetMode { .. }
        )
    }

    pub(super) fn effect_on(&self, fact: Fact) -> Effect {
        match fact {
            Fact::Link(link) => self.effect_on_link(link),
            Fact::Port { team, port } => self.effect_on_port(team, port),
            Fact::Mode { team } => match self {
                Self::SetMode { team: changed, .. } if *changed == team => Effect::Unsure,
                Self::Delete { link } | Self::Add { link, .. } if *link == team => Effect::Unsure,
                _ => Effect::None,
            },
        }
    }

    fn effect_on_link(&self, fact: IfIndex) -> Effect {
        let is_veth_peer =
            TRANSIENT.contains(&fact) && self.subject().is_some_and(|link| veth_peer(link) == fact);
        match self {
            Self::Add { link, .. } | Self::AddVlan { link, .. } | Self::AddVeth { link }
                if *link == fact =>
            {
                Effect::Makes
            }
            Self::AddVeth { .. } if is_veth_peer => Effect::Makes,
            // If the index is taken, the link gets another one; a link has this index in both
            // cases.
            Self::BringBack { link } if *link == fact => Effect::Makes,
            Self::Delete { link } | Self::SendAway { link } if *link == fact => Effect::Ends,
            Self::Delete { .. } | Self::DeleteAway { .. } if is_veth_peer => Effect::Unsure,
            // The link may be the peer of any veth device.
            Self::Delete { .. } | Self::DeleteAway { .. } if !is_known(fact) => Effect::Unsure,
            // The link may have been a VLAN device over the deleted link.
            Self::Delete { .. } if TRANSIENT.contains(&fact) => match self.subject() {
                Some(link) if TEAMS.contains(&link) => Effect::Unsure,
                _ => Effect::None,
            },
            _ => Effect::None,
        }
    }

    fn effect_on_port(&self, team: IfIndex, port: IfIndex) -> Effect {
        match self {
            Self::SetMaster { link, master } | Self::Teamnl { port: Some((link, master)), .. }
                if *link == port =>
            {
                if *master == Some(team) {
                    Effect::Makes
                } else {
                    Effect::Ends
                }
            }
            Self::Delete { link } | Self::Add { link, .. } if *link == team => Effect::Ends,
            _ => match self.effect_on_link(port) {
                Effect::None => Effect::None,
                Effect::Unsure => Effect::Unsure,
                // A new link, and a link that moved back, has no master.
                Effect::Makes | Effect::Ends => Effect::Ends,
            },
        }
    }

    /// Returns the link that the action itself changes.
    fn subject(&self) -> Option<IfIndex> {
        match self {
            Self::Add { link, .. }
            | Self::AddVeth { link }
            | Self::AddVlan { link, .. }
            | Self::Delete { link }
            | Self::SendAway { link }
            | Self::BringBack { link }
            | Self::DeleteAway { link } => Some(*link),
            _ => None,
        }
    }
}
