//! The devices whose addresses are announced: a team, and the VLANs on top of it.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};

use super::packet::{EthernetAddress, Sender, gratuitous_arp, neighbour_advertisement};
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::model::link::LinkFlags;
use crate::netlink::codec::attribute::attributes;
use crate::netlink::dump::Dump;
use crate::rtnl::{AddressFilter, LinkFilter, LinkRecord, RtnlSocket};

const ARPHRD_ETHER: u16 = 1;
const IFLA_AF_SPEC: u16 = 26;
const AF_INET6: u16 = 10;
const IFLA_INET6_CONF: u16 = 2;

/// The frames that announce one device.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) ipv4: Vec<Vec<u8>>,
    pub(super) ipv6: Vec<Vec<u8>>,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }
}

/// Whether a device has addresses of the sort that is announced.
pub(super) fn is_ethernet(link: &LinkRecord) -> bool {
    link.link_layer_type() == ARPHRD_ETHER && ethernet_address(link).is_some()
}

/// Whether a device sends, and has neighbours that ask for addresses.
pub(super) fn can_announce(link: &LinkRecord) -> bool {
    link.is_admin_up() && is_ethernet(link)
}

/// The VLANs on top of a device, and those on top of them. One that was moved to another namespace is none of these.
pub(super) fn vlans_on(rtnl: &mut RtnlSocket, device: IfIndex) -> Result<Dump<LinkRecord>> {
    let mut vlans = rtnl.links(&LinkFilter::new().kind("vlan"))?;
    let mut found = vec![device];
    let (mut above, mut others) = (Vec::new(), std::mem::take(&mut vlans.items));
    loop {
        let (next, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|vlan| {
            vlan.peer_namespace().is_none() && vlan.peer().is_some_and(|lower| found.contains(&lower))
        });
        if next.is_empty() {
            break;
        }
        found.extend(next.iter().map(LinkRecord::ifindex));
        above.extend(next);
        others = rest;
    }
    vlans.items = above;
    Ok(vlans)
}

/// The addresses of these devices, of others perhaps too.
pub(super) fn addresses_of(rtnl: &mut RtnlSocket, devices: &[LinkRecord]) -> Result<Dump<AddressMessage>> {
    let filter = match devices {
        [device] => AddressFilter::new().link(device.ifindex()),
        _ => AddressFilter::new(),
    };
    rtnl.addresses(&filter)
}

/// What announces those of the addresses that are the device's.
pub(super) fn frames(device: &LinkRecord, addresses: &[AddressMessage]) -> Frames {
    let mut frames = Frames::default();
    let Some(hwaddr) = ethernet_address(device) else { return frames };
    let does_arp = !device.flags().contains(LinkFlags::NO_ARP);
    let sender = Sender { address: hwaddr, is_router: forwards_ipv6(device) };
    for message in addresses.iter().filter(|message| message.header.index == device.ifindex().get()) {
        let flags = message.header.flags;
        match own_address(message) {
            Some(IpAddr::V4(address)) if does_arp && !address.is_loopback() && !address.is_unspecified() => {
                frames.ipv4.push(gratuitous_arp(hwaddr, address));
            }
            Some(IpAddr::V6(address)) if !address.is_loopback() && is_ours(flags) => {
                // RFC 4429, section 3.3: what may turn out to be another's does not replace that other's.
                let replaces = !flags.contains(AddressHeaderFlags::Optimistic);
                frames.ipv6.push(neighbour_advertisement(sender, address, replaces));
            }
            _ => {}
        }
    }
    frames
}

/// Whether it is known that nobody else has the address, or it may be used until that is known.
fn is_ours(flags: AddressHeaderFlags) -> bool {
    let is_tentative = flags.contains(AddressHeaderFlags::Tentative) && !flags.contains(AddressHeaderFlags::Optimistic);
    !is_tentative && !flags.contains(AddressHeaderFlags::Dadfailed)
}

/// The device's own address; where it is one end of two, the other attribute is the peer's.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

fn ethernet_address(link: &LinkRecord) -> Option<EthernetAddress> {
    link.hwaddr()?.as_bytes().try_into().ok()
}

/// Whether the device is a router's: neighbours that hear it is none would no longer use it as such.
fn forwards_ipv6(link: &LinkRecord) -> bool {
    let within = |nest: Option<&[u8]>, kind: u16| {
        let mut found = attributes(nest?).map_while(Result::ok).filter(|attribute| attribute.kind == kind);
        found.next().map(|attribute| attribute.value.to_vec())
    };
    let ipv6 = within(link.attribute(IFLA_AF_SPEC), AF_INET6);
    let settings = within(ipv6.as_deref(), IFLA_INET6_CONF);
    // An array of numbers of 32 bits, of which `forwarding` is the first.
    settings.as_deref().and_then(<[u8]>::first_chunk).is_some_and(|forwarding| *forwarding != [0; 4])
}

#[cfg(test)]
mod tests;
