//! Who may do what: the guide's table.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::directory::Directory;
use crate::tool::example;

/// What somebody manages: to make a team, to give it a port, to read its ports by a handle.
const STEPS: &str = "\
    ip link add team0 type team 2>/dev/null && echo created
    ip link add eth1 type dummy 2>/dev/null
    ip link set eth1 master team0 2>/dev/null && echo enslaved
    \"$TEAMNL\" team0 ports 2>&1 | sed 's/^ [0-9]*: eth1: .*/listed/'
    \"$TEAMNL\" team0 setoption notify_peers_count 3 2>&1 && echo set
    true";

/// Our teamnl where anybody may run it.
struct Program(Directory);

impl Program {
    fn new() -> Self {
        let directory = Directory::for_programs();
        fs::set_permissions(&*directory, Permissions::from_mode(0o755)).unwrap();
        // Another process writes it: a child that another test starts meanwhile would keep the file that this one writes
        // open, and nobody could run it.
        let copied =
            Command::new("install").arg("--mode=755").arg(example("teamnl")).arg(&*directory).status().unwrap();
        assert!(copied.success());
        Self(directory)
    }
}

/// Takes the steps in a new network namespace, as whom the words make of root.
fn manages(words: &str) -> Vec<String> {
    let program = Program::new();
    let mut words = words.split_whitespace().chain(["sh", "-c", STEPS]);
    let mut command = Command::new(words.next().expect("a program"));
    let output = command.args(words).env("TEAMNL", program.0.join("teamnl")).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn net_admin_in_the_initial_user_namespace_is_enough() {
    const ALL: [&str; 4] = ["created", "enslaved", "listed", "set"];
    assert_eq!(manages("unshare --net"), ALL);
    let others = "-sys_admin,-sys_module,-net_raw,-dac_override";
    assert_eq!(manages(&format!("unshare --net setpriv --bounding-set {others} --inh-caps {others}")), ALL);
    let service = "setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin";
    assert_eq!(manages(&format!("unshare --net {service}")), ALL);
}

#[test]
fn root_of_another_user_namespace_makes_a_team_and_cannot_open_it() {
    let managed = manages("unshare --user --map-root-user --net");
    let refused = "Command failed: the kernel refused listing the ports of team0: Operation not permitted (os error 1)";
    assert_eq!(managed, ["created", "enslaved", refused, refused]);
}

#[test]
fn without_net_admin_nothing_is_made() {
    for words in [
        "unshare --net setpriv --bounding-set -net_admin --inh-caps -net_admin",
        "unshare --net setpriv --reuid 1000 --regid 1000 --clear-groups",
    ] {
        assert_eq!(manages(words), ["Command failed: no such device: team0"; 2], "{words}");
    }
}
