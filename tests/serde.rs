//! Values of a running team and values made by hand are equal after serialization and
//! deserialization.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::fmt::Debug;
use std::os::unix::ffi::OsStrExt;

use libteam::bpf::{BpfInstruction, BpfProgram, HashFields};
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{
    Change, Changes, Duplex, ErrorKind, HwAddr, IfIndex, Link, LinkChange, LinkFlags, LinkScope,
    LinkSettings, Mode, OperState, OptionId, OptionType, OptionValue, Port, TeamHandle, TeamOption,
    TxMethod,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Panics unless a value survives a format with field names and one without.
fn assert_survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{text}");
    let bytes = postcard::to_stdvec(value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *value, "{text}");
}

fn assert_is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, shape: &Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), *shape);
    assert_survives(value);
}

fn error_of<T: DeserializeOwned + Debug>(shape: Value) -> String {
    serde_json::from_value::<T>(shape).unwrap_err().to_string()
}

#[test]
fn values_serialize_to_their_usual_notation() {
    let port = IfIndex::new(7).unwrap();
    assert_is(&port, &json!(7));
    assert_is(&"02:00:00:00:00:2a".parse::<HwAddr>().unwrap(), &json!("02:00:00:00:00:2a"));
    assert_is(&HwAddr::new(&[]).unwrap(), &json!(""));
    assert_is(&Mode::ActiveBackup, &json!("activebackup"));
    assert_is(&Mode::Unset, &json!("*NOMODE*"));
    assert_is(&TxMethod::HashToPortMapping, &json!("hash_to_port_mapping"));
    assert_is(&(HashFields::ETH | HashFields::IP), &json!(["eth", "ip"]));
    assert_is(&HashFields::empty(), &json!([]));
    assert_is(&Duplex::Full, &json!("full"));
    assert_is(&LinkScope::Team, &json!("team"));
    assert_is(&OperState::LowerLayerDown, &json!("lower_layer_down"));
    assert_is(&OperState::Other(9), &json!({"other": 9}));
    assert_is(&(LinkFlags::UP | LinkFlags::RUNNING), &json!("UP | RUNNING"));
    assert_is(&LinkFlags::from_bits_retain(1 << 9 | 1 << 30), &json!("ALL_MULTICAST | 0x40000000"));
    assert_is(&(LinkChange::NAME | LinkChange::MTU), &json!("NAME | MTU"));
    assert_is(&ErrorKind::NotFound, &json!("not_found"));
    assert_is(
        &OptionId::port("enabled", port),
        &json!({"name": "enabled", "port": 7, "array_index": null}),
    );
    assert_is(&OptionType::I32, &json!("i32"));
    assert_is(&OptionValue::Bool(true), &json!({"bool": true}));
    assert_is(&OptionValue::I32(-5), &json!({"i32": -5}));
    assert_is(&OptionValue::Binary(vec![0, 255]), &json!({"binary": [0, 255]}));
    let program = BpfProgram::new([BpfInstruction::stmt(6, 1)]).unwrap();
    assert_is(&program, &json!([{"code": 6, "jt": 0, "jf": 0, "k": 1}]));
}

#[test]
fn name_that_is_not_utf8_survives() {
    let bytes = |name: &[u8]| {
        let mut shape = link_shape(&Value::Null);
        shape["name"] = json!(name);
        shape["alternative_names"] = json!(["uplink", name]);
        serde_json::from_value::<Link>(shape).unwrap()
    };
    let link = bytes(b"t\xff");
    assert_eq!((link.name_os().as_bytes(), link.name()), (&b"t\xff"[..], "t\u{fffd}"));
    assert_survives(&link);
    assert_eq!(serde_json::to_value(&link).unwrap()["name"], json!([116, 255]));
    // Bytes that are valid text are read as that text.
    assert_eq!(serde_json::to_value(bytes(b"eth1")).unwrap()["name"], json!("eth1"));
    assert_survives(&bytes(b"eth1"));
}

