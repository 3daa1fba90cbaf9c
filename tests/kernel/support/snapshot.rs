//! The comparison of a handle's cache with a fresh handle and with `ip`.

use std::collections::BTreeMap;

use libteam::{
    HwAddr, IfIndex, Link, LinkFlags, LinkScope, OperState, OptionId, OptionValue, Port, TeamHandle,
};
use serde_json::Value;

use crate::support::netns::ip_json;

/// The state in which two handles of the same team agree. It lacks the original hardware address of
/// a port, which is known only to a handle that was open before the link became a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) links: BTreeMap<u32, LinkState>,
    pub(crate) ports: Vec<Port>,
    pub(crate) options: BTreeMap<OptionId, OptionValue>,
    /// The ids of the options, in the handle's order.
    pub(crate) option_order: Vec<OptionId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) name: String,
    pub(crate) hwaddr: Option<HwAddr>,
    pub(crate) master: Option<IfIndex>,
    pub(crate) flags: LinkFlags,
    pub(crate) carrier: bool,
    pub(crate) carrier_changes: u32,
    pub(crate) oper_state: OperState,
    pub(crate) mtu: u32,
    pub(crate) kind: Option<String>,
    pub(crate) alternative_names: Vec<String>,
}

impl From<&Link> for LinkState {
    fn from(link: &Link) -> Self {
        Self {
            name: link.name().to_owned(),
            hwaddr: link.hwaddr(),
            master: link.master(),
            flags: link.flags(),
            carrier: link.has_carrier(),
            carrier_changes: link.carrier_changes(),
            oper_state: link.oper_state(),
            mtu: link.mtu(),
            kind: link.kind().map(str::to_owned),
            alternative_names: link.alternative_names().map(str::to_owned).collect(),
        }
    }
}

/// Reads a handle's cache.
pub(crate) fn state(team: &TeamHandle) -> State {
    State {
        links: team.links().map(|each| (each.ifindex().get(), LinkState::from(each))).collect(),
        ports: team.ports().cloned().collect(),
        options: team
            .options()
            .map(|option| (option.id().clone(), option.value().clone()))
            .collect(),
        option_order: team.options().map(|option| option.id().clone()).collect(),
    }
}

/// Panics unless the cache equals that of a fresh handle and the output of `ip -j -d link`. Events
/// must have been handled before.
pub(crate) fn assert_matches_kernel(team: &TeamHandle) {
    let builder = TeamHandle::builder().link_scope(team.link_scope());
    let fresh = builder.open_index(team.ifindex()).expect("opening a second handle");
    assert_eq!(state(team), state(&fresh), "this handle's cache and a new handle's");
    assert_links_match_ip(team);
}

/// Panics unless the cached links are those that `ip -j -d link` prints.
pub(crate) fn assert_links_match_ip(team: &TeamHandle) {
    let by_index: BTreeMap<u32, Value> = ip_json("-d link")
        .into_iter()
        .map(|link| (u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap(), link))
        .collect();
    let names = |ifindex: Option<IfIndex>| {
        ifindex.map(|ifindex| by_index[&ifindex.get()]["ifname"].clone())
    };
    let cached: BTreeMap<u32, _> = team
        .links()
        .map(|link| {
            let address = link.hwaddr().map(|address| Value::from(address.to_string()));
            let kind = link.kind().map(Value::from);
            let more = (link.alternative_names().map(Value::from).collect(), link.is_admin_up());
            let row = (
                Value::from(link.name()),
                address,
                names(link.master()),
                kind,
                Value::from(link.mtu()),
                more,
            );
            (link.ifindex().get(), row)
        })
        .collect();
    let own = Value::from(team.name());
    let is_kept = |link: &Value| match team.link_scope() {
        LinkScope::All => true,
        _ => link["ifname"] == own || link.get("master") == Some(&own),
    };
    let printed: BTreeMap<u32, _> = by_index
        .iter()
        .filter(|(_, link)| is_kept(link))
        .map(|(ifindex, link)| {
            let kind = link.get("linkinfo").and_then(|info| info.get("info_kind")).cloned();
            let list = |key| link.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            let row = (
                link["ifname"].clone(),
                link.get("address").cloned(),
                link.get("master").cloned(),
                kind,
                link["mtu"].clone(),
                (list("altnames"), list("flags").contains(&Value::from("UP"))),
            );
            (*ifindex, row)
        })
        .collect();
    assert_eq!(cached, printed, "cached links, and those that ip prints");
}
