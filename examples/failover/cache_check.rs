//! Compares the links in the cache with the output of `ip -j link`.

use std::collections::{BTreeMap, BTreeSet};

use libteam::{HwAddr, Link, LinkFlags, TeamHandle};
use serde_json::Value;

use crate::ip::ip;
use crate::{Result, ensure};

/// The names of the flags in the output of `ip`.
const FLAG_WORDS: [(LinkFlags, &str); 13] = [
    (LinkFlags::LOOPBACK, "LOOPBACK"),
    (LinkFlags::BROADCAST, "BROADCAST"),
    (LinkFlags::POINT_TO_POINT, "POINTOPOINT"),
    (LinkFlags::MULTICAST, "MULTICAST"),
    (LinkFlags::NO_ARP, "NOARP"),
    (LinkFlags::ALL_MULTICAST, "ALLMULTI"),
    (LinkFlags::PROMISCUOUS, "PROMISC"),
    (LinkFlags::MASTER, "MASTER"),
    (LinkFlags::SLAVE, "SLAVE"),
    (LinkFlags::UP, "UP"),
    (LinkFlags::LOWER_UP, "LOWER_UP"),
    (LinkFlags::DORMANT, "DORMANT"),
    (LinkFlags::ECHO, "ECHO"),
];

/// The fields of a link that both sides have.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    mtu: u64,
    /// Ethernet addresses only: `ip` prints the addresses of tunnels as IP addresses.
    address: Option<HwAddr>,
    master: Option<String>,
    state: String,
    flags: BTreeSet<String>,
}

/// Returns an error that names the first difference between the cache and `ip -j link`. Does not
/// send requests through the handle.
pub(crate) fn check_cache(team: &TeamHandle) -> Result<()> {
    let json: Vec<Value> = serde_json::from_str(&ip("-j link")?)?;
    let printed: BTreeMap<u64, Row> = json.iter().map(printed_link).collect::<Result<_>>()?;
    let cached: BTreeMap<u64, Row> =
        team.links().map(|link| (link.ifindex().get().into(), cached_link(team, link))).collect();
    for ifindex in printed.keys().chain(cached.keys()) {
        let (printed, cached) = (printed.get(ifindex), cached.get(ifindex));
        ensure(printed == cached, || {
            format!("link {ifindex}: ip prints {printed:?}, the cache has {cached:?}")
        })?;
    }
    Ok(())
}

fn printed_link(link: &Value) -> Result<(u64, Row)> {
    let text = |name: &str| link.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| link.get(name).and_then(Value::as_u64);
    let missing = |name: &str| format!("missing {name} in the output of ip -j link");
    let flags = link.get("flags").and_then(Value::as_array).ok_or_else(|| missing("flags"))?;
    let row = Row {
        name: text("ifname").ok_or_else(|| missing("ifname"))?,
        mtu: number("mtu").ok_or_else(|| missing("mtu"))?,
        address: text("address").and_then(|address| address.parse().ok()),
        master: text("master"),
        state: text("operstate").ok_or_else(|| missing("operstate"))?,
        // M-DOWN is a property of the lower link.
        flags: flags
            .iter()
            .filter_map(Value::as_str)
            .filter(|word| *word != "M-DOWN")
            .map(str::to_owned)
            .collect(),
    };
    Ok((number("ifindex").ok_or_else(|| missing("ifindex"))?, row))
}

fn cached_link(team: &TeamHandle, link: &Link) -> Row {
    let flags = link.flags();
    let words = FLAG_WORDS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word);
    let no_carrier = flags.contains(LinkFlags::UP) && !flags.contains(LinkFlags::RUNNING);
    Row {
        name: link.name().to_owned(),
        mtu: link.mtu().into(),
        address: link.hwaddr().filter(|address| address.as_bytes().len() == 6),
        master: link
            .master()
            .and_then(|master| team.link(master))
            .map(|master| master.name().to_owned()),
        state: link.oper_state().to_string(),
        flags: words.chain(no_carrier.then_some("NO-CARRIER")).map(str::to_owned).collect(),
    }
}
