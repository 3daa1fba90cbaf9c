//! A kernel without the team driver, and one whose driver is unloaded. Modules concern the whole
//! machine: these tests boot a guest of their own, on whatever kernel the other tests run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[expect(dead_code, reason = "the kernel tests use the other helpers")]
#[path = "../kernel/support/netns.rs"]
mod netns;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{Error, ErrorKind, IfIndex, Mode, TeamHandle};
use netns::{enter, ip_json};
use nix::errno::Errno;

/// Exists in a guest only.
const MARKER: &str = "/run/team-kernel";
const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/run");
/// The program by which the kernel loads modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";
const DRIVER: &str = "/sys/module/team";
const ROUNDS: usize = 20;

/// Exclusive use of the machine's modules by one test.
struct Modules {
    loader: String,
    _alone: MutexGuard<'static, ()>,
}

impl Modules {
    /// Returns `None` if the test has run in a guest instead.
    fn of_a_guest(test: &str) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        if Path::new(MARKER).exists() {
            let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
            return Some(Self { loader: fs::read_to_string(LOADER).unwrap(), _alone: alone });
        }
        let mut guest = Command::new(RUNNER);
        guest
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("TEAM_KERNEL", "uml");
        assert!(guest.status().unwrap().success(), "test {test} failed in a guest");
        None
    }

    /// Unloads the driver, and thereby deletes its teams. The kernel cannot load it until
    /// [`allow`](Self::allow).
    #[expect(clippy::unused_self, reason = "requires the exclusive use of the modules")]
    fn forbid(&self) {
        fs::write(LOADER, "/bin/false").unwrap();
        let loaded = fs::read_dir("/sys/module").unwrap().map(|entry| entry.unwrap().file_name());
        let (modes, driver): (Vec<_>, Vec<_>) = loaded
            .filter(|name| name.to_string_lossy().starts_with("team"))
            .partition(|name| name.to_string_lossy().starts_with("team_mode_"));
        // The modules of the modes use the driver.
        for module in modes.iter().chain(&driver) {
            let status = Command::new("rmmod").arg(module).status();
            assert!(
                status.expect("rmmod of Debian's package kmod starts").success(),
                "module {module:?} was not unloaded"
            );
        }
        assert!(!Path::new(DRIVER).exists(), "the driver is built in or was not unloaded");
    }

    fn allow(&self) {
        fs::write(LOADER, self.loader.trim()).unwrap();
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        self.allow();
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Panics unless the kernel rejected the kind of link as unknown.
fn assert_unknown(error: &Error) {
    assert_eq!(
        error.to_string(),
        "creating team device team0: operation not supported on transport endpoint (EOPNOTSUPP): Unknown device type"
    );
    assert_eq!(error.raw_os_error(), Some(Errno::EOPNOTSUPP as i32));
    assert!(matches!(error, Error::Kernel { .. }), "expected Kernel: {error:?}");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn missing_driver_is_named_and_leaks_nothing() {
    let test = "missing_driver_is_named_and_leaks_nothing";
    let Some(modules) = Modules::of_a_guest(test) else { return };
    enter();
    modules.forbid();
    let mut rtnl = RtnlSocket::new().unwrap();
    let before = open_descriptors();
    for _ in 0..ROUNDS {
        assert_unknown(&TeamHandle::create("team0").unwrap_err());
        assert_unknown(&TeamHandle::recreate("team0").unwrap_err());
        assert_unknown(&rtnl.create_link(&NewLink::team("team0")).unwrap_err());
        assert!(
            matches!(TeamHandle::open("team0"), Err(Error::NoSuchDevice { device, .. }) if device == "team0")
        );
        assert!(matches!(TeamHandle::open("lo"), Err(Error::NotTeam { .. })));
        assert!(matches!(
            TeamHandle::open_index(IfIndex::new(1).unwrap()),
            Err(Error::NotTeam { .. })
        ));
        assert_eq!(open_descriptors(), before);
    }
    assert_eq!(ip_json("link").len(), 1, "links after failed creations");
    modules.allow();
    TeamHandle::create("team0").unwrap().set_mode(Mode::RoundRobin).unwrap();
    assert!(Path::new(DRIVER).exists(), "the kernel did not load the driver when allowed");
}

/// Command lines of the examples that need the driver.
const COMMANDS: [&str; 14] = [
    "active_backup --socket /run/active_backup-test.sock CONFIG",
    "event_loop_calloop",
    "event_loop_mio",
    "event_loop_poll",
    "event_loop_threads",
    "event_loop_tokio",
    "failover",
    "first_program",
    "team_manual_control team0 get mode",
    "team_monitor team0",
    "team_monitor --live team0",
    "team_monitor --demo",
    "teamnl team0 ports",
    "watch_ports team0",
];

#[test]
fn example_without_the_driver_names_the_runner() {
    let Some(modules) = Modules::of_a_guest("example_without_the_driver_names_the_runner") else {
        return;
    };
    enter();
    modules.forbid();
    let config = "/run/active_backup-test.json";
    let text = r#"{"device": "team0", "runner": {"name": "activebackup"}, "ports": {"eth1": {}}}"#;
    fs::write(config, text).unwrap();
    let own = std::env::current_exe().unwrap();
    let examples = own.parent().and_then(Path::parent).unwrap().join("examples");
    for words in COMMANDS {
        let mut words = words.split(' ').map(|word| if word == "CONFIG" { config } else { word });
        let name = words.next().unwrap();
        let output = Command::new(examples.join(name)).args(words).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(
            stderr.contains("this kernel has no team driver loaded"),
            "{name}: the error does not name the driver: {stderr}"
        );
        assert!(
            stderr.contains("tests/kernel/run COMMAND"),
            "{name}: the error does not name the runner: {stderr}"
        );
    }
}

#[test]
fn handle_survives_removal_of_the_driver() {
    let Some(modules) = Modules::of_a_guest("handle_survives_removal_of_the_driver") else {
        return;
    };
    enter();
    let before = open_descriptors();
    let mut team = TeamHandle::create("team0").unwrap();
    let own = open_descriptors();
    modules.forbid();
    let changes = team.handle_events().unwrap();
    assert!(
        changes.links().any(|link| link.is_removed() && link.latest().name() == "team0"),
        "expected team0 as removed: {changes:#?}"
    );
    for _ in 0..ROUNDS {
        assert!(matches!(team.set_mode(Mode::Random), Err(Error::DeviceGone { .. })));
        assert!(matches!(team.refresh(), Err(Error::DeviceGone { .. })));
        assert!(team.handle_events().unwrap().is_empty());
        assert_unknown(&TeamHandle::create("team0").unwrap_err());
    }
    assert_eq!(open_descriptors(), own);
    modules.allow();
    // The driver's generic netlink family has another id now.
    let mut another = TeamHandle::create("team0").unwrap();
    another.set_mode(Mode::Broadcast).unwrap();
    assert!(another.handle_events().unwrap().options().len() > 0);
    assert!(matches!(team.set_mode(Mode::Random), Err(Error::DeviceGone { .. })));
    drop((team, another));
    assert_eq!(open_descriptors(), before);
}
