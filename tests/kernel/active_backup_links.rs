//! The example `active_backup` when its team or a link is created, deleted, renamed or moved.

use std::thread::sleep;
use std::time::Duration;

use libteam::{IfIndex, Mode, TeamHandle};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::daemon::{
    Daemon, TEAM_HWADDR, config, hwaddr, master, two_ports, veth_pair, veth_pairs, wait_until,
};
use crate::support::features::renaming;
use crate::support::netns::{enter, index, ip, ip_json, run_ip};
use crate::support::raw::Raw;

#[test]
fn ports_are_added_released_and_added_again() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&two_ports());
    let status = daemon.until_active("eth1");
    assert_eq!(status["ports"]["eth2"]["state"], "absent");
    veth_pair(2);
    daemon.until_port("eth2", "up");
    ip("link del eth1");
    let status = daemon.until_active("eth2");
    assert_eq!(status["ports"]["eth1"]["state"], "absent");
    veth_pair(1);
    daemon.until_active("eth1");
    assert_eq!(master("eth1"), "team0");

    // Another program releases the port: the daemon adds it again.
    ip("link set eth1 nomaster");
    daemon.until("eth1 is a port again", |status| {
        status["ports"]["eth1"]["ifindex"] == index("eth1").get()
    });
    daemon.until_active("eth1");
    // Another program gives the link another master: the daemon leaves it alone.
    ip("link add br0 type bridge");
    ip("link set eth1 master br0");
    daemon.until_port("eth1", "absent");
    sleep(Duration::from_millis(300));
    assert_eq!(master("eth1"), "br0");
    ip("link del br0");
    daemon.until_active("eth1");
    // The link is up when it gets its name, if the kernel renames links that are up.
    ip("link del eth2");
    ip("link add other type veth peer name far2");
    ip("link set far2 up");
    ip("link set other up");
    for command in renaming("other", "eth2") {
        ip(&command);
    }
    daemon.until_port("eth2", "up");
}

#[test]
fn renamed_port_stays_until_its_name_is_reused() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    let rename = |old, new| renaming(old, new).iter().for_each(|command| drop(ip(command)));
    for (old, name) in [("eth1", "eth9"), ("eth9", "eth1")] {
        rename(old, name);
        let status = daemon.until_active(name);
        assert_eq!(status["ports"]["eth1"]["link"], name);
    }
    // The two links exchange their names.
    for (old, new) in [("eth1", "eth9"), ("eth2", "eth1"), ("eth9", "eth2")] {
        rename(old, new);
    }
    let indices = || ["eth1", "eth2"].map(|name| index(name).get());
    daemon.until("the ports have their new names", |status| {
        ["eth1", "eth2"].map(|name| status["ports"][name]["ifindex"].as_u64())
            == indices().map(|index| Some(index.into()))
    });
    daemon.until_active("eth1");
    assert_eq!(["eth1", "eth2"].map(master), ["team0", "team0"]);

    rename("eth1", "old");
    daemon.until("the port is renamed", |status| status["ports"]["eth1"]["link"] == "old");
    ip("link add eth1 type veth peer name new");
    ip("link set new up");
    daemon.until_active("eth1");
    wait_until("the former eth1 is released", || master("old").is_empty());
    assert_eq!(master("eth1"), "team0");
}

#[test]
fn deleted_team_is_created_again() {
    enter();
    veth_pairs(2);
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    for _ in 0..3 {
        let old = index("team0");
        ip("link del team0");
        daemon.until("a new team exists", |status| {
            status["ifindex"].as_u64().is_some_and(|new| new != u64::from(old.get()))
        });
        let status = daemon.until_active("eth1");
        assert_eq!(status["hwaddr"], TEAM_HWADDR);
    }
    assert!(daemon.end(Signal::SIGTERM).success());
    assert!(!run_ip("link show dev team0").status.success(), "team0 exists after the daemon ended");
}

#[test]
fn team_recreated_by_another_program_is_adopted() {
    enter();
    veth_pairs(2);
    let mut daemon = Daemon::start(&two_ports());
    let mut raw = Raw::new();
    for round in 0..5_u32 {
        daemon.until_active("eth1");
        // Immediately, and after the daemon noticed the deletion; both within a second.
        raw.delete(index("team0")).unwrap();
        sleep(Duration::from_millis(u64::from(round) * 20));
        raw.add("team", "team0", IfIndex::new(5000 + round).unwrap()).unwrap();
    }
    daemon.until_active("eth1");
    assert_eq!(hwaddr("team0"), TEAM_HWADDR);
    // The daemon did not create this team, and so does not create it again.
    ip("link del team0");
    daemon.until("the team is gone", |status| status["ifindex"].is_null());
    sleep(Duration::from_millis(1500));
    assert!(daemon.status()["ifindex"].is_null());
    ip("link add team0 type team");
    daemon.until_active("eth1");
    assert!(daemon.end(Signal::SIGTERM).success());
    assert_eq!(master("eth1"), "team0", "master of eth1 after the daemon ended");
}

