//! Links that are moved to another network namespace, or created there.

use std::fs::File;

use libteam::rtnl::NewLink;
use libteam::{Error, ErrorKind};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use serde_json::Value;

use crate::rtnl_changes::{hwaddr, is_up, link, remains, rtnl, set};
use crate::support::netns::{OtherNamespace, index, ip, ip_batch, ip_json, own_namespace};

/// Creates a second namespace, and opens its descriptor.
fn elsewhere() -> (OtherNamespace, File) {
    let other = OtherNamespace::new();
    let namespace = other.run(own_namespace);
    (other, namespace)
}

/// Returns a link as `ip` prints it in another namespace.
fn link_there(other: &OtherNamespace, name: &'static str) -> Value {
    other.run(move || link(name))
}

#[test]
fn link_moves_to_another_namespace_with_settings() {
    let mut rtnl = rtnl();
    let (other, namespace) = elsewhere();
    // The link's name in the other namespace is in use in this one.
    ip_batch(&[
        "link add d0 up type dummy",
        "link add eth0 type dummy",
        "link add d1 up type dummy",
    ]);
    let settings = set().mtu(1400).hwaddr(hwaddr(9)).namespace(&namespace).unwrap();
    rtnl.set_link(index("d0"), &settings.clone().name("eth0").up()).unwrap();
    rtnl.set_link(index("d1"), &settings).unwrap();

    for (name, up) in [("eth0", true), ("d1", false)] {
        let moved = link_there(&other, name);
        assert_eq!((&moved["mtu"], &moved["address"]), (&1400.into(), &"02:00:00:00:00:09".into()));
        let flags = moved["flags"].as_array().unwrap();
        assert_eq!(flags.iter().any(|flag| flag == "UP"), up, "{moved}");
    }
    // A port of a team: the MTU is that of the settings, not the one that the team restores.
    ip_batch(&[
        "link add team0 mtu 1300 type team",
        "link add d2 type dummy",
        "link set d2 master team0",
    ]);
    rtnl.set_link(index("d2"), &settings).unwrap();
    let moved = link_there(&other, "d2");
    assert_eq!((&moved["mtu"], &moved["address"]), (&1400.into(), &"02:00:00:00:00:09".into()));
    ip("link del team0");

    let here: Vec<String> =
        ip_json("link").iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect();
    assert_eq!(here, ["lo", "eth0"]);
    assert_eq!(link("eth0")["mtu"], 1500, "MTU of the other eth0, in this namespace");
}

#[test]
fn failed_move_restores_the_link() {
    let mut rtnl = rtnl();
    let (other, namespace) = elsewhere();
    other.run(|| ip("link add d0 type dummy"));
    ip_batch(&[
        "link add team0 type team",
        "link add br0 type bridge",
        "link add d0 up type dummy",
    ]);
    ip("link set d0 master br0");
    ip_batch(&[
        "link add team1 mtu 1300 type team",
        "link add d1 mtu 1450 type dummy",
        "link set d1 master team1",
    ]);
    other.run(|| ip("link add d1 type dummy"));
    let to = |namespace: &File| set().mtu(1400).hwaddr(hwaddr(9)).namespace(namespace).unwrap();
    let before = [remains("d0"), remains("d1"), remains("team0")];
    let no_namespace = File::open("/proc/self/status").unwrap();
    let pidfd = File::from(pidfd_open(getpid(), PidfdFlags::empty()).unwrap());
    for (name, settings, kind) in [
        // A link in the other namespace has the name.
        ("d0", to(&namespace), ErrorKind::AlreadyExists),
        ("d0", to(&namespace).no_master().down(), ErrorKind::AlreadyExists),
        ("d1", to(&namespace), ErrorKind::AlreadyExists),
        ("team0", to(&namespace), ErrorKind::InvalidInput),
        ("team0", to(&namespace).up(), ErrorKind::InvalidInput),
        ("d0", to(&no_namespace), ErrorKind::InvalidInput),
        ("d0", to(&pidfd), ErrorKind::InvalidInput),
    ] {
        let error = rtnl.set_link(index(name), &settings).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().contains(&format!("moving {name} to another network namespace")),
            "expected an error of moving {name}: {error}"
        );
        assert_eq!([remains("d0"), remains("d1"), remains("team0")], before, "{settings:?}");
    }
    assert_eq!(link_there(&other, "d0")["mtu"], 1500);
}

#[test]
fn move_with_a_master_is_rejected_unsent() {
    let mut rtnl = rtnl();
    let (_other, namespace) = elsewhere();
    ip_batch(&["link add team0 type team", "link add d0 up type dummy"]);
    let before = remains("d0");
    let settings = set().down().master(index("team0")).namespace(&namespace).unwrap();
    let error = rtnl.set_link(index("d0"), &settings).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { .. }), "expected InvalidSetting: {error:?}");
    assert_eq!(remains("d0"), before);
}

#[test]
fn move_is_kept_when_new_name_is_taken_there() {
    let mut rtnl = rtnl();
    let (other, namespace) = elsewhere();
    other.run(|| ip("link add eth0 type dummy"));
    ip("link add d0 type dummy");
    let settings = set().mtu(1400).namespace(&namespace).unwrap().name("eth0").up();
    let error = rtnl.set_link(index("d0"), &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    // The kernel moves the link before it renames the link.
    assert_eq!(link_there(&other, "d0")["mtu"], 1400);
    assert_eq!(ip_json("link").len(), 1);
}

#[test]
fn peer_of_a_veth_is_created_in_another_namespace() {
    let mut rtnl = rtnl();
    let (other, namespace) = elsewhere();
    ip("link add eth0 type dummy");
    let new = NewLink::veth("v0", "eth0").peer_namespace(&namespace).unwrap().mtu(1400).up();
    let v0 = rtnl.create_link(&new).unwrap();
    assert_eq!((v0, is_up("v0"), &link("v0")["mtu"]), (index("v0"), true, &1400.into()));
    let peer = link_there(&other, "eth0");
    assert_eq!(
        (&peer["link_index"], &peer["linkinfo"]["info_kind"]),
        (&v0.get().into(), &"veth".into())
    );
    assert_eq!(ip_json("link").len(), 3);

    let error = rtnl
        .create_link(&NewLink::veth("v1", "eth0").peer_namespace(&namespace).unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(ip_json("link").len(), 3, "links after a failed creation");
    let error =
        rtnl.create_link(&NewLink::dummy("d0").peer_namespace(&namespace).unwrap()).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { .. }), "expected InvalidSetting: {error:?}");

    rtnl.delete_link(v0).unwrap();
    assert_eq!(
        other.run(|| ip_json("link")).len(),
        1,
        "links in the other namespace: the peer is deleted"
    );
}
