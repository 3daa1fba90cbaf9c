//! Requests that rtnetlink rejects: the kind of error, the kernel's message, and that nothing
//! changed.

use std::fmt::Debug;
use std::net::IpAddr;

use libteam::netlink::netlink_packet_core::DefaultNla;
use libteam::rtnl::netlink_packet_route::link::{InfoKind, LinkAttribute};
use libteam::rtnl::{LinkFilter, NewLink, RtnlSocket};
use libteam::{Error, ErrorKind, HwAddr, IfIndex, LinkSettings, Result};
use nix::errno::Errno;
use rustix::thread::CapabilitySet;

use crate::support::changes::reason;
use crate::support::features::explains_addresses;
use crate::support::netns::{enter, index, ip, ip_batch, without};
use crate::support::raw::Raw;

/// Panics unless the kernel rejected the operation with this error number and message, `""` for
/// none.
fn assert_refused<T: Debug>(
    result: Result<T>,
    kind: ErrorKind,
    errno: Errno,
    op: &str,
    words: &str,
) {
    let error = result.unwrap_err();
    let Error::Kernel { message, offset, .. } = &error else {
        panic!("{op}: not an error of the kernel: {error:?}")
    };
    assert_eq!((error.kind(), error.raw_os_error()), (kind, Some(errno as i32)), "{op}: {error:?}");
    let is_unexplained = message.is_none() && op.contains("ing address ") && !explains_addresses();
    let words = if is_unexplained { "" } else { words };
    assert_eq!((message.as_deref().unwrap_or(""), *offset), (words, None), "{op}");
    let colon = if words.is_empty() { "" } else { ": " };
    assert_eq!(error.to_string(), format!("{op}: {}{colon}{words}", reason(errno)));
}

/// A namespace with the dummies `d0` and `d1` (up), the veth `v0`, and the masters `team0` and
/// `br0`.
fn scene() -> RtnlSocket {
    enter();
    ip_batch(&[
        "link add d0 type dummy",
        "link add d1 up type dummy",
        "link add v0 type veth peer name v1",
        "link add team0 type team",
        "link add br0 type bridge",
        "link property add dev d0 altname spare",
        "address add 192.0.2.1/24 dev d0",
        "address add 2001:db8::1/64 dev d0",
    ]);
    RtnlSocket::new().unwrap()
}

/// Returns all state that these tests could change.
fn everything() -> [String; 2] {
    ["-d -j link", "-j address"].map(ip)
}

fn absent() -> IfIndex {
    IfIndex::new(4711).unwrap()
}

fn lo() -> IfIndex {
    index("lo")
}

