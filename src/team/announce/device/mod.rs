//! The devices whose addresses are announced (a team and the VLANs on top of it), and their frames.

use std::net::IpAddr;

use netlink_packet_route::address::AddressFlags;

use super::packet::{EthernetAddress, Sender, gratuitous_arp, neighbour_advertisement};
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::model::link::LinkFlags;
use crate::netlink::codec::attribute::attributes;
use crate::netlink::dump::Dump;
use crate::rtnl::{Address, AddressFilter, LinkFilter, LinkInfo, RtnlSocket};

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

/// Returns whether a device has an Ethernet address, which announcements require.
pub(super) fn is_ethernet(link: &LinkInfo) -> bool {
    link.link_layer_type() == ARPHRD_ETHER && ethernet_address(link).is_some()
}

/// Returns whether a device is up and has an Ethernet address.
pub(super) fn can_announce(link: &LinkInfo) -> bool {
    link.is_admin_up() && is_ethernet(link)
}

/// Lists the VLANs on top of a device, and those on top of them.
///
/// VLANs that were moved to another namespace are left out.
pub(super) fn vlans_on(rtnl: &mut RtnlSocket, device: IfIndex) -> Result<Dump<LinkInfo>> {
    let mut vlans = rtnl.links(&LinkFilter::new().kind("vlan"))?;
    let mut found = vec![device];
    let (mut above, mut others) = (Vec::new(), std::mem::take(&mut vlans.items));
    loop {
        let (next, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|vlan| {
            vlan.link_netnsid().is_none()
                && vlan.link_ifindex().is_some_and(|lower| found.contains(&lower))
        });
        if next.is_empty() {
            break;
        }
        found.extend(next.iter().map(LinkInfo::ifindex));
        above.extend(next);
        others = rest;
    }
    vlans.items = above;
    Ok(vlans)
}

/// Lists the addresses of these devices; the list may contain addresses of other links.
pub(super) fn addresses_of(rtnl: &mut RtnlSocket, devices: &[LinkInfo]) -> Result<Dump<Address>> {
    let filter = match devices {
        [device] => AddressFilter::new().link(device.ifindex()),
        _ => AddressFilter::new(),
    };
    rtnl.addresses(&filter)
}

/// Returns the frames that announce those addresses that belong to the device.
pub(super) fn frames(device: &LinkInfo, addresses: &[Address]) -> Frames {
    let mut frames = Frames::default();
    let Some(hwaddr) = ethernet_address(device) else { return frames };
    let does_arp = !device.flags().contains(LinkFlags::NO_ARP);
    let sender = Sender { address: hwaddr, is_router: forwards_ipv6(device) };
    for address in addresses.iter().filter(|address| address.ifindex() == device.ifindex()) {
        let flags = address.flags();
        match address.ip() {
            IpAddr::V4(ip) if does_arp && !ip.is_loopback() && !ip.is_unspecified() => {
                frames.ipv4.push(gratuitous_arp(hwaddr, ip));
            }
            IpAddr::V6(ip) if !ip.is_loopback() && is_ours(flags) => {
                // RFC 4429, section 3.3: an optimistic address must not override the entry of
                // another node.
                let replaces = !flags.contains(AddressFlags::Optimistic);
                frames.ipv6.push(neighbour_advertisement(sender, ip, replaces));
            }
            _ => {}
        }
    }
    frames
}

/// Returns whether an IPv6 address may be announced as the device's own.
///
/// Duplicate address detection must have ended without a conflict, or the address is optimistic.
fn is_ours(flags: AddressFlags) -> bool {
    let is_tentative =
        flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic);
    !is_tentative && !flags.contains(AddressFlags::Dadfailed)
}

fn ethernet_address(link: &LinkInfo) -> Option<EthernetAddress> {
    link.hwaddr()?.as_bytes().try_into().ok()
}

/// Returns whether the device forwards IPv6, so that its advertisements have the router flag.
///
/// Neighbours stop using a router that sends advertisements without the flag.
fn forwards_ipv6(link: &LinkInfo) -> bool {
    let nested = |nest: Option<&[u8]>, kind: u16| {
        let mut found =
            attributes(nest?).map_while(Result::ok).filter(|attribute| attribute.kind == kind);
        found.next().map(|attribute| attribute.value.to_vec())
    };
    let ipv6 = nested(link.attribute(IFLA_AF_SPEC), AF_INET6);
    let settings = nested(ipv6.as_deref(), IFLA_INET6_CONF);
    // `forwarding` is the first number of an array of 32-bit numbers.
    settings
        .as_deref()
        .and_then(<[u8]>::first_chunk)
        .is_some_and(|forwarding| *forwarding != [0; 4])
}

#[cfg(test)]
mod tests;
