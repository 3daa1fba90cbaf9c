//! An entry of the connection tracking table.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use libteam::netlink::netlink_packet_core::{DefaultNla, Nla};
use netlink_packet_netfilter::NetfilterProtoFamily;
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Status, Tuple as TuplePart,
};
use serde_json::{Value, json};

use crate::print::Item;
use crate::protocol::Protocol;
use crate::tcp::state_name;

const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMP_TYPE: u16 = 5;
const CTA_PROTO_ICMP_CODE: u16 = 6;
const CTA_PROTO_ICMPV6_ID: u16 = 7;
const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
const CTA_PROTO_ICMPV6_CODE: u16 = 9;

/// A tracked connection.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) family: NetfilterProtoFamily,
    pub(crate) original: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) status: Status,
    /// In seconds; `None` for an offloaded connection.
    pub(crate) timeout: Option<u32>,
    pub(crate) mark: u32,
    pub(crate) tcp_state: Option<u8>,
    pub(crate) id: Option<u32>,
    pub(crate) zone: Option<u16>,
    /// The attributes that identify this entry for the kernel.
    pub(crate) key: Vec<ConntrackAttribute>,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Tuple {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
    icmp: Icmp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Icmp {
    id: Option<u16>,
    kind: Option<u8>,
    code: Option<u8>,
}

impl Flow {
    /// Decodes an entry; returns `None` if an attribute is missing that every entry has.
    pub(crate) fn read(
        family: NetfilterProtoFamily,
        attributes: Vec<ConntrackAttribute>,
    ) -> Option<Self> {
        let (mut original, mut reply, mut status) = (None, None, Status::empty());
        let (mut timeout, mut mark, mut tcp_state, mut id, mut zone) = (None, 0, None, None, None);
        let mut key = Vec::new();
        for attribute in attributes {
            match &attribute {
                ConntrackAttribute::CtaTupleOrig(parts) => {
                    original = Tuple::read(parts);
                    key.push(attribute);
                }
                ConntrackAttribute::CtaTupleReply(parts) => reply = Tuple::read(parts),
                ConntrackAttribute::CtaStatus(bits) => status = *bits,
                ConntrackAttribute::CtaTimeout(seconds) => timeout = Some(*seconds),
                ConntrackAttribute::CtaMark(value) => mark = *value,
                ConntrackAttribute::CtaProtoInfo(parts) => {
                    tcp_state = parts.iter().find_map(read_tcp_state);
                }
                ConntrackAttribute::Other(other) if other.kind() == CTA_ID => {
                    id = number(other);
                    key.push(attribute);
                }
                ConntrackAttribute::Other(other) if other.kind() == CTA_ZONE => {
                    zone = number(other).and_then(|zone| u16::try_from(zone).ok());
                    key.push(attribute);
                }
                _ => {}
            }
        }
        let (original, reply) = (original?, reply?);
        Some(Self { family, original, reply, status, timeout, mark, tcp_state, id, zone, key })
    }

    /// Returns the names of the status bits that users look for.
    fn status(&self) -> impl Iterator<Item = &'static str> {
        let words = [
            (!self.status.contains(Status::SeenReply), "unreplied"),
            (self.status.contains(Status::Assured), "assured"),
            (self.status.contains(Status::Offload), "offload"),
        ];
        words.into_iter().filter_map(|(holds, word)| holds.then_some(word))
    }
}

fn read_tcp_state(info: &ProtoInfo) -> Option<u8> {
    let ProtoInfo::TCP(parts) = info else { return None };
    parts.iter().find_map(|part| match part {
        ProtoInfoTCP::State(state) => Some(*state),
        _ => None,
    })
}