fn hwaddr(text: &str) -> HwAddr {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn creating_existing_objects_is_already_exists() {
    let mut rtnl = scene();
    ip("link add link d0 name d0.5 type vlan id 5");
    let before = everything();
    let mut refused = |link: NewLink, op: &str, words: &str| {
        assert_refused(rtnl.create_link(&link), ErrorKind::AlreadyExists, Errno::EEXIST, op, words);
    };
    for name in ["d0", "team0", "lo", "spare"] {
        refused(NewLink::dummy(name), &format!("creating dummy device {name}"), "");
        refused(NewLink::team(name), &format!("creating team device {name}"), "");
    }
    refused(NewLink::dummy("x").index(index("v0")), "creating dummy device x", "");
    refused(NewLink::veth("x", "d0"), "creating veth device x", "");
    refused(
        NewLink::vlan("x", index("d0"), 5),
        "creating vlan device x",
        "8021q: VLAN device already exists",
    );

    let renamed = rtnl.set_link(index("v0"), &LinkSettings::new().name("d0"));
    assert_refused(renamed, ErrorKind::AlreadyExists, Errno::EEXIST, "renaming v0 to d0", "");
    for (address, prefix_len, words) in [
        ("192.0.2.1", 24, "ipv4: Address already assigned"),
        ("2001:db8::1", 64, "ipv6: address already assigned"),
    ] {
        let result = rtnl.add_address(index("d0"), address.parse().unwrap(), prefix_len);
        let op = format!("adding address {address}/{prefix_len} to d0");
        assert_refused(result, ErrorKind::AlreadyExists, Errno::EEXIST, &op, words);
    }
    assert_eq!(everything(), before);
}

#[test]
fn missing_objects_are_not_found() {
    let mut rtnl = scene();
    let before = everything();
    for (result, text) in [
        (rtnl.delete_link(absent()), "deleting link 4711: no such device (ENODEV)"),
        (
            rtnl.set_link(absent(), &LinkSettings::new().up()),
            "changing link 4711: no such device (ENODEV)",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::NoSuchDevice { .. }), "expected NoSuchDevice: {error:?}");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, text.to_owned()));
    }
    // The kernel treats larger numbers as negative ones.
    let largest = IfIndex::new(i32::MAX.unsigned_abs()).unwrap();
    for (result, op) in [
        (rtnl.delete_link(largest), "deleting"),
        (rtnl.set_link(largest, &LinkSettings::new().up()), "changing"),
        (rtnl.link_by_index(largest).map(drop), "looking up"),
        (rtnl.links(&LinkFilter::new().master(largest)).map(drop), "looking up"),
    ] {
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("{op} link {largest}: no such device (ENODEV)")
        );
    }
    let vlan = rtnl.create_link(&NewLink::vlan("x", absent(), 5));
    let words = "8021q: link does not exist";
    assert_refused(vlan, ErrorKind::NotFound, Errno::ENODEV, "creating vlan device x", words);

    let (v4, v6) = (address("192.0.2.9"), address("2001:db8::9"));
    for (address, words) in
        [(v4, "ipv4: Device not found"), (v6, "ipv6: Unable to find the interface")]
    {
        let op = format!("adding address {address}/24 to link 4711");
        assert_refused(
            rtnl.add_address(absent(), address, 24),
            ErrorKind::NotFound,
            Errno::ENODEV,
            &op,
            words,
        );
        let op = format!("deleting address {address}/24 of link 4711");
        assert_refused(
            rtnl.delete_address(absent(), address, 24),
            ErrorKind::NotFound,
            Errno::ENODEV,
            &op,
            words,
        );
    }
    // Another address, another prefix, another link.
    for (address, prefix_len, link, words) in [
        ("192.0.2.9", 24, "d0", "ipv4: Address not found"),
        ("192.0.2.1", 25, "d0", "ipv4: Address not found"),
        ("192.0.2.1", 24, "d1", "ipv4: Address not found"),
        ("2001:db8::9", 64, "d0", "ipv6: address not found"),
        ("2001:db8::1", 65, "d0", "ipv6: address not found"),
        ("2001:db8::1", 64, "d1", "ipv6: address not found"),
    ] {
        let result = rtnl.delete_address(index(link), address.parse().unwrap(), prefix_len);
        let op = format!("deleting address {address}/{prefix_len} of {link}");
        let error = result.unwrap_err();
        let Error::NoSuchAddress { message, .. } = &error else { panic!("{op}: {error:?}") };
        assert_eq!(message.as_deref(), explains_addresses().then_some(words), "{op}");
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (ErrorKind::NotFound, Some(Errno::EADDRNOTAVAIL as i32))
        );
        let words = message.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
        assert_eq!(error.to_string(), format!("{op}: no such address (EADDRNOTAVAIL){words}"));
    }
    assert_eq!(everything(), before);
}

#[test]
fn unsupported_operations_are_unsupported() {
    let mut rtnl = scene();
    let before = everything();
    let refused = |result, op: &str, words: &str| {
        assert_refused(result, ErrorKind::Unsupported, Errno::EOPNOTSUPP, op, words);
    };
    let nosuch = NewLink::new(InfoKind::Other("nosuch".to_owned()), "x");
    refused(rtnl.create_link(&nosuch).map(drop), "creating nosuch device x", "Unknown device type");
    let no_master = NewLink::dummy("x").master(index("d0"));
    refused(rtnl.create_link(&no_master).map(drop), "creating dummy device x", "");
    refused(rtnl.delete_link(lo()), "deleting lo", "");
    let (d0, v0) = (index("d0"), index("v0"));
    let op = format!("making v0 a port of link {d0}");
    refused(rtnl.set_link(v0, &LinkSettings::new().master(d0)), &op, "");
    refused(
        rtnl.set_link(lo(), &LinkSettings::new().carrier(false)),
        "setting the carrier of lo down",
        "",
    );
    refused(
        rtnl.set_link(v0, &LinkSettings::new().carrier(true)),
        "setting the carrier of v0 up",
        "",
    );
    assert_eq!(everything(), before);
}

#[test]
fn busy_links_are_resource_busy() {
    let mut rtnl = scene();
    ip("link add link team0 name team0.5 type vlan id 5");
    let before = everything();
    let team = index("team0");
    for (port, words) in [
        ("d1", "Device is up. Set it down before adding it as a team port"),
        ("team0.5", "Device is already an upper device of the team interface"),
    ] {
        let result = rtnl.set_link(index(port), &LinkSettings::new().master(team).up());
        let op = format!("making {port} a port of link {team}");
        assert_refused(result, ErrorKind::ResourceBusy, Errno::EBUSY, &op, words);
    }
    assert_eq!(everything(), before);
}

