//! rtnetlink's link messages: requests for links, and the few attributes of a link that the cache
//! keeps.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkExtentMask, LinkInfo, LinkMessage};

use super::attribute::attributes;
use crate::error::DecodeError;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{LinkFlags, OperState};
use crate::netlink::ifname;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
/// The family of messages that a bridge sends about its ports.
pub(crate) const AF_BRIDGE: u8 = 7;
/// The multicast group of link notifications.
pub(crate) const RTNLGRP_LINK: u32 = 1;

pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
pub(crate) const IFLA_LINK: u16 = 5;
pub(crate) const IFLA_MASTER: u16 = 10;
pub(crate) const IFLA_OPERSTATE: u16 = 16;
pub(crate) const IFLA_LINKINFO: u16 = 18;
pub(crate) const IFLA_IFALIAS: u16 = 20;
pub(crate) const IFLA_CARRIER: u16 = 33;
pub(crate) const IFLA_PHYS_PORT_ID: u16 = 34;
pub(crate) const IFLA_CARRIER_CHANGES: u16 = 35;
pub(crate) const IFLA_LINK_NETNSID: u16 = 37;
pub(crate) const IFLA_EVENT: u16 = 44;
pub(crate) const IFLA_NEW_NETNSID: u16 = 45;
pub(crate) const IFLA_NEW_IFINDEX: u16 = 49;
pub(crate) const IFLA_PROP_LIST: u16 = 52;
pub(crate) const IFLA_ALT_IFNAME: u16 = 53;
pub(crate) const IFLA_PERM_ADDRESS: u16 = 54;
pub(crate) const IFLA_EVENT_NOTIFY_PEERS: u32 = 4;
pub(crate) const IFLA_EVENT_IGMP_RESEND: u32 = 5;
pub(crate) const IFLA_INFO_KIND: u16 = 1;
pub(crate) const IFLA_INFO_DATA: u16 = 2;
pub(crate) const IFLA_INFO_SLAVE_KIND: u16 = 4;

/// The attributes of a link, borrowed from a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkAttrs<'a> {
    pub(crate) ifindex: IfIndex,
    /// The message announces the link as new.
    pub(crate) is_new: bool,
    pub(crate) name: &'a OsStr,
    pub(crate) hwaddr: Option<HwAddr>,
    pub(crate) permanent_hwaddr: Option<HwAddr>,
    pub(crate) master: Option<IfIndex>,
    pub(crate) flags: LinkFlags,
    pub(crate) carrier: bool,
    pub(crate) carrier_changes: u32,
    pub(crate) oper_state: OperState,
    pub(crate) mtu: u32,
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) phys_port_id: Option<&'a [u8]>,
    /// The event that the message announces (`IFLA_EVENT_*`), or 0 for changed attributes.
    pub(crate) event: u32,
    /// The nested attributes that [`LinkAttrs::alternative_names`] reads.
    prop_list: &'a [u8],
}

/// The meaning of a link message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinkUpdate<'a> {
    /// The link exists, with this state.
    New(LinkAttrs<'a>),
    /// The link was deleted.
    Deleted(IfIndex),
    /// The message has no state of a link: it is from a bridge about its port, or a wireless event.
    Ignored,
}

/// Decodes an `RTM_NEWLINK` or `RTM_DELLINK` message; other kinds are ignored.
pub(crate) fn decode(kind: u16, payload: &[u8]) -> Result<LinkUpdate<'_>, DecodeError> {
    let (header, body) = IfInfoMsg::split(payload)?;
    // A bridge sends messages of its own family about its ports. Its RTM_DELLINK means that a port
    // left the bridge, not that the link was deleted.
    if header.family != 0 {
        return Ok(LinkUpdate::Ignored);
    }
    match kind {
        RTM_NEWLINK => decode_attrs(&header, body),
        RTM_DELLINK => Ok(LinkUpdate::Deleted(header.ifindex)),
        _ => Ok(LinkUpdate::Ignored),
    }
}

/// `struct ifinfomsg`.
pub(crate) struct IfInfoMsg {
    pub(crate) family: u8,
    pub(crate) if_type: u16,
    pub(crate) ifindex: IfIndex,
    pub(crate) flags: LinkFlags,
    /// The flags that changed; all bits are set for a link that is new or was deleted.
    pub(crate) changed_flags: LinkFlags,
}

impl IfInfoMsg {
    pub(crate) fn split(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (header, body) = payload
            .split_first_chunk::<16>()
            .ok_or(DecodeError::new("a link message is too short"))?;
        let [family, _, l0, l1, i0, i1, i2, i3, f0, f1, f2, f3, c0, c1, c2, c3] = *header;
        let ifindex = IfIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]))
            .ok_or(DecodeError::new("the interface index of a link message is out of range"))?;
        let if_type = u16::from_ne_bytes([l0, l1]);
        let flags = LinkFlags::from_bits_retain(u32::from_ne_bytes([f0, f1, f2, f3]));
        let changed_flags = LinkFlags::from_bits_retain(u32::from_ne_bytes([c0, c1, c2, c3]));
        Ok((Self { family, if_type, ifindex, flags, changed_flags }, body))
    }
}