impl Tuple {
    fn read(parts: &[TuplePart]) -> Option<Self> {
        let (mut src, mut dst, mut protocol) = (None, None, None);
        let (mut sport, mut dport, mut icmp) = (None, None, Icmp::default());
        for part in parts {
            match part {
                TuplePart::Ip(addresses) => {
                    for address in addresses {
                        match address {
                            IPTuple::SourceAddress(address) => src = Some(*address),
                            IPTuple::DestinationAddress(address) => dst = Some(*address),
                            _ => {}
                        }
                    }
                }
                TuplePart::Proto(fields) => {
                    for field in fields {
                        match field {
                            ProtoTuple::Protocol(number) => {
                                protocol = Some(Protocol((*number).into()));
                            }
                            ProtoTuple::SourcePort(port) => sport = Some(*port),
                            ProtoTuple::DestinationPort(port) => dport = Some(*port),
                            ProtoTuple::Other(other) => icmp.read(other),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(Self { src: src?, dst: dst?, protocol: protocol?, sport, dport, icmp })
    }

    fn json(&self) -> Value {
        let Icmp { id, kind, code } = self.icmp;
        let fields = [
            ("sport", self.sport.map(Value::from)),
            ("dport", self.dport.map(Value::from)),
            ("type", kind.map(Value::from)),
            ("code", code.map(Value::from)),
            ("id", id.map(Value::from)),
        ];
        let mut json = json!({ "src": self.src.to_string(), "dst": self.dst.to_string() });
        add(&mut json, fields);
        json
    }
}

impl Icmp {
    fn read(&mut self, attribute: &DefaultNla) {
        let byte = || number(attribute).and_then(|number| u8::try_from(number).ok());
        match attribute.kind() {
            CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => {
                self.id = number(attribute).and_then(|number| u16::try_from(number).ok());
            }
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => self.kind = byte(),
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => self.code = byte(),
            _ => {}
        }
    }
}

/// Decodes a number of up to four bytes in network byte order, which netfilter uses throughout.
fn number(attribute: &DefaultNla) -> Option<u32> {
    let mut bytes = [0; 4];
    let length = attribute.value_len();
    let place = bytes.len().checked_sub(length)?;
    attribute.emit_value(bytes.get_mut(place..)?);
    Some(u32::from_be_bytes(bytes))
}

/// Adds the fields that have a value.
fn add<const N: usize>(json: &mut Value, fields: [(&str, Option<Value>); N]) {
    if let Some(object) = json.as_object_mut() {
        let present = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        object.extend(present);
    }
}

impl Item for Flow {
    fn json(&self) -> Value {
        let mut json = json!({
            "protocol": self.original.protocol.0,
            "original": self.original.json(),
            "reply": self.reply.json(),
            "status": self.status().collect::<Vec<_>>(),
            "mark": self.mark,
        });
        let fields = [
            ("state", self.tcp_state.map(|state| state_name(state).into())),
            ("timeout", self.timeout.map(Value::from)),
            ("id", self.id.map(Value::from)),
            ("zone", self.zone.map(Value::from)),
        ];
        add(&mut json, fields);
        json
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, reply {}", self.original.protocol, self.original, self.reply)?;
        if let Some(state) = self.tcp_state {
            write!(f, ", {}", state_name(state))?;
        }
        for word in self.status() {
            write!(f, ", {word}")?;
        }
        if self.mark != 0 {
            write!(f, ", mark {:#x}", self.mark)?;
        }
        if let Some(zone) = self.zone {
            write!(f, ", zone {zone}")?;
        }
        self.timeout.map_or(Ok(()), |seconds| write!(f, ", {seconds} s left"))
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sport, self.dport) {
            (Some(sport), Some(dport)) => {
                write!(
                    f,
                    "{} -> {}",
                    SocketAddr::from((self.src, sport)),
                    SocketAddr::from((self.dst, dport))
                )
            }
            _ => write!(f, "{} -> {}", self.src, self.dst),
        }?;
        let Icmp { id, kind, code } = self.icmp;
        for (name, value) in
            [("type", kind.map(u16::from)), ("code", code.map(u16::from)), ("id", id)]
        {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        Ok(())
    }
}
