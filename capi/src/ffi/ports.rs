//! Ports and links: iteration and getters.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::rc::Rc;

use super::guard::export;
use super::pointers::{IfinfoPtr, PortPtr, Th};
use crate::store::{Ifinfo, LinkFlag, Port};

/// Defines getters of one type of object: the name, the result, the result for NULL, and how to get
/// it.
macro_rules! getters {
    ($pointer:ty: $($(#[$doc:meta])* fn $name:ident -> $result:ty, $fallback:expr, $get:expr;)+) => {
        $($crate::ffi::guard::export! {
            $(#[$doc])*
            fn $name(object: $pointer) -> $result, $fallback, {
                object.get().map_or($fallback, $get)
            }
        })+
    };
}

pub(super) use getters;

export! {
    /// Returns the port after this one, or the first: the newest first.
    fn team_get_next_port(th: Th, port: PortPtr) -> PortPtr, PortPtr::NULL, {
        PortPtr::of(th.get().and_then(|handle| handle.store().next_port(port.address())))
    }
}

getters! { PortPtr:
    /// Returns the index of the port's link.
    fn team_get_port_ifindex -> u32, 0, Port::ifindex;
    /// Returns the speed in Mbit/s as the driver reports it: 0 or 4294967295 where it is unknown.
    fn team_get_port_speed -> u32, 0, |port| port.state().speed;
    /// Returns the duplex as the driver reports it: 0 for half, 1 for full, 255 where it is unknown.
    fn team_get_port_duplex -> u8, 0, |port| port.state().duplex;
    /// Returns whether the port's link is up.
    fn team_is_port_link_up -> bool, false, |port| port.state().is_link_up;
    /// Returns whether the last port message reported the port.
    fn team_is_port_changed -> bool, false, Port::is_changed;
    /// Returns whether the port left the team.
    fn team_is_port_removed -> bool, false, Port::is_removed;
    /// Returns the port's link; never NULL.
    fn team_get_port_ifinfo -> IfinfoPtr, IfinfoPtr::NULL, |port| IfinfoPtr::of(Some(Rc::clone(port.ifinfo())));
}

export! {
    /// Returns whether the link of a port says that it is one of this team.
    fn team_is_port_present(th: Th, port: PortPtr) -> bool, false, {
        let Some(handle) = th.get() else { return false };
        let Some(port) = port.get() else { return false };
        !port.is_removed()
            && !port.ifinfo().is_removed()
            && handle.ifindex().is_some_and(|team| port.ifinfo().master() == team.get())
    }
}

export! {
    /// Returns the team's own link.
    fn team_get_ifinfo(th: Th) -> IfinfoPtr, IfinfoPtr::NULL, {
        IfinfoPtr::of(th.get().and_then(|handle| handle.store().team_ifinfo()))
    }
}

export! {
    /// Returns the link after this one, or the first: the newest first, the team's and its ports'.
    fn team_get_next_ifinfo(th: Th, ifinfo: IfinfoPtr) -> IfinfoPtr, IfinfoPtr::NULL, {
        IfinfoPtr::of(th.get().and_then(|handle| handle.store().next_ifinfo(ifinfo.address())))
    }
}

fn length(bytes: usize) -> u8 {
    u8::try_from(bytes).unwrap_or(u8::MAX)
}

getters! { IfinfoPtr:
    /// Returns whether the device is gone.
    fn team_is_ifinfo_removed -> bool, false, Ifinfo::is_removed;
    /// Returns the index of the link.
    fn team_get_ifinfo_ifindex -> u32, 0, Ifinfo::ifindex;
    /// Returns whether the link is administratively up.
    fn team_get_ifinfo_admin_state -> bool, false, Ifinfo::is_admin_up;
    /// Returns the port whose link this is, if it is one.
    fn team_get_ifinfo_port -> PortPtr, PortPtr::NULL, |link| PortPtr::of(link.port());
    /// Returns the hardware address, in a buffer of 32 bytes that the caller may write to.
    fn team_get_ifinfo_hwaddr -> *mut c_char, null_mut(), Ifinfo::hwaddr_ptr;
    /// Returns the length of the hardware address in bytes.
    fn team_get_ifinfo_hwaddr_len -> usize, 0, Ifinfo::hwaddr_len;
    /// Returns the hardware address of the time when the link has no master.
    fn team_get_ifinfo_orig_hwaddr -> *mut c_char, null_mut(), Ifinfo::original_hwaddr_ptr;
    /// Returns the length of that address in bytes.
    fn team_get_ifinfo_orig_hwaddr_len -> u8, 0, |link| length(link.original_hwaddr_len());
    /// Returns the name, in a buffer that changes with it.
    fn team_get_ifinfo_ifname -> *mut c_char, null_mut(), Ifinfo::name_ptr;
    /// Returns the index of the link's master, or 0.
    fn team_get_ifinfo_master_ifindex -> u32, 0, Ifinfo::master;
    /// Returns the identifier of the physical port, in a buffer of 32 bytes.
    fn team_get_ifinfo_phys_port_id -> *mut c_char, null_mut(), Ifinfo::phys_port_id_ptr;
    /// Returns the length of that identifier in bytes.
    fn team_get_ifinfo_phys_port_id_len -> usize, 0, Ifinfo::phys_port_id_len;
    /// Returns whether anything of the link changed.
    fn team_is_ifinfo_changed -> bool, false, Ifinfo::has_any_change;
    /// Returns whether the hardware address changed.
    fn team_is_ifinfo_hwaddr_changed -> bool, false, |link| link.has_changed(LinkFlag::HwAddr);
    /// Returns whether the length of the hardware address changed.
    fn team_is_ifinfo_hwaddr_len_changed -> bool, false, |link| link.has_changed(LinkFlag::HwAddrLen);
    /// Returns whether the name changed.
    fn team_is_ifinfo_ifname_changed -> bool, false, |link| link.has_changed(LinkFlag::Name);
    /// Returns whether the master changed.
    fn team_is_ifinfo_master_ifindex_changed -> bool, false, |link| link.has_changed(LinkFlag::Master);
    /// Returns whether the administrative state changed.
    fn team_is_ifinfo_admin_state_changed -> bool, false, |link| link.has_changed(LinkFlag::AdminState);
    /// Returns whether the identifier of the physical port changed.
    fn team_is_ifinfo_phys_port_id_changed -> bool, false, |link| link.has_changed(LinkFlag::PhysPortId);
    /// Returns whether the length of that identifier changed.
    fn team_is_ifinfo_phys_port_id_len_changed -> bool, false, |link| link.has_changed(LinkFlag::PhysPortIdLen);
}
