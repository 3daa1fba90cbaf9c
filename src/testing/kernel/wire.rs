//! Encodes the state of the namespace as the kernel does.

use netlink_packet_core::NLM_F_MULTIPART;

use super::state::{LinkState, PortState};
use crate::model::link::LinkFlags;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::codec::attribute::attributes;
use crate::netlink::codec::frame::HEADER_LEN;
use crate::testing::bytes::attribute;
use crate::testing::messages::{genl_message, link_with_flags};

/// A nest, and marked so.
const IFLA_PROP_LIST: u16 = 0x8034;
const ARPHRD_ETHER: u16 = 1;
/// Where a message has `ifi_type`.
const LINK_TYPE_OFFSET: usize = HEADER_LEN + 2;
const OPTION_CHANGED: u16 = 2;
const OPTION_REMOVED: u16 = 5;
const PORT_CHANGED: u16 = 2;
const PORT_REMOVED: u16 = 6;

/// The marks of a port or an option in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    Changed,
    Removed,
}

pub(crate) fn link(kind: u16, flags: u16, ifindex: u32, link: &LinkState) -> Vec<u8> {
    let mut more = vec![
        attribute(1, &link.hwaddr),
        attribute(4, &link.mtu.to_ne_bytes()),
        attribute(33, &[link.carrier.into()]),
        attribute(35, &link.carrier_changes.to_ne_bytes()),
        attribute(18, &attribute(1, format!("{}\0", link.kind).as_bytes())),
    ];
    more.extend(link.master.map(|master| attribute(10, &master.to_ne_bytes())));
    let names =
        link.alternative_names.iter().map(|name| attribute(53, format!("{name}\0").as_bytes()));
    more.push(attribute(IFLA_PROP_LIST, &names.collect::<Vec<_>>().concat()));
    let state = if link.up { LinkFlags::UP } else { LinkFlags::empty() };
    let mut bytes = link_with_flags(kind, flags, ifindex, state, &link.name, &more);
    bytes[LINK_TYPE_OFFSET..LINK_TYPE_OFFSET + 2].copy_from_slice(&ARPHRD_ETHER.to_ne_bytes());
    bytes
}

/// Messages with so many options each.
pub(crate) fn options(
    team: u32,
    options: &[(OptionId, OptionValue)],
    mark: Mark,
    items: usize,
) -> Vec<Vec<u8>> {
    let marks = marks(mark, OPTION_CHANGED, OPTION_REMOVED);
    lists(
        team,
        (2, 2),
        options.iter().map(|(id, value)| [option(id, value), marks.clone()].concat()),
        items,
    )
}

/// Messages with so many ports each.
pub(crate) fn ports(
    team: u32,
    ports: &[(u32, PortState)],
    mark: Mark,
    items: usize,
) -> Vec<Vec<u8>> {
    let marks = marks(mark, PORT_CHANGED, PORT_REMOVED);
    lists(
        team,
        (3, 3),
        ports.iter().map(|(ifindex, state)| [port(*ifindex, *state), marks.clone()].concat()),
        items,
    )
}

fn lists(
    team: u32,
    (command, list): (u8, u16),
    all: impl Iterator<Item = Vec<u8>>,
    items: usize,
) -> Vec<Vec<u8>> {
    let all: Vec<_> = all.map(|item| attribute(1, &item)).collect();
    let message = |some: &[Vec<u8>]| {
        genl_message(command, &[attribute(1, &team.to_ne_bytes()), attribute(list, &some.concat())])
    };
    if all.is_empty() { vec![message(&[])] } else { all.chunks(items).map(message).collect() }
}

fn marks(mark: Mark, changed: u16, removed: u16) -> Vec<u8> {
    match mark {
        Mark::None => vec![],
        Mark::Changed => attribute(changed, &[]),
        Mark::Removed => [attribute(removed, &[]), attribute(changed, &[])].concat(),
    }
}

fn port(ifindex: u32, state: PortState) -> Vec<u8> {
    let mut item = attribute(1, &ifindex.to_ne_bytes());
    if state.link_up {
        item.extend(attribute(3, &[]));
    }
    item.extend(attribute(4, &state.speed.to_ne_bytes()));
    item.extend(attribute(5, &[1]));
    item
}

fn option(id: &OptionId, value: &OptionValue) -> Vec<u8> {
    let mut item = attribute(1, format!("{}\0", id.name).as_bytes());
    item.extend(id.port.map(|port| attribute(6, &port.get().to_ne_bytes())).unwrap_or_default());
    item.extend(id.array_index.map(|index| attribute(7, &index.to_ne_bytes())).unwrap_or_default());
    let (kind, data) = match value {
        OptionValue::U32(number) => (3, Some(number.to_ne_bytes().to_vec())),
        OptionValue::String(text) => (5, Some(format!("{text}\0").into_bytes())),
        OptionValue::Bool(on) => (6, on.then(Vec::new)),
        OptionValue::Binary(bytes) => (11, Some(bytes.clone())),
        OptionValue::I32(number) => (14, Some(number.to_ne_bytes().to_vec())),
        OptionValue::Other { type_code, data } => (*type_code, Some(data.clone())),
    };
    item.extend(attribute(3, &[kind]));
    item.extend(data.map(|data| attribute(4, &data)).unwrap_or_default());
    item
}

/// A message of a wireless driver: a link without what a link has.
pub(crate) fn wireless_event(ifindex: u32) -> Vec<u8> {
    let mut payload = vec![0; 16];
    payload[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    payload.extend(attribute(11, &[1; 8]));
    crate::testing::bytes::message(16, NLM_F_MULTIPART, &payload)
}

/// The value of an attribute, in the bytes behind a header.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == kind)
        .map(|attribute| attribute.value)
}

pub(crate) fn find_u32(bytes: &[u8], kind: u16) -> Option<u32> {
    find(bytes, kind)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Where the first attribute of a kind is, from a place on; 0 if there is none.
pub(crate) fn place_of(bytes: &[u8], from: u32, kind: u32) -> u32 {
    let mut place = from as usize;
    while let Some(&[length_0, length_1, kind_0, kind_1]) = bytes.get(place..place + 4) {
        let length = usize::from(u16::from_ne_bytes([length_0, length_1]));
        if length < 4 || place + length > bytes.len() {
            break;
        }
        if u32::from(u16::from_ne_bytes([kind_0, kind_1]) & 0x3fff) == kind {
            return u32::try_from(place).expect("short");
        }
        place += length.next_multiple_of(4);
    }
    0
}
