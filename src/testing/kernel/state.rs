//! The state of a team and its namespace, in one shape for the kernel, the cache and the reports.

use std::collections::BTreeMap;

use super::options::CORE;
use crate::cache::Cache;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::option::{OptionId, TeamOption};
use crate::model::option_value::OptionValue;
use crate::model::port::Port;

/// Which thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Link(u32),
    Port(u32),
    Option(OptionId),
}

/// What it is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Link(LinkState),
    Port(PortState),
    Option(OptionValue),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) name: String,
    pub(crate) hwaddr: Vec<u8>,
    pub(crate) master: Option<u32>,
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    pub(crate) carrier_changes: u32,
    pub(crate) mtu: u32,
    pub(crate) kind: String,
    pub(crate) alternative_names: Vec<String>,
}

impl LinkState {
    /// A link that is down.
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            hwaddr: vec![2, 0, 0, 0, 1, 0],
            master: None,
            up: false,
            carrier: false,
            carrier_changes: 0,
            mtu: 1500,
            kind: kind.to_owned(),
            alternative_names: vec![],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortState {
    pub(crate) link_up: bool,
    pub(crate) speed: u32,
}

/// All things, and the order of the ports and options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) things: BTreeMap<Key, Value>,
    pub(crate) order: Vec<Key>,
}

impl State {
    pub(crate) fn of(cache: &Cache) -> Self {
        let links = cache.links().iter().map(link);
        let ports: Vec<_> = cache.ports().iter().map(port).collect();
        let options: Vec<_> = cache.options().iter().map(option).collect();
        let order = ports.iter().chain(&options).map(|(key, _)| key.clone()).collect();
        Self { things: links.chain(ports).chain(options).collect(), order }
    }

    /// Without the options that a cut list lacks.
    pub(crate) fn without_hidden(mut self) -> Self {
        let is_listed = |key: &Key| !matches!(key, Key::Option(id) if !CORE.contains(&&*id.name));
        self.things.retain(|key, _| is_listed(key));
        self.order.retain(is_listed);
        self
    }
}

pub(crate) fn link(link: &Link) -> (Key, Value) {
    let state = LinkState {
        name: link.name().to_owned(),
        hwaddr: link.hwaddr().map(|hwaddr| hwaddr.as_bytes().to_vec()).unwrap_or_default(),
        master: link.master().map(IfIndex::get),
        up: link.is_admin_up(),
        carrier: link.has_carrier(),
        carrier_changes: link.carrier_changes(),
        mtu: link.mtu(),
        kind: link.kind().unwrap_or_default().to_owned(),
        alternative_names: link.alternative_names().map(str::to_owned).collect(),
    };
    (Key::Link(link.ifindex().get()), Value::Link(state))
}

pub(crate) fn port(port: &Port) -> (Key, Value) {
    let state = PortState { link_up: port.is_link_up(), speed: port.speed_mbps().unwrap_or(0) };
    (Key::Port(port.ifindex().get()), Value::Port(state))
}

pub(crate) fn option(option: &TeamOption) -> (Key, Value) {
    (Key::Option(option.id().clone()), Value::Option(option.value().clone()))
}
