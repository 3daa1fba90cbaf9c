//! The generic netlink family "team": requests to the team driver, and its lists of options and
//! ports.
//!
//! Replies and events have the same format: the command, the team's index, and a list of options or
//! ports.

use std::borrow::Cow;

use super::attribute::{Attribute, attributes, push};
use super::genl::{self, GenlRequest};
use crate::bpf::BpfProgram;
use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, TeamOption, names};
use crate::model::option_value::OptionValue;
use crate::model::port::Port;

pub(crate) const FAMILY: &str = "team";
pub(crate) const EVENT_GROUP: &str = "change_event";

/// The version of the family's messages, in the generic netlink header.
const VERSION: u8 = 1;

const TEAM_CMD_OPTIONS_SET: u8 = 1;
const TEAM_CMD_OPTIONS_GET: u8 = 2;
const TEAM_CMD_PORT_LIST_GET: u8 = 3;

pub(crate) const TEAM_ATTR_TEAM_IFINDEX: u16 = 1;
const TEAM_ATTR_LIST_OPTION: u16 = 2;
const TEAM_ATTR_LIST_PORT: u16 = 3;
const TEAM_ATTR_ITEM: u16 = 1;

const TEAM_ATTR_OPTION_NAME: u16 = 1;
const TEAM_ATTR_OPTION_CHANGED: u16 = 2;
const TEAM_ATTR_OPTION_TYPE: u16 = 3;
const TEAM_ATTR_OPTION_DATA: u16 = 4;
const TEAM_ATTR_OPTION_REMOVED: u16 = 5;
const TEAM_ATTR_OPTION_PORT_IFINDEX: u16 = 6;
const TEAM_ATTR_OPTION_ARRAY_INDEX: u16 = 7;

const TEAM_ATTR_PORT_IFINDEX: u16 = 1;
const TEAM_ATTR_PORT_CHANGED: u16 = 2;
const TEAM_ATTR_PORT_LINKUP: u16 = 3;
const TEAM_ATTR_PORT_SPEED: u16 = 4;
const TEAM_ATTR_PORT_DUPLEX: u16 = 5;
const TEAM_ATTR_PORT_REMOVED: u16 = 6;

// The kernel's numbers of attribute types (NLA_*), which the driver uses for its option types.
const NLA_U32: u8 = 3;
const NLA_STRING: u8 = 5;
const NLA_FLAG: u8 = 6;
const NLA_BINARY: u8 = 11;
const NLA_S32: u8 = 14;

/// The length of the longest value that fits an attribute, in bytes.
const MAX_VALUE_LEN: usize = 0xffff - 0x100;
/// The length of the longest BPF program that the driver can report, in bytes.
const MAX_PROGRAM_LEN: usize = 8 * BpfProgram::MAX_INSTRUCTIONS;
/// The length of the longest text that the kernel accepts as a value, in bytes without the NUL.
const MAX_TEXT_LEN: usize = 31;
/// The length of the longest option name that the kernel accepts, in bytes.
const MAX_NAME_LEN: usize = 32;

/// A request to the driver about one team device.
#[derive(Clone, Debug)]
pub(crate) struct TeamRequest {
    command: u8,
    attributes: Vec<u8>,
}

impl TeamRequest {
    /// Returns the request for all options.
    pub(crate) fn options_get(team: IfIndex) -> Self {
        Self::new(team, TEAM_CMD_OPTIONS_GET)
    }

    /// Returns the request for all ports.
    pub(crate) fn port_list_get(team: IfIndex) -> Self {
        Self::new(team, TEAM_CMD_PORT_LIST_GET)
    }

    /// Returns the request that sets an option, or why the value does not fit a message.
    pub(crate) fn options_set(
        team: IfIndex,
        id: &OptionId,
        value: &OptionValue,
    ) -> Result<Self, &'static str> {
        let item = encode_option(id, value)?;
        let mut request = Self::new(team, TEAM_CMD_OPTIONS_SET);
        let mut list = Vec::new();
        push(&mut list, TEAM_ATTR_ITEM, &item);
        push(&mut request.attributes, TEAM_ATTR_LIST_OPTION, &list);
        Ok(request)
    }

    /// Adds the number of the family.
    pub(crate) fn for_family(self, id: u16) -> GenlRequest {
        GenlRequest {
            family: id,
            command: self.command,
            version: VERSION,
            attributes: self.attributes,
        }
    }

    fn new(team: IfIndex, command: u8) -> Self {
        let mut attributes = Vec::new();
        push(&mut attributes, TEAM_ATTR_TEAM_IFINDEX, &team.get().to_ne_bytes());
        Self { command, attributes }
    }
}