#[test]
fn forbidden_operations_are_permission_denied() {
    let mut rtnl = scene();
    ip("link set v0 master team0");
    let result = rtnl.set_link(index("v0"), &LinkSettings::new().mtu(1400));
    assert_refused(
        result,
        ErrorKind::PermissionDenied,
        Errno::EPERM,
        "setting the MTU of v0 to 1400",
        "",
    );
    std::fs::write("/proc/sys/net/ipv6/conf/d1/disable_ipv6", "1").unwrap();
    let result = rtnl.add_address(index("d1"), address("2001:db8::2"), 64);
    let words = "ipv6: IPv6 is disabled on this device";
    let op = "adding address 2001:db8::2/64 to d1";
    assert_refused(result, ErrorKind::PermissionDenied, Errno::EACCES, op, words);
}

#[test]
fn missing_capability_is_permission_denied() {
    let with_it = scene();
    let before = everything();
    let (d0, there, new) = (index("d0"), address("192.0.2.1"), address("192.0.2.2"));
    without(CapabilitySet::NET_ADMIN, || {
        // The kernel checks the caller, not only the process that opened the socket.
        for mut rtnl in [with_it, RtnlSocket::new().unwrap()] {
            let refused = |result, op: &str| {
                assert_refused(result, ErrorKind::PermissionDenied, Errno::EPERM, op, "");
            };
            refused(rtnl.create_link(&NewLink::dummy("x")).map(drop), "creating dummy device x");
            refused(rtnl.delete_link(d0), "deleting d0");
            refused(rtnl.set_link(d0, &LinkSettings::new().up()), "setting d0 up");
            refused(
                rtnl.set_link(d0, &LinkSettings::new().no_master()),
                "releasing d0 from its master",
            );
            refused(rtnl.add_address(d0, new, 24), "adding address 192.0.2.2/24 to d0");
            refused(rtnl.delete_address(d0, there, 24), "deleting address 192.0.2.1/24 of d0");
        }
    });
    assert_eq!(everything(), before);
}

#[test]
fn invalid_link_settings_are_invalid_input() {
    let mut rtnl = scene();
    let before = everything();
    let mut refused = |link: NewLink, errno: Errno, op: &str, words: &str| {
        assert_refused(rtnl.create_link(&link), ErrorKind::InvalidInput, errno, op, words);
    };
    let (small, large) = ("mtu less than device minimum", "mtu greater than device maximum");
    let team = "creating team device x";
    refused(NewLink::team("x").mtu(67), Errno::EINVAL, team, small);
    refused(NewLink::team("x").mtu(65536), Errno::EINVAL, team, large);
    refused(NewLink::team("x").hwaddr(hwaddr("01:00:00:00:00:00")), Errno::EADDRNOTAVAIL, team, "");
    refused(NewLink::team("x").hwaddr(hwaddr("02:00:00:00:00")), Errno::EINVAL, team, "");
    refused(NewLink::team("x").hwaddr(hwaddr("02:00:00:00:00:01:02")), Errno::EINVAL, team, "");
    refused(NewLink::team("x").master(absent()), Errno::EINVAL, team, "");
    let vlan = NewLink::vlan("x", index("d0"), 4095);
    refused(vlan, Errno::ERANGE, "creating vlan device x", "8021q: Invalid VLAN id");

    let (d0, team0) = (index("d0"), index("team0"));
    let mut refused = |link: IfIndex,
                       settings: LinkSettings,
                       errno: Errno,
                       op: &str,
                       words: &str| {
        assert_refused(rtnl.set_link(link, &settings), ErrorKind::InvalidInput, errno, op, words);
    };
    let set = LinkSettings::new;
    refused(team0, set().mtu(67), Errno::EINVAL, "setting the MTU of team0 to 67", small);
    refused(team0, set().mtu(65536), Errno::EINVAL, "setting the MTU of team0 to 65536", large);
    refused(d0, set().mtu(u32::MAX), Errno::EINVAL, "setting the MTU of d0 to 4294967295", small);
    for (address, errno) in [
        ("01:00:00:00:00:00", Errno::EADDRNOTAVAIL),
        ("00:00:00:00:00:00", Errno::EADDRNOTAVAIL),
        ("02:00:00:00:00", Errno::EINVAL),
    ] {
        let op = format!("setting the hardware address of d0 to {address}");
        refused(d0, set().hwaddr(hwaddr(address)), errno, &op, "");
    }
    refused(d0, set().master(absent()), Errno::EINVAL, "making d0 a port of link 4711", "");
    for (port, words) in [
        ("lo", "Loopback device can't be added as a team port"),
        ("team0", "Cannot enslave team device to itself"),
    ] {
        let op = format!("making {port} a port of link {team0}");
        refused(index(port), set().master(team0), Errno::EINVAL, &op, words);
    }
    assert_eq!(everything(), before);
}

