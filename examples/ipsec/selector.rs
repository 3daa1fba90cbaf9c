//! The packets that a policy or a state applies to.

use std::fmt;
use std::net::IpAddr;

use libteam::netlink::netlink_packet_core::DecodeError;
use netlink_packet_xfrm::constants::{IPPROTO_GRE, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_MH};
use serde_json::{Value, json};

use crate::protocol::Protocol;
use crate::words::{add, address};

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    src: Prefix,
    dst: Prefix,
    /// `None` for any.
    protocol: Option<Protocol>,
    ports: Ports,
    ifindex: Option<i32>,
}

#[derive(Clone, Copy, Debug)]
struct Prefix {
    address: IpAddr,
    length: u8,
}

/// The contents of the two fields for ports.
#[derive(Clone, Copy, Debug)]
enum Ports {
    /// `None` for any.
    Pair {
        src: Option<u16>,
        dst: Option<u16>,
    },
    /// Also for Mobile IPv6.
    Icmp {
        kind: Option<u16>,
        code: Option<u16>,
    },
    GreKey(Option<u32>),
}

impl Selector {
    pub(crate) fn read(raw: &netlink_packet_xfrm::Selector) -> Result<Self, DecodeError> {
        let src = raw.sport_mask.ne(&0).then_some(raw.sport);
        let dst = raw.dport_mask.ne(&0).then_some(raw.dport);
        let ports = match raw.proto {
            IPPROTO_ICMP | IPPROTO_ICMPV6 | IPPROTO_MH => Ports::Icmp { kind: src, code: dst },
            IPPROTO_GRE => {
                let is_given = raw.sport_mask != 0 || raw.dport_mask != 0;
                Ports::GreKey(is_given.then(|| u32::from(raw.sport) << 16 | u32::from(raw.dport)))
            }
            _ => Ports::Pair { src, dst },
        };
        Ok(Self {
            src: Prefix { address: address(&raw.saddr, raw.family)?, length: raw.prefixlen_s },
            dst: Prefix { address: address(&raw.daddr, raw.family)?, length: raw.prefixlen_d },
            protocol: (raw.proto != 0).then_some(Protocol(raw.proto)),
            ports,
            ifindex: (raw.ifindex != 0).then_some(raw.ifindex),
        })
    }

    /// Whether it matches every packet of its family.
    pub(crate) fn matches_all(&self) -> bool {
        self.src.length == 0
            && self.dst.length == 0
            && self.protocol.is_none()
            && self.ifindex.is_none()
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({ "src": self.src.to_string(), "dst": self.dst.to_string() });
        add(&mut json, "proto", self.protocol.map(|protocol| protocol.to_string()));
        match self.ports {
            Ports::Pair { src, dst } => {
                add(&mut json, "sport", src);
                add(&mut json, "dport", dst);
            }
            Ports::Icmp { kind, code } => {
                add(&mut json, "type", kind);
                add(&mut json, "code", code);
            }
            Ports::GreKey(key) => add(&mut json, "key", key),
        }
        add(&mut json, "ifindex", self.ifindex);
        json
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.src, self.dst)?;
        let parts = match self.ports {
            Ports::Pair { src, dst } => {
                [("sport", src.map(u32::from)), ("dport", dst.map(u32::from))]
            }
            Ports::Icmp { kind, code } => {
                [("type", kind.map(u32::from)), ("code", code.map(u32::from))]
            }
            Ports::GreKey(key) => [("key", key), ("", None)],
        };
        if let Some(protocol) = self.protocol {
            write!(f, " proto {protocol}")?;
        }
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        self.ifindex.map_or(Ok(()), |ifindex| write!(f, " ifindex {ifindex}"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
