//! A replica of the links that is built from link events only, with a new dump after each loss.

use std::collections::BTreeMap;

use libteam::IfIndex;
use libteam::link_events::{LinkEvent, LinkEvents};
use libteam::netlink::{InterruptedDump, SocketBuilder};
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use libteam::rtnl::{LinkInfo, RtnlSocket};

use crate::support::netns::ip_json;

/// Returns the queued events in short: `+` is added, `*` changed (with its cause), `-` removed, `>`
/// moved.
pub(crate) fn marks(events: &mut LinkEvents) -> Vec<String> {
    std::iter::from_fn(|| events.try_next().unwrap()).map(|event| mark(&event)).collect()
}

fn mark(event: &LinkEvent) -> String {
    match event {
        LinkEvent::Added(link) => format!("+{}", link.name()),
        LinkEvent::Changed { link, cause: None } => format!("*{}", link.name()),
        LinkEvent::Changed { link, cause: Some(cause) } => format!("*{} {cause:?}", link.name()),
        LinkEvent::Removed(link) => format!("-{}", link.name()),
        LinkEvent::Moved { link, .. } => format!(">{}", link.name()),
        LinkEvent::BridgePortChanged(link) => format!("bridge *{}", link.name()),
        LinkEvent::BridgePortRemoved(link) => format!("bridge -{}", link.name()),
        LinkEvent::Lost => "lost".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The known state of one link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    name: String,
    mtu: u32,
    master: Option<u32>,
    is_up: bool,
}

impl From<&LinkInfo> for Row {
    fn from(link: &LinkInfo) -> Self {
        Self {
            name: link.name().into_owned(),
            mtu: link.mtu(),
            master: link.master().map(IfIndex::get),
            is_up: link.is_admin_up(),
        }
    }
}

impl From<LinkMessage> for Row {
    fn from(link: LinkMessage) -> Self {
        let mut row = Self { is_up: link.header.flags.contains(LinkFlags::Up), ..Self::default() };
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => row.name = name,
                LinkAttribute::Mtu(mtu) => row.mtu = mtu,
                LinkAttribute::Controller(master) => row.master = Some(master),
                _ => {}
            }
        }
        row
    }
}

/// The links according to the link events.
pub(crate) struct LinkReplica {
    rtnl: RtnlSocket,
    links: BTreeMap<u32, Row>,
    /// The number of losses of events.
    pub(crate) losses: usize,
}

impl LinkReplica {
    /// Dumps all links. The stream of events must be open already.
    pub(crate) fn new() -> Self {
        let rtnl = SocketBuilder::new().interrupted_dump(InterruptedDump::Fail).rtnl().unwrap();
        let mut replica = Self { rtnl, links: BTreeMap::new(), losses: 0 };
        replica.dump();
        replica
    }

    fn dump(&mut self) {
        loop {
            match self.rtnl.dump(RouteNetlinkMessage::GetLink(LinkMessage::default())) {
                Ok(links) => {
                    self.links = links
                        .into_iter()
                        .filter_map(|message| match message {
                            RouteNetlinkMessage::NewLink(link) => {
                                Some((link.header.index, Row::from(link)))
                            }
                            _ => None,
                        })
                        .collect();
                    return;
                }
                Err(libteam::Error::Interrupted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Applies all events that are queued.
    pub(crate) fn read_events(&mut self, events: &mut LinkEvents) {
        while let Some(event) = events.try_next().unwrap() {
            self.apply(&event);
        }
    }

    pub(crate) fn apply(&mut self, event: &LinkEvent) {
        match event {
            LinkEvent::Lost => {
                self.losses += 1;
                self.dump();
            }
            LinkEvent::Added(link) => drop(self.links.insert(link.ifindex().get(), link.into())),
            LinkEvent::Changed { link, .. } => {
                self.links.entry(link.ifindex().get()).and_modify(|row| *row = link.into());
            }
            LinkEvent::Removed(link) | LinkEvent::Moved { link, .. } => {
                self.links.remove(&link.ifindex().get());
            }
            _ => {}
        }
    }

    /// Panics unless the links are those that `ip` prints.
    pub(crate) fn assert_matches_ip(&self) {
        let printed = ip_json("link");
        let number = |value: &serde_json::Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        let indices: BTreeMap<&str, u32> = printed
            .iter()
            .map(|link| (link["ifname"].as_str().unwrap(), number(&link["ifindex"])))
            .collect();
        let rows: BTreeMap<u32, Row> = printed
            .iter()
            .map(|link| {
                let row = Row {
                    name: link["ifname"].as_str().unwrap().to_owned(),
                    mtu: number(&link["mtu"]),
                    master: link["master"].as_str().map(|name| indices[name]),
                    is_up: link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP"),
                };
                (number(&link["ifindex"]), row)
            })
            .collect();
        assert_eq!(self.links, rows, "links according to the events, and those of ip");
    }
}