#[test]
fn invalid_addresses_are_invalid_input() {
    let mut rtnl = scene();
    let before = everything();
    for (address, prefix_len, errno, words) in [
        ("192.0.2.2", 33, Errno::EINVAL, "ipv4: Invalid prefix length"),
        ("2001:db8::2", 129, Errno::EINVAL, "ipv6: Invalid prefix length"),
        ("::", 64, Errno::EADDRNOTAVAIL, "ipv6: Invalid address"),
        ("::1", 128, Errno::EADDRNOTAVAIL, "ipv6: Cannot assign loopback address on this device"),
        (
            "ff02::9",
            64,
            Errno::EADDRNOTAVAIL,
            "ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag",
        ),
    ] {
        let result = rtnl.add_address(index("d0"), address.parse().unwrap(), prefix_len);
        let op = format!("adding address {address}/{prefix_len} to d0");
        assert_refused(result, ErrorKind::InvalidInput, errno, &op, words);
    }
    let error = rtnl.add_address(index("d0"), address("0.0.0.0"), 8).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(22)));
    assert_eq!(
        error.to_string(),
        "invalid address \"0.0.0.0/8\": expected an address that a link can have"
    );
    assert_eq!(everything(), before);
}

#[test]
fn error_has_the_offset_of_the_invalid_attribute() {
    let mut rtnl = scene();
    // After the header (32), the name (8) and the kind (4 + 12), an MTU of one byte.
    let short = LinkAttribute::Other(DefaultNla::new(4, vec![1]));
    let error = rtnl.create_link(&NewLink::dummy("x").attribute(short)).unwrap_err();
    let Error::Kernel { message, offset, .. } = &error else {
        panic!("not an error of the kernel: {error:?}")
    };
    assert_eq!(
        (message.as_deref(), *offset),
        (Some("Attribute failed policy validation"), Some(56))
    );
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (ErrorKind::InvalidInput, Some(Errno::ERANGE as i32))
    );
}

#[test]
fn too_long_hwaddr_is_rejected() {
    let mut rtnl = scene();
    let before = everything();
    let long = hwaddr("02:00:00:00:00:01:02");
    let words = "invalid hardware address \"02:00:00:00:00:01:02\": expected an address as long as the link's own";
    let set = rtnl.set_link(index("d0"), &LinkSettings::new().mtu(1400).hwaddr(long));
    let by_handle = libteam::TeamHandle::open("team0").unwrap().set_hwaddr(index("d0"), long);
    for result in [set, by_handle] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidInput, words));
    }
    assert_eq!(everything(), before);
}

#[test]
fn invalid_names_are_not_sent() {
    let mut rtnl = scene();
    let before = everything();
    for name in ["", ".", "..", "a/b", "a:b", "a b", "x%d", "a\0b", "sixteen-bytes-xx"] {
        for result in [
            rtnl.create_link(&NewLink::dummy(name)),
            rtnl.create_link(&NewLink::veth("x", name)),
            rtnl.create_link(
                &NewLink::dummy("x").attribute(LinkAttribute::IfName(name.to_owned())),
            ),
            rtnl.set_link(index("d0"), &LinkSettings::new().down().name(name)).map(|()| lo()),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(
                matches!(error, Error::InvalidName { name: rejected, .. } if rejected == name),
                "expected InvalidName: {name:?}"
            );
        }
    }
    assert_eq!(everything(), before);
}

#[test]
fn white_space_in_names_is_as_in_the_kernel() {
    let mut rtnl = scene();
    let mut raw = Raw::new();
    // Every byte that text can have in a character of one byte, or as the last one of two; and
    // characters of three.
    let characters = ('\u{1}'..'\u{c0}')
        .chain(['\u{e0}', '\u{1680}', '\u{2003}', '\u{2028}', '\u{3000}', '\u{4820}']);
    for (character, number) in characters.filter(|character| *character != '%').zip(9000..) {
        let (name, ifindex) = (format!("a{character}"), IfIndex::new(number).unwrap());
        let ours = rtnl.create_link(&NewLink::dummy(&name).index(ifindex));
        match raw.add_dummy(&name, IfIndex::new(number + 1000).unwrap()) {
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
                assert!(
                    matches!(ours, Err(Error::InvalidName { .. })),
                    "expected InvalidName: {name:?}: {ours:?}"
                );
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::EEXIST as i32), "{name:?}");
                rtnl.delete_link(ours.unwrap()).unwrap();
            }
            Ok(()) => panic!("the kernel accepts {name:?}, but the library does not: {ours:?}"),
        }
    }
}
