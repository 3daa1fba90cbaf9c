//! IPv4 and IPv6 addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::model::ifindex::IfIndex;
use crate::netlink::error::During;
use crate::rtnl::RtnlSocket;

impl RtnlSocket {
    /// Gives a link an IPv4 or IPv6 address.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] for 0.0.0.0 before anything is sent.
    /// - [`Error::Kernel`]: [`Exists`](ErrorKind::Exists) if the link has it; [`NotFound`](ErrorKind::NotFound) if
    ///   there is no such link; [`Invalid`](ErrorKind::Invalid) for a prefix longer than the address, or an address
    ///   that a link cannot have; [`NotPermitted`](ErrorKind::NotPermitted) if IPv6 is switched off on the link.
    /// - Those of [`NetlinkConnection::request`](crate::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, NewLink, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0").up())?;
    /// rtnl.add_address(dummy, "192.0.2.1".parse()?, 24)?;
    /// rtnl.add_address(dummy, "2001:db8::1".parse()?, 64)?;
    ///
    /// let error = rtnl.add_address(dummy, "192.0.2.1".parse()?, 24).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Exists);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWADDR` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7).
    pub fn add_address(&mut self, ifindex: IfIndex, address: IpAddr, prefix_len: u8) -> Result<()> {
        if address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            // The kernel would do nothing and call that a success.
            let (setting, value) = ("an address", format!("{address}/{prefix_len}"));
            return Err(Error::InvalidSetting { setting, value, reason: "no link can have it" });
        }
        let message = RouteNetlinkMessage::NewAddress(message(ifindex, address, prefix_len));
        let result = self.socket.execute(message, NLM_F_CREATE | NLM_F_EXCL);
        let link = self.name_for(&result, ifindex);
        result.during(|| format!("adding address {address}/{prefix_len} to {link}"))
    }

    /// Takes an address from a link.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`]: [`NotFound`](ErrorKind::NotFound) if the link does not have it with this prefix, or there
    ///   is no such link.
    /// - Those of [`NetlinkConnection::request`](crate::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, NewLink, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
    /// let address = "192.0.2.1".parse()?;
    /// rtnl.add_address(dummy, address, 24)?;
    /// rtnl.del_address(dummy, address, 24)?;
    /// assert_eq!(rtnl.del_address(dummy, address, 24).unwrap_err().kind(), ErrorKind::NotFound);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELADDR`, rtnetlink(7).
    pub fn del_address(&mut self, ifindex: IfIndex, address: IpAddr, prefix_len: u8) -> Result<()> {
        let message = RouteNetlinkMessage::DelAddress(message(ifindex, address, prefix_len));
        let result = self.socket.execute(message, 0);
        let link = self.name_for(&result, ifindex);
        let result = result.during(|| format!("deleting address {address}/{prefix_len} of {link}"));
        result.map_err(absent_is_not_found)
    }
}

fn message(ifindex: IfIndex, address: IpAddr, prefix_len: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = ifindex.get();
    message.header.prefix_len = prefix_len;
    message.attributes.push(AddressAttribute::Address(address));
    match address {
        IpAddr::V4(v4) => {
            message.header.family = AddressFamily::Inet;
            // The kernel itself knows where an IPv6 address is valid.
            message.header.scope = if v4.is_loopback() { AddressScope::Host } else { AddressScope::Universe };
            message.attributes.push(AddressAttribute::Local(address));
        }
        IpAddr::V6(_) => message.header.family = AddressFamily::Inet6,
    }
    message
}

/// The kernel says `EADDRNOTAVAIL` of an address that it cannot delete because there is none.
fn absent_is_not_found(error: Error) -> Error {
    match error {
        Error::Kernel { op, message, offset, source, .. }
            if source.raw_os_error() == Some(Errno::EADDRNOTAVAIL as i32) =>
        {
            Error::Kernel { op, kind: ErrorKind::NotFound, message, offset, source }
        }
        error => error,
    }
}