fn encode_option(id: &OptionId, value: &OptionValue) -> Result<Vec<u8>, &'static str> {
    if id.name.is_empty() || id.name.len() > MAX_NAME_LEN {
        return Err("expected an option name of 1 to 32 bytes");
    }
    // The driver would set the option with the name up to the NUL.
    if id.name.contains('\0') {
        return Err("expected an option name without a NUL");
    }
    let (kind, data): (u8, Cow<'_, [u8]>) = match value {
        // The driver would silently use the lower 16 bits.
        OptionValue::U32(0x1_0000..) if id.name == names::QUEUE_ID => {
            return Err("expected a number of 16 bits");
        }
        OptionValue::U32(number) => (NLA_U32, number.to_ne_bytes().to_vec().into()),
        OptionValue::I32(number) => (NLA_S32, number.to_ne_bytes().to_vec().into()),
        OptionValue::Bool(_) => (NLA_FLAG, Cow::Borrowed(&[])),
        OptionValue::String(text) if text.contains('\0') => {
            return Err("expected text without a NUL");
        }
        OptionValue::String(text) if text.len() > MAX_TEXT_LEN => {
            return Err("expected text of at most 31 bytes");
        }
        OptionValue::String(text) => (NLA_STRING, with_nul(text).into()),
        OptionValue::Binary(bytes)
            if id.name == names::BPF_HASH_FUNC && bytes.len() > MAX_PROGRAM_LEN =>
        {
            return Err(
                "expected at most 462 instructions, as the driver cannot list a longer program",
            );
        }
        OptionValue::Binary(bytes) if bytes.len() > MAX_VALUE_LEN => {
            return Err("expected at most 65279 bytes");
        }
        OptionValue::Binary(bytes) => (NLA_BINARY, bytes.into()),
        OptionValue::Other { .. } => return Err("expected a value of a known type"),
    };
    let mut item = Vec::new();
    push(&mut item, TEAM_ATTR_OPTION_NAME, &with_nul(&id.name));
    if let Some(port) = id.port {
        push(&mut item, TEAM_ATTR_OPTION_PORT_IFINDEX, &port.get().to_ne_bytes());
    }
    if let Some(index) = id.array_index {
        push(&mut item, TEAM_ATTR_OPTION_ARRAY_INDEX, &index.to_ne_bytes());
    }
    push(&mut item, TEAM_ATTR_OPTION_TYPE, &[kind]);
    // A flag is true if its attribute exists.
    if *value != OptionValue::Bool(false) {
        push(&mut item, TEAM_ATTR_OPTION_DATA, &data);
    }
    Ok(item)
}

fn with_nul(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The contents of a message of the driver, reply or event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TeamMessage {
    Options(Vec<OptionItem>),
    /// The options before one that is too long for the driver's messages.
    TruncatedOptions(Vec<OptionItem>),
    Ports(Vec<PortItem>),
}

impl TeamMessage {
    /// Removes all items.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Options(options) | Self::TruncatedOptions(options) => options.clear(),
            Self::Ports(ports) => ports.clear(),
        }
    }

    /// Adds the items of the next message of the same reply.
    pub(crate) fn extend(&mut self, next: Self) {
        match (self, next) {
            (Self::Options(options), Self::Options(next)) => options.extend(next),
            (Self::Ports(ports), Self::Ports(next)) => ports.extend(next),
            // The reply to another command does not belong to this one.
            _ => {}
        }
    }
}

/// An option with the driver's flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionItem {
    pub(crate) option: TeamOption,
    pub(crate) flags: ItemFlags,
}

/// A port with the driver's flags; the driver does not report the name of the link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PortItem {
    pub(crate) port: Port,
    pub(crate) flags: ItemFlags,
}

/// The flags with which the driver marks an option or a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemFlags {
    /// The item may have changed since the driver last reported it to any process.
    pub(crate) changed: bool,
    /// The item is being removed; its value is the last one.
    pub(crate) removed: bool,
}

