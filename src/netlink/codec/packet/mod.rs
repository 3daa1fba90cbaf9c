//! Decodes messages into the types of netlink-packet-route.
//!
//! That crate rejects a whole message for one attribute of an unexpected format, e.g. a name that
//! is not UTF-8, so that a dump with such a message would fail. This module keeps such an attribute
//! as bytes.

use log::debug;
use netlink_packet_core::{DefaultNla, NlasIterator, Parseable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::tc::{TcAttribute, TcMessage};

use super::frame::Frame;
use super::link::{RTM_DELLINK, RTM_NEWLINK};
use crate::error::DecodeError;
use crate::log_target::COMMAND;

pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_NEWRULE: u16 = 32;
pub(crate) const RTM_NEWQDISC: u16 = 36;
pub(crate) const RTM_NEWTCLASS: u16 = 40;
pub(crate) const RTM_NEWTFILTER: u16 = 44;

/// A type that no attribute has: the largest value of the type field.
const NO_ATTRIBUTE: u16 = 0x3fff;

/// A message type of netlink-packet-route: a header of fixed length, then attributes.
pub(crate) trait Packet: Parseable<[u8]> {
    const HEADER_LEN: usize;

    /// Replaces the attribute at this position by one that consists of bytes.
    fn replace(&mut self, position: usize, attribute: DefaultNla);
}

macro_rules! packets {
    ($($packet:ident $header_len:literal $attribute:ident)+) => {
        $(impl Packet for $packet {
            const HEADER_LEN: usize = $header_len;

            fn replace(&mut self, position: usize, attribute: DefaultNla) {
                if let Some(old) = self.attributes.get_mut(position) {
                    *old = $attribute::Other(attribute);
                }
            }
        })+
    };
}

packets! {
    LinkMessage 16 LinkAttribute
    AddressMessage 8 AddressAttribute
    RouteMessage 12 RouteAttribute
    NeighbourMessage 12 NeighbourAttribute
    RuleMessage 12 RuleAttribute
    TcMessage 20 TcAttribute
}

/// Decodes the payload of a message.
pub(crate) fn read<P: Packet>(payload: &[u8]) -> Result<P, DecodeError> {
    P::parse(payload).or_else(|error| parse_lenient(payload, &DecodeError::from_source(&error)))
}

/// Decodes a message of any type.
pub(crate) fn read_any(frame: Frame<'_>) -> Result<RouteNetlinkMessage, DecodeError> {
    frame.parse().or_else(|error| match frame.kind {
        RTM_NEWLINK => read(frame.payload).map(RouteNetlinkMessage::NewLink),
        RTM_DELLINK => read(frame.payload).map(RouteNetlinkMessage::DelLink),
        RTM_NEWADDR => read(frame.payload).map(RouteNetlinkMessage::NewAddress),
        RTM_NEWROUTE => read(frame.payload).map(RouteNetlinkMessage::NewRoute),
        RTM_NEWNEIGH => read(frame.payload).map(RouteNetlinkMessage::NewNeighbour),
        RTM_NEWRULE => read(frame.payload).map(RouteNetlinkMessage::NewRule),
        RTM_NEWQDISC => read(frame.payload).map(RouteNetlinkMessage::NewQueueDiscipline),
        RTM_NEWTCLASS => read(frame.payload).map(RouteNetlinkMessage::NewTrafficClass),
        RTM_NEWTFILTER => read(frame.payload).map(RouteNetlinkMessage::NewTrafficFilter),
        _ => Err(error),
    })
}

/// Decodes a payload with attributes that the crate cannot decode.
///
/// Decodes ever longer parts of the payload to find these attributes, and sets their type to
/// [`NO_ATTRIBUTE`], which the crate keeps as bytes.
fn parse_lenient<P: Packet>(payload: &[u8], error: &DecodeError) -> Result<P, DecodeError> {
    let mut bytes = payload.to_vec();
    let mut hidden = Vec::new();
    let mut start = P::HEADER_LEN;
    for (position, attribute) in
        NlasIterator::new(payload.get(start..).unwrap_or_default()).enumerate()
    {
        let attribute = attribute.map_err(|_| error.clone())?;
        let end = (start + usize::from(attribute.length()).next_multiple_of(4)).min(payload.len());
        if bytes.get(..end).is_none_or(|part| P::parse(part).is_err()) {
            if let Some(number) = bytes.get_mut(start + 2..start + 4) {
                number.copy_from_slice(&NO_ATTRIBUTE.to_ne_bytes());
            }
            hidden.push((position, DefaultNla::parse(&attribute).map_err(|_| error.clone())?));
        }
        start = end;
    }
    let mut packet = P::parse(&bytes).map_err(|_| error.clone())?;
    for (position, attribute) in hidden {
        packet.replace(position, attribute);
    }
    debug!(target: COMMAND, "keeping attributes of a message as bytes: {error}");
    Ok(packet)
}

#[cfg(test)]
mod tests;
