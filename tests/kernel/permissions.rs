//! The required capabilities: the guide's table.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use libteam::{
    Change, Changes, ErrorKind, LinkChange, Mode, OptionId, OptionValue, TeamHandle, TeamOption,
};
use rustix::thread::CapabilitySet;

use crate::support::changes::{all_links, handle_until_converged, link_change, take_changes};
use crate::support::directory::Directory;
use crate::support::netns::{dummies, enter, index, ip, ip_batch, without};
use crate::support::programs::example;
use crate::support::raw::drops;
use crate::support::snapshot::{assert_links_match_ip, assert_matches_kernel};

/// Creates a team, adds a port, lists the ports and sets an option by teamnl; prints each
/// successful step.
const STEPS: &str = "\
    ip link add team0 type team 2>/dev/null && echo created
    ip link add eth1 type dummy 2>/dev/null
    ip link set eth1 master team0 2>/dev/null && echo enslaved
    \"$TEAMNL\" team0 ports 2>&1 | sed 's/^ [0-9]*: eth1: .*/listed/'
    \"$TEAMNL\" team0 setoption notify_peers_count 3 2>&1 && echo set
    true";

/// Our teamnl in a directory in which any user may execute it.
struct Program(Directory);

impl Program {
    fn new() -> Self {
        let directory = Directory::for_programs();
        fs::set_permissions(&*directory, Permissions::from_mode(0o755)).unwrap();
        // Another process copies the file: a child that another test starts would inherit the
        // descriptor of a copy made here, and a file open for writing cannot be executed.
        let copied = Command::new("install")
            .arg("--mode=755")
            .arg(example("teamnl"))
            .arg(&*directory)
            .status()
            .unwrap();
        assert!(copied.success());
        Self(directory)
    }
}