/// Decodes a message of the family; `None` for another team or another command.
pub(crate) fn decode(payload: &[u8], team: IfIndex) -> Result<Option<TeamMessage>, DecodeError> {
    let (command, body) = genl::split_header(payload)?;
    let (mut ifindex, mut list) = (None, None);
    for attribute in attributes(body) {
        let attribute = attribute?;
        match attribute.kind {
            TEAM_ATTR_TEAM_IFINDEX => ifindex = Some(attribute.u32()?),
            TEAM_ATTR_LIST_OPTION if command == TEAM_CMD_OPTIONS_GET => {
                list = Some(attribute.value);
            }
            TEAM_ATTR_LIST_PORT if command == TEAM_CMD_PORT_LIST_GET => {
                list = Some(attribute.value);
            }
            _ => {}
        }
    }
    if ifindex != Some(team.get()) {
        return Ok(None);
    }
    let items = attributes(list.unwrap_or_default());
    match command {
        TEAM_CMD_OPTIONS_GET => items
            .map(|item| decode_option(item?))
            .collect::<Result<_, _>>()
            .map(TeamMessage::Options)
            .map(Some),
        TEAM_CMD_PORT_LIST_GET => items
            .map(|item| decode_port(item?))
            .collect::<Result<_, _>>()
            .map(TeamMessage::Ports)
            .map(Some),
        _ => Ok(None),
    }
}

fn decode_option(item: Attribute<'_>) -> Result<OptionItem, DecodeError> {
    let (mut name, mut port, mut array_index, mut kind, mut data) = (None, None, None, None, None);
    let mut flags = ItemFlags::default();
    for attribute in attributes(item.value) {
        let attribute = attribute?;
        match attribute.kind {
            TEAM_ATTR_OPTION_NAME => name = Some(option_name(attribute.text())),
            TEAM_ATTR_OPTION_PORT_IFINDEX => port = Some(attribute.ifindex()?),
            TEAM_ATTR_OPTION_ARRAY_INDEX => array_index = Some(attribute.u32()?),
            TEAM_ATTR_OPTION_TYPE => kind = Some(attribute.u8()?),
            TEAM_ATTR_OPTION_DATA => data = Some(attribute),
            TEAM_ATTR_OPTION_CHANGED => flags.changed = true,
            TEAM_ATTR_OPTION_REMOVED => flags.removed = true,
            _ => {}
        }
    }
    let name = name.ok_or(DecodeError::new("an option has no name"))?;
    let kind = kind.ok_or(DecodeError::new("an option has no type"))?;
    let option = TeamOption {
        id: OptionId { name, port, array_index },
        value: option_value(kind, data)?,
        port_name: None,
    };
    Ok(OptionItem { option, flags })
}

fn option_name(name: Cow<'_, str>) -> Cow<'static, str> {
    match names::KNOWN.into_iter().find(|known| *known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.into_owned()),
    }
}

fn option_value(kind: u8, data: Option<Attribute<'_>>) -> Result<OptionValue, DecodeError> {
    if kind == NLA_FLAG {
        return Ok(OptionValue::Bool(data.is_some()));
    }
    let data = data.ok_or(DecodeError::new("an option has no value"))?;
    Ok(match kind {
        NLA_U32 => OptionValue::U32(data.u32()?),
        NLA_S32 => OptionValue::I32(data.i32()?),
        NLA_STRING => OptionValue::String(data.text().into_owned()),
        NLA_BINARY => OptionValue::Binary(data.value.to_vec()),
        type_code => OptionValue::Other { type_code, data: data.value.to_vec() },
    })
}

fn decode_port(item: Attribute<'_>) -> Result<PortItem, DecodeError> {
    let (mut ifindex, mut link_up, mut raw_speed, mut raw_duplex) = (None, false, 0, 0);
    let mut flags = ItemFlags::default();
    for attribute in attributes(item.value) {
        let attribute = attribute?;
        match attribute.kind {
            TEAM_ATTR_PORT_IFINDEX => ifindex = Some(attribute.ifindex()?),
            TEAM_ATTR_PORT_LINKUP => link_up = true,
            TEAM_ATTR_PORT_SPEED => raw_speed = attribute.u32()?,
            TEAM_ATTR_PORT_DUPLEX => raw_duplex = attribute.u8()?,
            TEAM_ATTR_PORT_CHANGED => flags.changed = true,
            TEAM_ATTR_PORT_REMOVED => flags.removed = true,
            _ => {}
        }
    }
    let ifindex = ifindex.ok_or(DecodeError::new("a port has no interface index"))?;
    Ok(PortItem { port: Port { ifindex, name: None, link_up, raw_speed, raw_duplex }, flags })
}

#[cfg(test)]
mod tests;
