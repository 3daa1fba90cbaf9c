//! Names, ports, carrier and hardware addresses, by rtnetlink.

use std::ffi::{OsStr, c_int, c_uint};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use libteam::rtnl::LinkInfo;
use libteam::{HwAddr, IfIndex, LinkSettings};
use nix::errno::Errno;

use super::guard::{FAILED, export};
use super::handle::{Failure, Handle, code, errno_failure, length};
use super::pointers::{Buffer, Bytes, Out, Text, Th};
use crate::parse::LOG_WARNING;

/// Asks the kernel for a link.
fn link(handle: &Rc<Handle>, origin: &str, ifindex: u32) -> Result<LinkInfo, Failure> {
    let ifindex = valid(ifindex)?;
    handle.with_rtnl(origin, |rtnl| rtnl.link_by_index(ifindex))
}

fn valid(ifindex: u32) -> Result<IfIndex, Failure> {
    IfIndex::new(ifindex).ok_or(errno_failure(Errno::ENODEV))
}

export! {
    /// Returns the index of the link that has this name, or 0.
    fn team_ifname2ifindex(th: Th, name: Text) -> u32, 0, {
        let Some((handle, name)) = th.get().zip(name.get()) else { return 0 };
        let name = OsStr::from_bytes(name.to_bytes());
        let found = handle.with_rtnl("team_ifname2ifindex", |rtnl| rtnl.link_by_name(name));
        found.map_or(0, |link| link.ifindex().get())
    }
}

export! {
    /// Writes the name of a link, and returns the buffer; NULL if there is no such link.
    fn team_ifindex2ifname(th: Th, ifindex: u32, name: Buffer, size: c_uint) -> Buffer, Buffer::NULL, {
        let Some(handle) = th.get() else { return Buffer::NULL };
        link(&handle, "team_ifindex2ifname", ifindex).map_or(Buffer::NULL, |link| {
            name.write_text(link.name_os().as_bytes(), length(size));
            name
        })
    }
}

export! {
    /// Makes a link a port of the team.
    fn team_port_add(th: Th, ifindex: u32) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        code(valid(ifindex).and_then(|ifindex| {
            handle.with_team("team_port_add", |team| team.add_port(ifindex))
        }))
    }
}

export! {
    /// Removes a port from the team. A link that is not a port of it is left alone.
    fn team_port_remove(th: Th, ifindex: u32) -> c_int, FAILED, {
        const ORIGIN: &str = "team_port_remove";
        let Some(handle) = th.get() else { return FAILED };
        code(link(&handle, ORIGIN, ifindex).and_then(|link| {
            if link.master().is_none() || link.master() != handle.ifindex() {
                return Ok(());
            }
            let settings = LinkSettings::new().no_master();
            handle.with_rtnl(ORIGIN, |rtnl| rtnl.set_link(link.ifindex(), &settings))
        }))
    }
}

export! {
    /// Returns whether a link is a port of the team, by the kernel.
    fn team_is_our_port(th: Th, ifindex: u32) -> bool, false, {
        let Some(handle) = th.get() else { return false };
        link(&handle, "team_is_our_port", ifindex)
            .is_ok_and(|link| link.master().is_some() && link.master() == handle.ifindex())
    }
}

/// The team's own index, for functions that need `team_init` first.
fn team_index(handle: &Handle) -> Result<IfIndex, Failure> {
    handle.ifindex().ok_or(errno_failure(Errno::ENODEV))
}

export! {
    /// Sets the carrier of the team's link. A kernel that cannot do that is no error.
    fn team_carrier_set(th: Th, is_up: bool) -> c_int, FAILED, {
        const ORIGIN: &str = "team_carrier_set";
        let Some(handle) = th.get() else { return FAILED };
        let settings = LinkSettings::new().carrier(is_up);
        let result = team_index(&handle)
            .and_then(|team| handle.with_rtnl(ORIGIN, |rtnl| rtnl.set_link(team, &settings)));
        if result == Err(errno_failure(Errno::EINVAL)) {
            handle.log(LOG_WARNING, ORIGIN, "the kernel does not let a carrier be set");
            return 0;
        }
        code(result)
    }
}

export! {
    /// Returns the carrier of the team's link, by the kernel.
    fn team_carrier_get(th: Th, is_up: Out<bool>) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        code(team_index(&handle).and_then(|team| {
            let link = link(&handle, "team_carrier_get", team.get())?;
            is_up.set(link.has_carrier());
            Ok(())
        }))
    }
}

export! {
    /// Sets the hardware address of a link.
    fn team_hwaddr_set(th: Th, ifindex: u32, address: Bytes, size: c_uint) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        let address = HwAddr::new(&address.copy(length(size)));
        code(address.ok_or(FAILED).and_then(|address| {
            let settings = LinkSettings::new().hwaddr(address);
            let ifindex = valid(ifindex)?;
            handle.with_rtnl("team_hwaddr_set", |rtnl| rtnl.set_link(ifindex, &settings))
        }))
    }
}

/// The hardware address of a link, by the kernel.
fn hwaddr(handle: &Rc<Handle>, origin: &str, ifindex: u32) -> Result<HwAddr, Failure> {
    link(handle, origin, ifindex)?.hwaddr().ok_or(errno_failure(Errno::ENOENT))
}

export! {
    /// Writes the hardware address of a link, which has to have this length.
    fn team_hwaddr_get(th: Th, ifindex: u32, buffer: Buffer, size: c_uint) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        code(hwaddr(&handle, "team_hwaddr_get", ifindex).and_then(|address| {
            if address.len() != length(size) {
                return Err(errno_failure(Errno::EINVAL));
            }
            buffer.write(address.as_bytes());
            Ok(())
        }))
    }
}

export! {
    /// Returns the length of the hardware address of a link.
    fn team_hwaddr_len_get(th: Th, ifindex: u32) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        match hwaddr(&handle, "team_hwaddr_len_get", ifindex) {
            Ok(address) => c_int::try_from(address.len()).unwrap_or(FAILED),
            Err(failure) => failure,
        }
    }
}
