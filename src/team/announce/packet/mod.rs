//! The packets that announce an IPv4 or IPv6 address, as complete Ethernet frames.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub(super) type EthernetAddress = [u8; 6];

const BROADCAST: EthernetAddress = [0xff; 6];
/// The Ethernet destination of packets to [`ALL_NODES`]: RFC 2464, section 7.
const ALL_NODES_ETHERNET: EthernetAddress = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

const ARP_ETHERNET: u16 = 1;
const ARP_REQUEST: u16 = 1;

const ICMPV6: u8 = 58;
/// The hop limit that proves that no router forwarded the packet: RFC 4861, section 7.1.2.
const HOP_LIMIT: u8 = 255;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const FROM_ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// Returns an ARP request for the sender's own address, like those of the kernel and `arping -U`.
pub(super) fn gratuitous_arp(sender: EthernetAddress, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, sender, ETHERTYPE_ARP);
    frame.extend(ARP_ETHERNET.to_be_bytes());
    frame.extend(ETHERTYPE_IPV4.to_be_bytes());
    frame.extend([6, 4]);
    frame.extend(ARP_REQUEST.to_be_bytes());
    frame.extend(sender);
    frame.extend(address.octets());
    frame.extend(EthernetAddress::default());
    frame.extend(address.octets());
    frame
}

/// The sender of an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) address: EthernetAddress,
    pub(super) is_router: bool,
}

/// Returns an unsolicited neighbour advertisement to all nodes: RFC 4861, section 7.2.6.
///
/// `replaces` sets the override flag: neighbours replace an address that they know already.
pub(super) fn neighbour_advertisement(
    sender: Sender,
    address: Ipv6Addr,
    replaces: bool,
) -> Vec<u8> {
    let flags =
        if sender.is_router { FROM_ROUTER } else { 0 } | if replaces { OVERRIDE } else { 0 };
    let mut message = [0; 32];
    let fields = [
        &[NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0][..],
        &address.octets(),
        &[TARGET_LINK_LAYER_ADDRESS, 1],
        &sender.address,
    ];
    message.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    let [checksum_high, checksum_low] = checksum(address, &message).to_be_bytes();
    let [kind, code, _, _, rest @ ..] = message;

    let mut frame = ethernet(ALL_NODES_ETHERNET, sender.address, ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0, 0, 32, ICMPV6, HOP_LIMIT]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend([kind, code, checksum_high, checksum_low]);
    frame.extend(rest);
    frame
}

fn ethernet(destination: EthernetAddress, source: EthernetAddress, kind: u16) -> Vec<u8> {
    [&destination[..], &source, &kind.to_be_bytes()].concat()
}

/// Returns the checksum of an `ICMPv6` message to all nodes: RFC 4443, section 2.3.
///
/// The checksum field of the message is 0.
fn checksum(source: Ipv6Addr, message: &[u8; 32]) -> u16 {
    let pseudo_header =
        [&source.octets()[..], &ALL_NODES.octets(), &[0, 0, 0, 32, 0, 0, 0, ICMPV6]].concat();
    let words = pseudo_header.chunks_exact(2).chain(message.chunks_exact(2));
    let words = words.map(|word| word.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    !fold(words.sum())
}

/// Adds the carries to a sum of 16-bit words.
fn fold(sum: u32) -> u16 {
    let [a, b, c, d] = sum.to_be_bytes();
    let (sum, carry) = u16::from_be_bytes([a, b]).overflowing_add(u16::from_be_bytes([c, d]));
    sum + u16::from(carry)
}

#[cfg(test)]
mod tests;
