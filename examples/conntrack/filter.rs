//! Filters for the entries of the table.

use std::net::IpAddr;
use std::str::FromStr;

use netlink_packet_netfilter::NetfilterProtoFamily;

use crate::flow::Flow;

/// A filter: every given field must match the direction in which the connection was opened.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) protocol: Option<u8>,
    pub(crate) src: Option<Prefix>,
    pub(crate) dst: Option<Prefix>,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
    pub(crate) mark: Option<Mark>,
    pub(crate) tcp_state: Option<u8>,
}

/// An address prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    address: IpAddr,
    length: u32,
}

/// A mark, and the bits of it that are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) value: u32,
    pub(crate) mask: u32,
}

impl Filter {
    /// Whether the filter matches every entry.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { protocol, src, dst, sport, dport, mark, tcp_state } = self;
        (protocol, sport, dport, tcp_state) == (&None, &None, &None, &None)
            && src.is_none()
            && dst.is_none()
            && mark.is_none()
    }

    /// Returns the address family, if an address is given.
    pub(crate) fn family(&self) -> Option<NetfilterProtoFamily> {
        self.src.or(self.dst).map(|prefix| match prefix.address {
            IpAddr::V4(_) => NetfilterProtoFamily::IPv4,
            IpAddr::V6(_) => NetfilterProtoFamily::IPv6,
        })
    }

    pub(crate) fn matches(&self, flow: &Flow) -> bool {
        let tuple = &flow.original;
        self.protocol.is_none_or(|protocol| protocol == tuple.protocol.0)
            && self.src.is_none_or(|src| src.contains(tuple.src))
            && self.dst.is_none_or(|dst| dst.contains(tuple.dst))
            && (self.sport.is_none() || self.sport == tuple.sport)
            && (self.dport.is_none() || self.dport == tuple.dport)
            && self.mark.is_none_or(|mark| flow.mark & mark.mask == mark.value)
            && (self.tcp_state.is_none() || self.tcp_state == flow.tcp_state)
    }
}

impl Prefix {
    pub(crate) fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= self.length
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| "expected ADDRESS or ADDRESS/LEN")?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length =
            length.map_or(Ok(longest), str::parse).ok().filter(|length| *length <= longest);
        let length = length.ok_or(if longest == 32 {
            "expected a length up to 32"
        } else {
            "expected a length up to 128"
        })?;
        Ok(Self { address, length })
    }
}

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (value, mask) =
            text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
        let value = number(value).ok_or("expected a 32-bit number, MARK or MARK/MASK")?;
        let mask = mask.map_or(Some(u32::MAX), number).ok_or("expected a 32-bit mask")?;
        if value & !mask == 0 {
            Ok(Self { value, mask })
        } else {
            Err("the mark has bits that are not in the mask")
        }
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}
