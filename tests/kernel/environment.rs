//! Properties of a whole process: environment variables, descriptors, memory. Such a test runs
//! alone in a process of its own.

use std::env;
use std::fs::{self, File};
use std::process::Command;

use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{Error, HwAddr, IfIndex, LinkSettings, TeamHandle};
use nix::errno::Errno;

use crate::support::netns::{dummies, enter, index, ip_json};

/// The tests' own variable, set in the process that runs a single test.
const ALONE: &str = "LIBTEAM_TEST_ALONE";
const BUFFER: &str = "TEAM_EVENT_BUFSIZE";

pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

/// Runs one test of this binary in a process of its own with a limit of 256 descriptors.
pub(crate) fn run_alone(test: &str, variables: &[(&str, &str)]) {
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -n 256 && exec "$@""#, "sh"])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{printed}");
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "test {test} in a process of its own with {variables:?}"
    );
}

pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn invalid_buffer_size_in_environment_is_an_error() {
    if !is_alone() {
        for value in ["lots", "", "-1", "1 MiB", "99999999999999999999"] {
            run_alone(
                "environment::invalid_buffer_size_in_environment_is_an_error",
                &[(BUFFER, value)],
            );
        }
        return;
    }
    enter();
    let error = TeamHandle::create("team0").unwrap_err();
    let found = env::var(BUFFER).unwrap();
    assert_eq!(
        error.to_string(),
        format!("invalid TEAM_EVENT_BUFSIZE {found:?}: expected a number of bytes")
    );
    assert!(
        matches!(error, Error::InvalidSetting { setting: BUFFER, value, .. } if value == found)
    );
    assert_eq!(ip_json("link").len(), 1, "links after a failed creation");
    TeamHandle::builder().ignore_environment().create("team0").unwrap();
}

#[test]
fn environment_overrides_the_builders_buffer_size() {
    if !is_alone() {
        return run_alone(
            "environment::environment_overrides_the_builders_buffer_size",
            &[(BUFFER, "300000")],
        );
    }
    enter();
    let team = TeamHandle::builder().receive_buffer(1000).create("team0").unwrap();
    let buffers = team.receive_buffers().unwrap();
    assert_eq!((buffers.link, buffers.team), (600_000, 600_000));
}

#[test]
fn open_and_drop_leak_no_descriptor() {
    if !is_alone() {
        return run_alone("environment::open_and_drop_leak_no_descriptor", &[]);
    }
    enter();
    let before = open_descriptors();
    let first = TeamHandle::create("team0").unwrap();
    let each = open_descriptors() - before;
    drop(first);
    for _ in 0..200 {
        let team = TeamHandle::open("team0").unwrap();
        assert_eq!(open_descriptors(), before + each);
        drop(team);
    }
    assert_eq!(open_descriptors(), before);
}

#[test]
fn failed_open_leaks_no_descriptor() {
    if !is_alone() {
        return run_alone("environment::failed_open_leaks_no_descriptor", &[]);
    }
    enter();
    dummies(&["d0"]);
    let before = open_descriptors();
    for _ in 0..200 {
        TeamHandle::open("d0").unwrap_err();
        TeamHandle::open("absent").unwrap_err();
        TeamHandle::open_index(IfIndex::new(4711).unwrap()).unwrap_err();
        TeamHandle::create("d0").unwrap_err();
        TeamHandle::recreate("d0").unwrap_err();
    }
    assert_eq!(open_descriptors(), before);
}

#[test]
fn open_without_free_descriptors_leaves_nothing() {
    if !is_alone() {
        return run_alone("environment::open_without_free_descriptors_leaves_nothing", &[]);
    }
    enter();
    let before = open_descriptors();
    let team = TeamHandle::create("team0").unwrap();
    let wanted = open_descriptors() - before;
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for free in 0..wanted {
        for result in [TeamHandle::open("team0"), TeamHandle::create("team1")] {
            let Err(Error::Io { error, .. }) = result else {
                panic!("{free} free descriptors: {result:?}")
            };
            assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32));
        }
        let still_free: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert_eq!(still_free.len(), free);
        drop(still_free);
        taken.pop();
    }
    TeamHandle::open("team0").unwrap();
    drop((team, taken));
    assert_eq!(open_descriptors(), before);
    assert_eq!(ip_json("link").len(), 2, "links after a failed creation");
}

fn resident_pages() -> usize {
    fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn ten_thousand_team_requests_leak_nothing() {
    if !is_alone() {
        return run_alone("environment::ten_thousand_team_requests_leak_nothing", &[]);
    }
    enter();
    dummies(&["d0"]);
    let mut rtnl = RtnlSocket::new().unwrap();
    let (d0, address) = (index("d0"), "192.0.2.1".parse().unwrap());
    // Ten requests, of which four fail.
    let mut ten = || {
        rtnl.set_link(d0, &LinkSettings::new().mtu(1400)).unwrap();
        rtnl.set_link(d0, &LinkSettings::new().hwaddr(HwAddr::new(&[1; 6]).unwrap())).unwrap_err();
        rtnl.add_address(d0, address, 24).unwrap();
        rtnl.delete_address(d0, address, 24).unwrap();
        rtnl.delete_address(d0, address, 24).unwrap_err();
        rtnl.create_link(&NewLink::dummy("d0")).unwrap_err();
        rtnl.delete_link(IfIndex::new(4711).unwrap()).unwrap_err();
    };
    (0..100).for_each(|_| ten());
    let before = (open_descriptors(), resident_pages());
    (0..1000).for_each(|_| ten());
    let after = (open_descriptors(), resident_pages());
    assert_eq!(after.0, before.0);
    // A leak of only 16 bytes per request would be 40 pages.
    assert!(after.1 < before.1 + 40, "resident pages: {} before, {} after", before.1, after.1);
}