fn decode_attrs<'a>(header: &IfInfoMsg, body: &'a [u8]) -> Result<LinkUpdate<'a>, DecodeError> {
    let mut attrs = LinkAttrs {
        ifindex: header.ifindex,
        is_new: header.changed_flags.bits() == u32::MAX,
        name: OsStr::new(""),
        hwaddr: None,
        permanent_hwaddr: None,
        master: None,
        flags: header.flags,
        carrier: header.flags.contains(LinkFlags::LOWER_UP),
        carrier_changes: 0,
        oper_state: OperState::Unknown,
        mtu: 0,
        kind: None,
        phys_port_id: None,
        event: 0,
        prop_list: &[],
    };
    let mut is_complete = false;
    for attribute in attributes(body) {
        let attribute = attribute?;
        match attribute.kind {
            IFLA_ADDRESS => attrs.hwaddr = hwaddr(attribute.value)?,
            IFLA_IFNAME => attrs.name = attribute.os_text(),
            IFLA_MTU => {
                attrs.mtu = attribute.u32()?;
                is_complete = true;
            }
            IFLA_MASTER => attrs.master = IfIndex::new(attribute.u32()?),
            IFLA_OPERSTATE => attrs.oper_state = attribute.u8()?.into(),
            IFLA_LINKINFO => attrs.kind = info_kind(attribute.value)?,
            IFLA_CARRIER => attrs.carrier = attribute.u8()? != 0,
            IFLA_PHYS_PORT_ID => attrs.phys_port_id = Some(attribute.value),
            IFLA_CARRIER_CHANGES => attrs.carrier_changes = attribute.u32()?,
            IFLA_EVENT => attrs.event = attribute.u32()?,
            IFLA_PROP_LIST => attrs.prop_list = attribute.value,
            IFLA_PERM_ADDRESS => attrs.permanent_hwaddr = hwaddr(attribute.value)?,
            _ => {}
        }
    }
    // Wireless extensions send link messages with only a name and their own event. Every message
    // about the link itself has an MTU. Without an MTU, absent attributes are unknown, not unset.
    Ok(if is_complete { LinkUpdate::New(attrs) } else { LinkUpdate::Ignored })
}

fn hwaddr(value: &[u8]) -> Result<Option<HwAddr>, DecodeError> {
    match value {
        [] => Ok(None),
        _ => HwAddr::new(value)
            .map(Some)
            .ok_or(DecodeError::new("a hardware address is longer than 32 bytes")),
    }
}

fn info_kind(nest: &[u8]) -> Result<Option<Cow<'_, str>>, DecodeError> {
    for attribute in attributes(nest) {
        let attribute = attribute?;
        if attribute.kind == IFLA_INFO_KIND {
            return Ok(Some(attribute.text()));
        }
    }
    Ok(None)
}

impl LinkAttrs<'_> {
    pub(crate) fn alternative_names(&self) -> impl Iterator<Item = &OsStr> {
        attributes(self.prop_list)
            .map_while(Result::ok)
            .filter(|attribute| attribute.kind == IFLA_ALT_IFNAME)
            .map(super::attribute::Attribute::os_text)
    }
}

/// Returns the request for all links of the namespace.
#[cfg(test)]
pub(crate) fn dump_request() -> RouteNetlinkMessage {
    filtered_dump_request(None, None, false)
}

/// Returns the request for all links, the ports of one master, or the links of one kind.
///
/// The kernel may ignore these filters. Statistics, which make up most of a message, are left out
/// unless they are requested.
pub(crate) fn filtered_dump_request(
    master: Option<IfIndex>,
    kind: Option<&str>,
    statistics: bool,
) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.extend(master.map(|master| LinkAttribute::Controller(master.get())));
    let kind = kind.map(|kind| LinkInfo::Kind(InfoKind::Other(kind.to_owned())));
    message.attributes.extend(kind.map(|kind| LinkAttribute::LinkInfo(vec![kind])));
    if !statistics {
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    }
    RouteNetlinkMessage::GetLink(message)
}

/// Returns the request for a link by its index.
pub(crate) fn get_request(ifindex: IfIndex) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(with_index(ifindex))
}

/// Returns the request for a link by its name or alternative name.
pub(crate) fn get_by_name_request(link_name: &OsStr) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let number = if link_name.len() > ifname::MAX_LEN { IFLA_ALT_IFNAME } else { IFLA_IFNAME };
    message.attributes.push(name_attribute(number, link_name));
    RouteNetlinkMessage::GetLink(message)
}

/// Returns an attribute with a name, which need not be UTF-8.
pub(crate) fn name_attribute(number: u16, name: &OsStr) -> LinkAttribute {
    LinkAttribute::Other(DefaultNla::new(number, [name.as_bytes(), &[0]].concat()))
}

/// Returns the request that deletes a link.
pub(crate) fn delete_request(ifindex: IfIndex) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelLink(with_index(ifindex))
}

/// Returns a link message with only the index set.
pub(crate) fn with_index(ifindex: IfIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = ifindex.get();
    message
}

#[cfg(test)]
mod tests;