#[test]
fn adopted_team_gets_the_configured_mode() {
    enter();
    veth_pairs(2);
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    team.add_port(index("eth2")).unwrap();
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    crate::support::changes::handle_until(&mut team, "the mode is set", |team| {
        team.mode() == Some(Mode::ActiveBackup)
    });
}

#[test]
fn daemon_recovers_from_lost_notifications() {
    enter();
    veth_pairs(3);
    let ports = json!({"eth1": {"prio": 10}, "eth2": {"prio": 5}, "eth3": {}});
    let daemon =
        Daemon::start_with(&config(&ports, &json!({})), &[], &[("TEAM_EVENT_BUFSIZE", "4096")]);
    daemon.until_active("eth1");
    daemon.until("all ports are up", |status| status["ports"]["eth3"]["state"] == "up");
    let mut raw = Raw::new();
    for round in 1..=3_u32 {
        daemon.signal(Signal::SIGSTOP);
        // More events than the buffers hold, and then the relevant ones: a port loses its link,
        // another is deleted, a third is created.
        for mtu in 0..1200 {
            raw.set_mtu(index("eth3"), 1300 + mtu % 2).unwrap_err();
            raw.set_mtu(index("team0"), 1300 + mtu % 2).unwrap();
        }
        ip("link set far1 down");
        ip("link del eth3");
        veth_pair(3);
        daemon.signal(Signal::SIGCONT);
        let status = daemon.until_active("eth2");
        assert!(
            status["resyncs"].as_u64() >= Some(round.into()),
            "expected at least {round} resyncs: {status:#}"
        );
        daemon.until("eth3 is the new link", |status| {
            status["ports"]["eth3"]["ifindex"] == index("eth3").get()
                && status["ports"]["eth3"]["state"] == "up"
        });
        ip("link set far1 up");
        daemon.until_active("eth1");
    }
}

#[test]
fn new_team_with_reused_index_is_set_up() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start_with(&two_ports(), &[], &[("TEAM_EVENT_BUFSIZE", "4096")]);
    daemon.until_active("eth1");
    daemon.signal(Signal::SIGSTOP);
    let (mut raw, team) = (Raw::new(), index("team0"));
    for mtu in 0..1200 {
        raw.set_mtu(team, 1300 + mtu % 2).unwrap();
    }
    raw.delete(team).unwrap();
    raw.add("team", "team0", team).unwrap();
    daemon.signal(Signal::SIGCONT);
    wait_until("the new team has the mode", || {
        TeamHandle::open("team0").unwrap().mode() == Some(Mode::ActiveBackup)
    });
    daemon.until("the new team has its address", |status| {
        status["hwaddr"] == TEAM_HWADDR && status["active"] == "eth1"
    });
    ip("link set far1 down");
    daemon.until_active("eth2");
}

#[test]
fn mode_set_by_another_program_is_reverted() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    let mut team = TeamHandle::open("team0").unwrap();
    // Before the daemon adds the port again.
    daemon.signal(Signal::SIGSTOP);
    team.remove_port(index("eth1")).unwrap();
    team.set_mode(Mode::Broadcast).unwrap();
    daemon.signal(Signal::SIGCONT);
    crate::support::changes::handle_until(&mut team, "the mode is set", |team| {
        team.mode() == Some(Mode::ActiveBackup)
    });
    daemon.until_active("eth1");
}

#[test]
fn renamed_team_stays_managed() {
    enter();
    veth_pairs(2);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.until_port("eth2", "up");
    ip("link set team0 name other");
    ip("link set far1 down");
    daemon.until_active("eth2");
    assert_eq!(master("eth2"), "other");
}

#[test]
fn link_is_found_by_alternative_name() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    ip("link add other type veth peer name far2");
    ip("link set far2 up");
    ip("link property add dev other altname eth2");
    // The kernel does not announce a new name of a link that is down.
    ip("link set other up");
    let status = daemon.until_port("eth2", "up");
    assert_eq!(status["ports"]["eth2"]["link"], "other");
    assert_eq!(master("other"), "team0");
}

#[test]
fn link_that_cannot_be_a_port_is_unchanged() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&config(&json!({"lo": {}, "eth1": {}}), &json!({})));
    daemon.until_active("eth1");
    wait_until("the daemon tried to add lo", || {
        daemon.log().contains("Loopback device can't be added as a team port")
    });
    wait_until("lo is up", || {
        ip_json("link show dev lo")[0]["flags"].as_array().unwrap().contains(&json!("UP"))
    });
    assert_eq!(daemon.status()["ports"]["lo"]["state"], "absent");
}
