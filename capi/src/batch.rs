//! What a batch of changes means for the C API: plain values, made of the crate's.

use libteam::{Change, Changes, Link, OptionId, OptionValue, Port, TeamHandle, TeamOption};

/// What the C API shows of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) ifindex: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) hwaddr: Vec<u8>,
    /// Empty where it is unknown.
    pub(crate) original_hwaddr: Vec<u8>,
    /// 0 for none.
    pub(crate) master: u32,
    pub(crate) is_admin_up: bool,
    pub(crate) phys_port_id: Vec<u8>,
}

/// What the C API shows of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortState {
    pub(crate) ifindex: u32,
    pub(crate) is_link_up: bool,
    pub(crate) speed: u32,
    pub(crate) duplex: u8,
}

/// An option and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionState {
    pub(crate) id: OptionId,
    pub(crate) value: OptionValue,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Added,
    Changed,
    /// It was removed and added again.
    Recreated,
    Removed,
    /// A link that exists, but is not a port any more.
    Released,
}

/// One changed object, as it is now or was last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<T> {
    pub(crate) fate: Fate,
    pub(crate) state: T,
}

/// The changes of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) links: Vec<Item<LinkState>>,
    pub(crate) ports: Vec<Item<PortState>>,
    pub(crate) options: Vec<Item<OptionState>>,
}

impl Batch {
    /// Everything that a handle knows, as added.
    pub(crate) fn everything(team: &TeamHandle) -> Self {
        fn added<T>(state: T) -> Item<T> {
            Item { fate: Fate::Added, state }
        }
        Self {
            links: team.links().map(LinkState::from).map(added).collect(),
            ports: team.ports().map(PortState::from).map(added).collect(),
            options: team.options().filter_map(option_state).map(added).collect(),
        }
    }
}

impl From<&Changes> for Batch {
    fn from(changes: &Changes) -> Self {
        Self {
            links: changes
                .links()
                .map(|change| Item {
                    fate: if change.is_released() { Fate::Released } else { fate(change) },
                    state: change.latest().into(),
                })
                .collect(),
            ports: changes
                .ports()
                .filter(|change| !is_rename(change))
                .map(|change| Item { fate: fate(change), state: change.latest().into() })
                .collect(),
            options: changes
                .options()
                .filter_map(|change| {
                    Some(Item { fate: fate(change), state: option_state(change.latest())? })
                })
                .collect(),
        }
    }
}

fn fate<T: Clone>(change: &Change<T>) -> Fate {
    if change.is_removed() {
        Fate::Removed
    } else if change.is_recreated() {
        Fate::Recreated
    } else if change.is_added() {
        Fate::Added
    } else {
        Fate::Changed
    }
}

/// The name of a port is that of its link, which reports the change by itself.
fn is_rename(change: &Change<Port>) -> bool {
    fate(change) == Fate::Changed
        && change.before().is_some_and(|before| before.name_os() != change.latest().name_os())
        && change.before().map(PortState::from) == Some(change.latest().into())
}

impl From<&Link> for LinkState {
    fn from(link: &Link) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self {
            ifindex: link.ifindex().get(),
            name: link.name_os().as_bytes().to_vec(),
            hwaddr: link.hwaddr().map(|address| address.as_bytes().to_vec()).unwrap_or_default(),
            original_hwaddr: link
                .original_hwaddr()
                .map(|address| address.as_bytes().to_vec())
                .unwrap_or_default(),
            master: link.master().map_or(0, libteam::IfIndex::get),
            is_admin_up: link.is_admin_up(),
            phys_port_id: link.phys_port_id().map(<[u8]>::to_vec).unwrap_or_default(),
        }
    }
}

impl From<&Port> for PortState {
    fn from(port: &Port) -> Self {
        Self {
            ifindex: port.ifindex().get(),
            is_link_up: port.is_link_up(),
            speed: port.raw_speed(),
            duplex: port.raw_duplex(),
        }
    }
}

/// The C API has no type for an option of a type that the library does not know.
fn option_state(option: &TeamOption) -> Option<OptionState> {
    match option.value() {
        OptionValue::Other { .. } => None,
        value => Some(OptionState { id: option.id().clone(), value: value.clone() }),
    }
}