#[test]
fn invalid_values_are_not_deserialized() {
    for number in [0_u32, 0x8000_0000, u32::MAX] {
        assert!(error_of::<IfIndex>(json!(number)).contains("expected 1 to 2147483647"));
    }
    let modes = "expected roundrobin, random, broadcast, activebackup or loadbalance";
    for name in ["weighted", "ActiveBackup", "", " random"] {
        assert_eq!(error_of::<Mode>(json!(name)), format!("invalid mode {name:?}: {modes}"));
    }
    assert!(error_of::<TxMethod>(json!("rss")).contains("expected hash or hash_to_port_mapping"));
    assert!(error_of::<HwAddr>(json!("2a:")).contains(
        "invalid hardware address \"2a:\": expected up to 32 hex bytes separated by colons"
    ));
    assert!(error_of::<HashFields>(json!(["eth", "mac"])).contains("invalid hash field \"mac\""));
    assert!(error_of::<HashFields>(json!(["eth,ip"])).contains("invalid hash field \"eth,ip\""));
    assert!(
        error_of::<BpfProgram>(json!([]))
            .contains("invalid BPF program of 0 instructions: expected at least one")
    );
    let load = json!([{"code": 0x30, "jt": 0, "jf": 0, "k": 5}]);
    assert!(
        error_of::<BpfProgram>(load)
            .contains("invalid BPF instruction 0: expected a return as the last instruction")
    );
    assert!(
        error_of::<Link>(link_shape(&json!(vec![0; 33]))).contains("expected at most 32 bytes")
    );
    assert_survives::<Link>(&serde_json::from_value(link_shape(&json!(vec![0; 32]))).unwrap());
}

fn link_shape(phys_port_id: &Value) -> Value {
    json!({
        "ifindex": 2, "name": "eth1", "hwaddr": null, "original_hwaddr": null, "master": null, "flags": "UP",
        "carrier": true, "carrier_changes": 2, "oper_state": "up", "mtu": 1500, "kind": null,
        "phys_port_id": phys_port_id, "alternative_names": [],
    })
}

#[test]
fn impossible_changes_are_not_deserialized() {
    let port =
        json!({"ifindex": 7, "name": "eth1", "link_up": true, "raw_speed": 0, "raw_duplex": 0});
    let option =
        json!({"id": {"name": "mode", "port": null, "array_index": null}, "value": {"bool": true}});
    let link = link_shape(&json!(null));
    let change = |before: &Value, latest: &Value, state: &str, local: bool| {
        let events = "";
        json!({"before": before, "latest": latest, "state": state, "local": local, "events": events})
    };
    let none = json!(null);
    let (removed, released, local) = (
        "invalid change: expected a removed object to have existed before",
        "invalid change: expected a released object to be a link",
        "invalid change: expected a locally changed object to be an option",
    );
    let refused = [
        (error_of::<Change<Port>>(change(&none, &port, "removed", false)), removed),
        (error_of::<Change<Port>>(change(&port, &port, "released", false)), released),
        (error_of::<Change<Port>>(change(&port, &port, "exists", true)), local),
        (error_of::<Change<TeamOption>>(change(&option, &option, "released", true)), released),
        (error_of::<Change<Link>>(change(&link, &link, "exists", true)), local),
    ];
    for (text, expected) in refused {
        assert_eq!(text, expected);
    }

    assert_survives::<Change<Port>>(
        &serde_json::from_value(change(&port, &port, "removed", false)).unwrap(),
    );
    assert_survives::<Change<Link>>(
        &serde_json::from_value(change(&link, &link, "released", false)).unwrap(),
    );
}

#[test]
fn values_of_a_team_survive_serialization() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .expect("unshare(CLONE_NEWNET) as root");
    let mut rtnl = RtnlSocket::new().unwrap();
    let mut team = TeamHandle::builder().link_scope(LinkScope::All).create("team0").unwrap();
    let eth1 = rtnl.create_link(&NewLink::dummy("eth1")).unwrap();
    let eth2 = rtnl.create_link(&NewLink::veth("eth2", "far2")).unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team.set_bpf_hash_func(&BpfProgram::hash(HashFields::L4)).unwrap();
    team.add_port(eth1).unwrap();
    team.add_port(eth2).unwrap();
    rtnl.set_link(team.ifindex(), &LinkSettings::new().up()).unwrap();
    assert_all_survive(&mut team);
    let statistics = rtnl.link_by_index(eth1).unwrap().statistics().unwrap();
    assert_eq!(serde_json::to_value(statistics).unwrap()["tx_packets"], statistics.tx_packets);
    assert_survives(&statistics);

    team.remove_port(eth2).unwrap();
    let removal = assert_all_survive(&mut team);
    assert!(removal.ports().any(Change::is_removed) && removal.options().any(Change::is_removed));

    let printed: Vec<_> = team.options().map(ToString::to_string).collect();
    let options: Vec<_> = team.options().cloned().collect();
    let read: Vec<TeamOption> =
        serde_json::from_value(serde_json::to_value(options).unwrap()).unwrap();
    assert_eq!(
        read.iter().map(ToString::to_string).collect::<Vec<_>>(),
        printed,
        "with the names of their ports"
    );
}

fn assert_all_survive(team: &mut TeamHandle) -> Changes {
    let changes = team.handle_events().unwrap();
    assert!(!changes.is_empty());
    assert_survives(&changes);
    team.links().for_each(assert_survives);
    team.ports().for_each(assert_survives);
    team.options().for_each(assert_survives);
    changes
}