/// Executes the steps in a new network namespace, with the privileges that these words leave root.
fn successful_steps(words: &str) -> Vec<String> {
    let program = Program::new();
    let mut words = words.split_whitespace().chain(["sh", "-c", STEPS]);
    let mut command = Command::new(words.next().expect("a program"));
    let output = command
        .args(words)
        .env("TEAMNL", program.0.join("teamnl"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn net_admin_in_initial_user_namespace_suffices() {
    const ALL: [&str; 4] = ["created", "enslaved", "listed", "set"];
    assert_eq!(successful_steps("unshare --net"), ALL);
    let others = "-sys_admin,-sys_module,-net_raw,-dac_override";
    assert_eq!(
        successful_steps(&format!(
            "unshare --net setpriv --bounding-set {others} --inh-caps {others}"
        )),
        ALL
    );
    let service = "setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin";
    assert_eq!(successful_steps(&format!("unshare --net {service}")), ALL);
}

#[test]
fn other_user_namespace_can_create_but_not_open() {
    let steps = successful_steps("unshare --user --map-root-user --net");
    let refused = "Command failed: listing the ports of team0: operation not permitted (EPERM)";
    assert_eq!(steps, ["created", "enslaved", refused, refused]);
}

#[test]
fn nothing_is_created_without_net_admin() {
    for words in [
        "unshare --net setpriv --bounding-set -net_admin --inh-caps -net_admin",
        "unshare --net setpriv --reuid 1000 --regid 1000 --clear-groups",
    ] {
        assert_eq!(
            successful_steps(words),
            ["Command failed: opening team0: no such device (ENODEV)"; 2],
            "{words}"
        );
    }
}

/// Returns a handle of `team0`, with the port `d0`, whose event sockets hold one or two messages
/// each.
fn opened_with_net_admin() -> TeamHandle {
    enter();
    dummies(&["d0", "d1", "other"]);
    let mut team = all_links().receive_buffer(0).create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    team.add_port(index("d0")).unwrap();
    handle_until_converged(&mut team);
    assert!(!is_readable(&mut team));
    team
}

fn is_readable(team: &mut TeamHandle) -> bool {
    team.wait(Some(Duration::ZERO)).unwrap()
}

/// Changes `d0` and `d1` by another process, which has all capabilities, after more messages than a
/// small buffer holds.
fn change_links(number: u8) {
    let noise = (0..20).map(|number| format!("link set other mtu {}", 1000 + number));
    let changes =
        ["d0", "d1"].map(|link| format!("link set {link} address 02:00:00:00:01:0{number}"));
    ip_batch(&noise.chain(changes).collect::<Vec<_>>());
}

/// Sets an option by another process, more often than a small buffer holds.
fn change_options(team: &TeamHandle, last: u32) {
    for value in (0..10).chain([last]) {
        let mut teamnl = Command::new(example("teamnl"));
        let words = ["setoption", "notify_peers_count", &value.to_string()];
        assert!(teamnl.arg(team.name()).args(words).status().unwrap().success());
    }
}

fn count(team: &TeamHandle) -> Option<&OptionValue> {
    team.option(&OptionId::global("notify_peers_count")).map(TeamOption::value)
}

/// Handles the pending events with one call, which must leave nothing to do.
fn changes_of_one_call(team: &mut TeamHandle) -> Changes {
    assert!(is_readable(team), "the handle is not readable");
    let changes = take_changes(team);
    assert!(!is_readable(team), "the handle is still readable: an event loop would spin");
    changes
}

#[test]
fn lost_link_events_are_recovered_without_net_admin() {
    let mut team = opened_with_net_admin();
    without(CapabilitySet::NET_ADMIN, || {
        for number in [1, 2] {
            change_links(number);
            assert!(drops().0 > 0, "no link message was lost");
            let changes = changes_of_one_call(&mut team);
            assert!(
                changes.is_resynced() && changes.is_inconsistent(),
                "expected an inconsistent resync: {changes:#?}"
            );
            for link in ["d0", "d1"] {
                let change = link_change(&changes, index(link)).unwrap();
                assert!(change.changed_fields().contains(LinkChange::HWADDR));
                assert_eq!(
                    change.latest().hwaddr().unwrap().to_string(),
                    format!("02:00:00:00:01:0{number}")
                );
            }
            assert_links_match_ip(&team);
            assert_eq!(take_changes(&mut team), Changes::default(), "changes of a second call");
        }
        // The driver's events need no capability.
        ip("link set d1 master team0");
        while is_readable(&mut team) {
            take_changes(&mut team);
        }
        assert_eq!(team.ports().len(), 2);
        let error = team.set_active_port(index("d0")).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (ErrorKind::PermissionDenied, Some(1)),
            "{error}"
        );
        assert!(!is_readable(&mut team));
    });
    assert_matches_kernel(&team);
}

#[test]
fn lost_driver_events_are_recovered_with_net_admin() {
    let mut team = opened_with_net_admin();
    without(CapabilitySet::NET_ADMIN, || {
        change_options(&team, 3);
        assert!(drops().1 > 0, "no message of the driver was lost");
        let changes = changes_of_one_call(&mut team);
        assert!(
            changes.is_resynced() && changes.is_inconsistent(),
            "expected an inconsistent resync: {changes:#?}"
        );
        // Later events are reported, and the refused dump is not requested again.
        ip("link set d1 mtu 1300");
        let changes = changes_of_one_call(&mut team);
        assert_eq!(changes.links().len(), 1);
        assert!(
            !changes.is_resynced() && !changes.is_inconsistent(),
            "expected a batch without resync: {changes:#?}"
        );
        assert_ne!(count(&team), Some(&3_u32.into()), "the option's event was not lost");
    });
    assert!(is_readable(&mut team), "the handle is not readable although the capability is back");
    let changes = changes_of_one_call(&mut team);
    assert!(
        changes.is_resynced() && !changes.is_inconsistent(),
        "expected a consistent resync: {changes:#?}"
    );
    assert_eq!(count(&team), Some(&3_u32.into()));
    assert_matches_kernel(&team);
    assert_eq!(take_changes(&mut team), Changes::default());
}

#[test]
fn refresh_without_net_admin_reads_links_only() {
    let mut team = opened_with_net_admin();
    let mut altered = None;
    without(CapabilitySet::NET_ADMIN, || {
        change_links(1);
        for _ in 0..2 {
            let changes = team.refresh().unwrap();
            assert!(changes.is_inconsistent());
            altered = altered.take().or(link_change(&changes, index("d1")).cloned());
            assert!(!is_readable(&mut team));
        }
        assert_links_match_ip(&team);
    });
    assert!(altered.unwrap().changed_fields().contains(LinkChange::HWADDR));
    let changes = team.refresh().unwrap();
    assert!(
        changes.kinds().is_empty() && !changes.is_inconsistent(),
        "expected a consistent batch without changes: {changes:#?}"
    );
    assert!(!is_readable(&mut team));
    assert_matches_kernel(&team);
}

#[test]
fn deletion_after_a_loss_is_seen_without_net_admin() {
    let mut team = opened_with_net_admin();
    without(CapabilitySet::NET_ADMIN, || {
        change_links(1);
        ip("link del team0");
        let changes = changes_of_one_call(&mut team);
        assert!(link_change(&changes, team.ifindex()).unwrap().is_removed());
        assert!(changes.ports().all(Change::is_removed) && changes.ports().len() == 1);
        assert_eq!(team.refresh().unwrap_err().kind(), ErrorKind::NotFound);
    });
}
