//! Creation, deletion and changes of links and their addresses, compared with the output of `ip`.

use std::collections::BTreeSet;

use libteam::netlink::netlink_packet_core::DefaultNla;
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkMessage, MacVlanMode,
};
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{ErrorKind, HwAddr, IfIndex, LinkSettings, TeamHandle};
use nix::errno::Errno;
use serde_json::Value;

use crate::support::changes::kernel_errno;
use crate::support::features::renames_links_that_are_up;
use crate::support::netns::{enter, index, ip, ip_batch, ip_json};

pub(crate) fn rtnl() -> RtnlSocket {
    enter();
    RtnlSocket::new().unwrap()
}

/// A link as `ip` prints it.
pub(crate) fn link(name: &str) -> Value {
    ip_json(&format!("-d link show {name}")).remove(0)
}

fn flags(name: &str) -> BTreeSet<String> {
    link(name)["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag.as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn is_up(name: &str) -> bool {
    flags(name).contains("UP")
}

pub(crate) fn hwaddr(last: u8) -> HwAddr {
    HwAddr::new(&[2, 0, 0, 0, 0, last]).unwrap()
}

pub(crate) fn set() -> LinkSettings {
    LinkSettings::new()
}

#[test]
fn new_link_has_its_settings() {
    let mut rtnl = rtnl();
    let seventy = IfIndex::new(70).unwrap();
    let created = rtnl
        .create_link(&NewLink::dummy("d0").mtu(1400).hwaddr(hwaddr(7)).index(seventy).up())
        .unwrap();
    assert_eq!((created, index("d0")), (seventy, seventy));
    let d0 = link("d0");
    assert_eq!(
        (d0["mtu"].as_u64(), d0["address"].as_str()),
        (Some(1400), Some("02:00:00:00:00:07"))
    );
    assert_eq!(d0["linkinfo"]["info_kind"], "dummy");
    assert!(is_up("d0"));

    let queue = LinkAttribute::TxQueueLen(77);
    let private = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
    for (name, new, kind) in [
        ("team0", NewLink::team("team0"), "team"),
        ("br0", NewLink::bridge("br0").attribute(queue), "bridge"),
        ("v0", NewLink::veth("v0", "v1"), "veth"),
        ("d0.5", NewLink::vlan("d0.5", seventy, 5), "vlan"),
        ("m0", NewLink::new(InfoKind::MacVlan, "m0").link(seventy).data(private), "macvlan"),
    ] {
        let created = rtnl.create_link(&new).unwrap();
        assert_eq!(created, index(name));
        assert_eq!(
            (link(name)["linkinfo"]["info_kind"].as_str(), is_up(name)),
            (Some(kind), false)
        );
    }
    assert_eq!(link("br0")["txqlen"], 77);
    assert_eq!(link("v0")["link"], "v1");
    assert_eq!(
        (&link("d0.5")["link"], &link("d0.5")["linkinfo"]["info_data"]["id"]),
        (&"d0".into(), &5.into())
    );
    assert_eq!(link("m0")["linkinfo"]["info_data"]["mode"], "private");
    assert_eq!(ip_json("link").len(), 8);
}

#[test]
fn create_does_not_change_an_existing_link() {
    let mut rtnl = rtnl();
    let old = ["dummy", "team", "bridge", "veth"];
    for kind in old {
        let peer = if kind == "veth" { "peer name far" } else { "" };
        ip(&format!("link add {kind}0 mtu 1300 type {kind} {peer}"));
    }
    let before = ip("-d -j link");
    for name in old.map(|kind| format!("{kind}0")) {
        for new in [
            NewLink::dummy(&name),
            NewLink::team(&name),
            NewLink::bridge(&name),
            NewLink::veth(&name, "x"),
        ] {
            let error = rtnl.create_link(&new.mtu(1400).up()).unwrap_err();
            assert_eq!(
                (error.kind(), kernel_errno(&error)),
                (ErrorKind::AlreadyExists, Errno::EEXIST)
            );
        }
    }
    assert_eq!(ip("-d -j link"), before);
}

#[test]
fn link_is_created_as_a_port_that_is_up() {
    let mut rtnl = rtnl();
    for (master, kind) in
        [("team0", NewLink::team("team0").up()), ("br0", NewLink::bridge("br0").up())]
    {
        let ifindex = rtnl.create_link(&kind).unwrap();
        let port = format!("{master}p");
        rtnl.create_link(&NewLink::dummy(&port).master(ifindex).up()).unwrap();
        assert_eq!((&link(&port)["master"], is_up(&port)), (&master.into(), true));
    }
    let br0 = index("br0");
    rtnl.create_link(&NewLink::dummy("down").master(br0)).unwrap();
    assert_eq!((&link("down")["master"], is_up("down")), (&"br0".into(), false));
}

#[test]
fn new_link_that_cannot_be_set_up_is_deleted() {
    let mut rtnl = rtnl();
    ip_batch(&["link add d0 type dummy", "link add br0 type bridge", "link add team0 type team"]);
    // A bridge has another address after it had a port.
    let rest = || {
        ip_json("-d link").into_iter().filter(|link| link["ifname"] != "br0").collect::<Vec<_>>()
    };
    let before = rest();
    // A VLAN cannot be up while its lower link is down.
    let vlan = NewLink::vlan("d0.5", index("d0"), 5).up();
    for (new, op) in [
        (vlan.clone(), "creating vlan device d0.5"),
        (vlan.clone().master(index("team0")), "creating vlan device d0.5"),
        (vlan.master(index("br0")), "setting the new vlan device d0.5 up"),
    ] {
        let error = rtnl.create_link(&new).unwrap_err();
        assert_eq!(kernel_errno(&error), Errno::ENETDOWN);
        assert_eq!(error.to_string(), format!("{op}: network is down (ENETDOWN)"));
    }
    assert_eq!(rest(), before);
}

#[test]
fn ports_of_a_deleted_master_remain() {
    let mut rtnl = rtnl();
    ip_batch(&[
        "link add v0 type veth peer name v1",
        "link add team0 type team",
        "link add d0 master team0 type dummy",
    ]);
    rtnl.delete_link(index("v1")).unwrap();
    rtnl.delete_link(index("team0")).unwrap();
    let names: Vec<_> = ip_json("link").into_iter().map(|link| link["ifname"].clone()).collect();
    assert_eq!(names, ["lo", "d0"]);
    assert_eq!(link("d0").get("master"), None);
}

#[test]
fn each_setting_changes_nothing_else() {
    let mut rtnl = rtnl();
    ip_batch(&["link add d0 type dummy", "link add br0 type bridge"]);
    let (d0, br0) = (index("d0"), index("br0"));
    let mut expected = link("d0");
    let mut check = |settings: LinkSettings, changed: &[(&str, Value)]| {
        rtnl.set_link(d0, &settings).unwrap();
        for (field, value) in changed {
            expected[*field] = value.clone();
        }
        let name = expected["ifname"].as_str().unwrap();
        let found = link(name);
        for field in
            ["ifname", "flags", "mtu", "operstate", "address", "linkinfo", "txqlen", "group"]
        {
            let (found, expected) = (found.get(field), expected.get(field));
            // `ip` prints the kind of the master next to that of the link.
            let kind =
                |value: &Value| value.get("info_kind").cloned().unwrap_or_else(|| value.clone());
            assert_eq!(found.map(kind), expected.map(kind), "{field}: {settings:?}");
        }
        assert_eq!(
            found.get("master").unwrap_or(&Value::Null),
            &expected["master"],
            "{settings:?}"
        );
    };
    check(set(), &[]);
    check(set().mtu(1400), &[("mtu", 1400.into())]);
    check(set().hwaddr(hwaddr(9)), &[("address", "02:00:00:00:00:09".into())]);
    check(set().name("d1"), &[("ifname", "d1".into())]);
    check(set().master(br0), &[("master", "br0".into())]);
    check(set().master(br0), &[]);
    let up: Vec<&str> = vec!["BROADCAST", "NOARP", "UP", "LOWER_UP"];
    check(set().up(), &[("flags", up.clone().into()), ("operstate", "UNKNOWN".into())]);
    if renames_links_that_are_up() {
        check(set().name("d2"), &[("ifname", "d2".into())]);
    }
    let no_carrier: Vec<&str> = vec!["NO-CARRIER", "BROADCAST", "NOARP", "UP"];
    check(set().carrier(false), &[("flags", no_carrier.into()), ("operstate", "DOWN".into())]);
    check(set().carrier(true), &[("flags", up.into()), ("operstate", "UP".into())]);
    check(set().no_master(), &[("master", Value::Null)]);
    check(set().no_master(), &[]);
    check(
        set().down(),
        &[("flags", vec!["BROADCAST", "NOARP"].into()), ("operstate", "DOWN".into())],
    );
}

#[test]
fn up_and_down_keep_all_other_flags() {
    let mut rtnl = rtnl();
    ip_batch(&[
        "link add v0 type veth peer name v1",
        "link set v0 promisc on allmulticast on arp off",
        "link add v2 type veth peer name v3",
        "link set v2 multicast off",
    ]);
    for name in ["v0", "v2"] {
        let before = flags(name);
        assert_eq!(before.contains("MULTICAST"), name == "v0");
        rtnl.set_link(index(name), &set().up()).unwrap();
        let mut up = flags(name);
        assert!(up.remove("UP"));
        for volatile in ["M-DOWN", "LOWER_UP", "NO-CARRIER"] {
            up.remove(volatile);
        }
        let mut steady = before.clone();
        steady.remove("M-DOWN");
        assert_eq!(up, steady);
        rtnl.set_link(index(name), &set().down()).unwrap();
        assert_eq!(flags(name), before);
    }
}

#[test]
fn all_settings_at_once_are_applied_in_order() {
    let mut rtnl = rtnl();
    ip_batch(&[
        "link add team0 type team",
        "link add team1 mtu 1300 type team",
        "link add d0 mtu 1450 address 02:00:00:00:00:01 up type dummy",
    ]);
    let (d0, team0, team1) = (index("d0"), index("team0"), index("team1"));
    rtnl.set_link(d0, &set().name("d1").mtu(1400).hwaddr(hwaddr(2)).master(team0).down()).unwrap();
    let port = link("d1");
    assert_eq!((&port["master"], &port["mtu"], is_up("d1")), (&"team0".into(), &1500.into(), true));

    // From team to team: the settings are applied while the link has no master.
    rtnl.set_link(d0, &set().name("d2").mtu(1280).hwaddr(hwaddr(3)).master(team1).up()).unwrap();
    let port = link("d2");
    assert_eq!((&port["master"], &port["mtu"], is_up("d2")), (&"team1".into(), &1300.into(), true));

    rtnl.set_link(d0, &set().no_master()).unwrap();
    let free = link("d2");
    assert_eq!((&free["mtu"], &free["address"]), (&1280.into(), &"02:00:00:00:00:03".into()));
    assert!(!is_up("d2") && free.get("master").is_none());

    // A released port gets its old MTU and address back: the new ones are set after that.
    rtnl.set_link(d0, &set().master(team1)).unwrap();
    rtnl.set_link(d0, &set().mtu(1350).hwaddr(hwaddr(4)).no_master().up()).unwrap();
    let free = link("d2");
    assert_eq!((&free["mtu"], &free["address"]), (&1350.into(), &"02:00:00:00:00:04".into()));
    assert!(is_up("d2"));
}

#[test]
fn team_accepts_a_down_link_and_rejects_an_up_link() {
    let mut rtnl = rtnl();
    ip_batch(&["link add team0 type team", "link add d0 type dummy", "link add d1 up type dummy"]);
    let team0 = index("team0");
    rtnl.set_link(index("d0"), &set().master(team0).up()).unwrap();
    assert_eq!((&link("d0")["master"], is_up("d0")), (&"team0".into(), true));
    let before = link("d1");
    let error = rtnl
        .set_link(index("d1"), &set().master(team0).up().mtu(1400).name("x").hwaddr(hwaddr(1)))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert_eq!(link("d1"), before);
}

/// The fields of a link that a failed change must restore, without the counters of a bridge.
pub(crate) fn remains(name: &str) -> [Value; 6] {
    let link = link(name);
    ["ifname", "flags", "mtu", "address", "master", "ifindex"].map(|field| link[field].clone())
}

#[test]
fn port_rejected_by_new_master_keeps_the_old_one() {
    let mut rtnl = rtnl();
    ip_batch(&[
        "link add team0 mtu 1400 type team",
        "link add team1 type team",
        "link add br0 type bridge",
        "link add d0 mtu 1450 address 02:00:00:00:00:01 type dummy",
        "link add link d0 name d0.5 type vlan id 5",
        "link set d0 master team0",
        "link add d1 up type dummy",
        "link set d1 master br0",
    ]);
    let (d0, d1, lo) = (index("d0"), index("d1"), index("lo"));
    let absent = IfIndex::new(4711).unwrap();
    let mut attributes = set().mtu(1280).hwaddr(hwaddr(9));
    if renames_links_that_are_up() {
        attributes = attributes.name("x");
    }
    for down in ["link set lo up", "link set d0 down"] {
        ip(down);
        for (port, ifindex, master, kind) in [
            ("d0", d0, absent, ErrorKind::InvalidInput),
            ("d0", d0, lo, ErrorKind::Unsupported),
            ("d0", d0, d0, ErrorKind::Unsupported),
            ("d1", d1, absent, ErrorKind::InvalidInput),
            // A bridge's port is up, also after its release: a team rejects it.
            ("d1", d1, index("team1"), ErrorKind::ResourceBusy),
        ] {
            let before = remains(port);
            for settings in [set().master(master), attributes.clone().master(master).up()] {
                let error = rtnl.set_link(ifindex, &settings).unwrap_err();
                assert_eq!(error.kind(), kind, "{settings:?}: {error}");
                assert_eq!(
                    error.to_string().split(": ").next().unwrap(),
                    format!("making {port} a port of link {master}")
                );
                assert_eq!(remains(port), before, "{settings:?}");
            }
        }
    }
    // The team still restores what its port had before.
    rtnl.set_link(d0, &set().no_master()).unwrap();
    assert_eq!(
        (&link("d0")["mtu"], &link("d0")["address"]),
        (&1450.into(), &"02:00:00:00:00:01".into())
    );
}

#[test]
fn failed_step_rolls_back_the_earlier_ones() {
    let mut rtnl = rtnl();
    ip_batch(&[
        "link add d0 type dummy",
        "link add d1 type dummy",
        "link add br0 type bridge",
        "link add team0 type team",
        "link add link d0 name d0.5 type vlan id 5",
        "link add v0 up mtu 1450 type veth peer name v1",
        "link add v2 up type veth peer name v3",
        "link set v2 master br0",
    ]);
    let (vlan, v0, v2, br0) = (index("d0.5"), index("v0"), index("v2"), index("br0"));
    for (name, ifindex, settings, op) in [
        // It cannot be set up while its lower link is down.
        (
            "d0.5",
            vlan,
            set().mtu(1280).hwaddr(hwaddr(1)).name("x").master(br0).up(),
            "setting d0.5 up",
        ),
        ("v0", v0, set().down().mtu(1280).hwaddr(hwaddr(1)).name("d1"), "renaming v0 to d1"),
        (
            "v0",
            v0,
            set().down().mtu(1280).hwaddr(hwaddr(1)).carrier(true).name("x"),
            "setting the carrier of v0 up",
        ),
        ("v0", v0, set().down().mtu(10), "setting the MTU of v0 to 10"),
        ("v2", v2, set().down().no_master().mtu(1280).name("d1"), "renaming v2 to d1"),
        ("v2", v2, set().no_master().mtu(1280).name("d1"), "renaming v2 to d1"),
        (
            "v2",
            v2,
            set().master(index("team0")).down().mtu(10).name("x"),
            "setting the MTU of v2 to 10",
        ),
    ] {
        let before = remains(name);
        let error = rtnl.set_link(ifindex, &settings).unwrap_err();
        assert_eq!(error.to_string().split(": ").next().unwrap(), op, "{error}");
        assert_eq!(remains(name), before, "{settings:?}");
    }
}

#[test]
fn port_rejected_by_the_handle_keeps_its_master() {
    enter();
    ip_batch(&["link add br0 type bridge", "link add d0 up type dummy", "link set d0 master br0"]);
    let mut team = TeamHandle::create("team0").unwrap();
    let before = remains("d0");
    let error = team.add_port(index("d0")).unwrap_err();
    let words = "Device is up. Set it down before adding it as a team port";
    assert_eq!(
        error.to_string(),
        format!("adding port d0 to team0: device or resource busy (EBUSY): {words}")
    );
    assert_eq!(remains("d0"), before);
}

#[test]
fn added_addresses_equal_those_of_ip() {
    let mut rtnl = rtnl();
    ip_batch(&["link add ours type dummy", "link add theirs type dummy"]);
    let strip = |dev: &str| -> Vec<Value> {
        let mut addresses = ip_json(&format!("-d address show dev {dev}"))[0]["addr_info"]
            .as_array()
            .unwrap()
            .clone();
        for address in &mut addresses {
            address.as_object_mut().unwrap().remove("label");
        }
        addresses
    };
    let all = [
        ("192.0.2.1", 24),
        ("192.0.2.7", 24),
        ("10.0.0.1", 32),
        ("127.5.0.1", 8),
        ("2001:db8::1", 64),
        ("fe80::7", 64),
    ];
    for (address, prefix_len) in all {
        rtnl.add_address(index("ours"), address.parse().unwrap(), prefix_len).unwrap();
        ip(&format!("address add {address}/{prefix_len} dev theirs"));
    }
    assert_eq!(strip("ours"), strip("theirs"));
    assert_eq!(strip("ours").len(), all.len());
    for (address, prefix_len) in [("192.0.2.7", 24), ("2001:db8::1", 64), ("127.5.0.1", 8)] {
        rtnl.delete_address(index("ours"), address.parse().unwrap(), prefix_len).unwrap();
        ip(&format!("address del {address}/{prefix_len} dev theirs"));
    }
    assert_eq!(strip("ours"), strip("theirs"));
    assert_eq!(strip("ours").len(), all.len() - 3);
}

#[test]
fn name_of_invalid_utf8_is_restored() {
    let mut rtnl = rtnl();
    ip_batch(&["link add d0 type dummy", "link add d1 type dummy"]);
    let d0 = index("d0");
    let name = LinkAttribute::Other(DefaultNla::new(3, b"e\xff\0".to_vec()));
    let mut message = LinkMessage::default();
    message.header.index = d0.get();
    message.attributes.push(name);
    rtnl.request(RouteNetlinkMessage::SetLink(message), 0).unwrap();

    // A dummy does not accept ports.
    let error = rtnl.set_link(d0, &set().name("x").master(index("d1"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "making e\u{fffd} a port of link {}: \
             operation not supported on transport endpoint (EOPNOTSUPP)",
            index("d1")
        )
    );
    assert_eq!(rtnl.link_by_index(d0).unwrap().attribute(3), Some(&b"e\xff\0"[..]));
}
