//! The decisions of the example `active_backup` on the kernel model of the feature `testing`: they
//! need no team driver and no privileges.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "the daemon uses the other items of its modules")]

use std::thread;
use std::time::{Duration, Instant};

use libteam::rtnl::RtnlSocket;
use libteam::testing::TestKernel;
use libteam::{BoxError, IfIndex, LinkSettings, OptionId};
use nix::errno::Errno;

#[path = "../examples/active_backup/announcer.rs"]
mod announcer;
#[path = "../examples/active_backup/config.rs"]
mod config;
#[path = "../examples/active_backup/hwaddr.rs"]
mod hwaddr;
#[path = "../examples/active_backup/members.rs"]
mod members;
#[path = "../examples/active_backup/names.rs"]
mod names;
#[path = "../examples/active_backup/object.rs"]
mod object;
#[path = "../examples/active_backup/refusals.rs"]
mod refusals;
#[path = "../examples/active_backup/report.rs"]
mod report;
#[path = "../examples/active_backup/retry.rs"]
mod retry;
#[path = "../examples/active_backup/status.rs"]
mod status;
#[path = "../examples/active_backup/team.rs"]
mod team;
#[path = "../examples/active_backup/watch.rs"]
mod watch;

use config::Config;
use object::Checked;
use team::Team;

type Result<T, E = BoxError> = std::result::Result<T, E>;

/// Longer than any of these tests takes on a slow machine.
const LONG: Duration = Duration::from_secs(60);

/// Returns the configuration of a team with these settings and ports.
fn config(settings: &str, ports: &str) -> Config {
    let text = format!(
        r#"{{"device": "team0", "runner": {{"name": "activebackup"}}, {settings} "ports": {{{ports}}}}}"#
    );
    let Checked(config): Checked<Config> = serde_json::from_str(&text).unwrap();
    config
}

/// The state of the daemon's loop for a team, without the loop.
struct Daemon<'a> {
    kernel: TestKernel,
    rtnl: RtnlSocket,
    team: Team<'a>,
}

impl<'a> Daemon<'a> {
    /// Starts the daemon with the links that the kernel has.
    fn start(kernel: &TestKernel, config: &'a Config) -> Self {
        let mut rtnl = kernel.sockets().rtnl().unwrap();
        let team = Team::open(config, &kernel.team_builder(), &mut rtnl, true).unwrap();
        let mut daemon = Self { kernel: kernel.clone(), rtnl, team };
        daemon.act();
        daemon
    }

    fn act(&mut self) {
        self.team.act(&mut self.rtnl, true).unwrap();
    }

    /// Acts on events, and returns the active port.
    fn active(&mut self) -> Option<IfIndex> {
        self.act();
        self.team.handle.active_port()
    }

    /// Acts whenever it is due, until a port is active.
    fn wait_for(&mut self, port: IfIndex) {
        let start = Instant::now();
        while self.active() != Some(port) {
            assert!(start.elapsed() < LONG, "link {port} does not become active");
            let left = self.team.due().map(|due| due.saturating_duration_since(Instant::now()));
            thread::sleep(left.unwrap_or_default().min(Duration::from_millis(100)));
        }
    }
}

/// Returns a kernel with the links `eth1`, `eth2` and so on.
fn kernel_with<const N: usize>() -> (TestKernel, [IfIndex; N]) {
    let kernel = TestKernel::new();
    let links = std::array::from_fn(|number| kernel.add_link(&format!("eth{}", number + 1)));
    (kernel, links)
}

#[test]
fn highest_priority_port_that_is_up_is_active() {
    let (kernel, [eth1, eth2, eth3]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {"prio": 3}, "eth3": {"prio": 2}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth2));
    assert_eq!(daemon.team.handle.port_priority(eth2), Some(3), "priority option of eth2");

    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth3));
    kernel.set_link_up(eth3, false);
    assert_eq!(daemon.active(), Some(eth1));
    kernel.set_link_up(eth2, true);
    assert_eq!(daemon.active(), Some(eth2), "active port after the best one came up again");
}

#[test]
fn active_port_stays_without_any_link() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_link_up(eth1, false);
    assert_eq!(daemon.active(), Some(eth2));
    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth2), "active port without a link anywhere");
    kernel.set_link_up(eth1, true);
    assert_eq!(daemon.active(), Some(eth1));
}

#[test]
fn sticky_port_stays_active_while_it_is_up() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 9}, "eth2": {"prio": 1, "sticky": true}"#);
    kernel.set_link_up(eth1, false);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth2));
    kernel.set_link_up(eth1, true);
    assert_eq!(daemon.active(), Some(eth2), "active port: eth1 is better, but eth2 is sticky");
    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth1));
    kernel.set_link_up(eth2, true);
    assert_eq!(daemon.active(), Some(eth1), "active port: eth2 is sticky only while it is active");
}

#[test]
fn faster_of_equal_priority_ports_is_active() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {}, "eth2": {}"#);
    kernel.set_speed(eth1, 1_000);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth2));
    kernel.set_link_up(eth1, false);
    kernel.set_speed(eth1, 25_000);
    kernel.set_link_up(eth1, true);
    assert_eq!(daemon.active(), Some(eth1));
    kernel.set_link_up(eth2, false);
    kernel.set_speed(eth2, 25_000);
    kernel.set_link_up(eth2, true);
    assert_eq!(daemon.active(), Some(eth1), "active port among equals");
}

#[test]
fn port_counts_as_up_after_its_delay() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config(
        "",
        r#""eth1": {}, "eth2": {"prio": 1, "link_watch": {"name": "ethtool", "delay_up": 300}}"#,
    );
    let start = Instant::now();
    let mut daemon = Daemon::start(&kernel, &config);
    let (active, due) = (daemon.team.handle.active_port(), daemon.team.due().unwrap());
    assert!(active == Some(eth1) || start.elapsed() >= Duration::from_millis(300));
    assert!(due > start && due < Instant::now() + Duration::from_millis(300));
    daemon.wait_for(eth2);
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "active after {:?}, delay 300 ms",
        start.elapsed()
    );
}

#[test]
fn link_flap_restarts_the_delay() {
    let (kernel, [_, eth2]) = kernel_with();
    let config = config(
        "",
        r#""eth1": {}, "eth2": {"prio": 1, "link_watch": {"name": "ethtool", "delay_up": 200}}"#,
    );
    let mut daemon = Daemon::start(&kernel, &config);
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    // Link down and up before the daemon reads events: only the link's counter shows it.
    kernel.set_link_up(eth2, false);
    kernel.set_link_up(eth2, true);
    daemon.wait_for(eth2);
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "active after {:?}, delay 200 ms",
        start.elapsed()
    );
}

#[test]
fn short_link_loss_causes_no_failover() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config(
        r#""link_watch": {"name": "ethtool", "delay_down": 60000},"#,
        r#""eth1": {"prio": 1}, "eth2": {}"#,
    );
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_link_up(eth1, false);
    assert_eq!(daemon.active(), Some(eth1));
    assert!(daemon.team.due().is_some(), "no delay is pending");
    kernel.set_link_up(eth1, true);
    assert_eq!(daemon.active(), Some(eth1));
    assert_eq!(daemon.team.due(), None);
    kernel.delete_link(eth1);
    assert_eq!(
        daemon.active(),
        Some(eth2),
        "active port after eth1 was deleted, which has no delay"
    );
}

#[test]
fn active_port_of_an_adopted_team_counts_as_up() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config(
        r#""link_watch": {"name": "ethtool", "delay_up": 60000},"#,
        r#""eth1": {"prio": 1}, "eth2": {}"#,
    );
    let mut before = kernel.create_team("team0").unwrap();
    before.set_mode(libteam::Mode::ActiveBackup).unwrap();
    before.add_port(eth1).unwrap();
    before.add_port(eth2).unwrap();
    before.set_active_port(eth2).unwrap();
    drop(before);
    let mut daemon = Daemon::start(&kernel, &config);
    assert!(!daemon.team.is_ours);
    assert_eq!(daemon.active(), Some(eth2));
}

/// Prepares the step of an activation that is to fail, and whether that step has been done.
struct Step {
    prepare: fn(&TestKernel, IfIndex),
    is_done: fn(&Team<'_>, IfIndex) -> bool,
}

/// The steps of an activation that the daemon requests of the driver. Each is the first request of
/// the activation that it prepares.
const STEPS: [Step; 2] = [
    Step {
        prepare: |kernel, port| kernel.set_option(&OptionId::port("enabled", port), false),
        is_done: |team, port| team.handle.port_enabled(port) == Some(true),
    },
    Step { prepare: |_, _| {}, is_done: |team, port| team.handle.active_port() == Some(port) },
];

#[test]
fn failed_activation_at_a_failover_takes_the_next_port() {
    for step in STEPS {
        let (kernel, [eth1, eth2, eth3]) = kernel_with();
        let config = config("", r#""eth1": {"prio": 2}, "eth2": {"prio": 1}, "eth3": {"prio": 3}"#);
        let mut daemon = Daemon::start(&kernel, &config);
        assert_eq!(daemon.active(), Some(eth3));
        (step.prepare)(&kernel, eth1);
        daemon.act();
        kernel.set_link_up(eth3, false);
        kernel.refuse_next(Errno::EIO as i32);
        let start = Instant::now();
        assert_eq!(daemon.active(), Some(eth2), "eth1 was refused");
        assert!(!(step.is_done)(&daemon.team, eth1));
        daemon.wait_for(eth1);
        assert!((step.is_done)(&daemon.team, eth1));
        assert!(start.elapsed() >= Duration::from_millis(900), "after {:?}", start.elapsed());
    }
}

#[test]
fn failed_activation_at_the_start_takes_the_next_port() {
    for step in STEPS {
        let (kernel, [eth1, eth2]) = kernel_with();
        let config = config("", r#""eth1": {"prio": 2}, "eth2": {"prio": 1}"#);
        for port in [eth1, eth2] {
            kernel.set_link_up(port, false);
        }
        let mut daemon = Daemon::start(&kernel, &config);
        assert_eq!(daemon.active(), None, "no port was up yet");
        (step.prepare)(&kernel, eth1);
        daemon.act();
        for port in [eth1, eth2] {
            kernel.set_link_up(port, true);
        }
        kernel.refuse_next(Errno::EIO as i32);
        assert_eq!(daemon.active(), Some(eth2), "eth1 was refused");
        assert!(!(step.is_done)(&daemon.team, eth1));
        daemon.wait_for(eth1);
        assert!((step.is_done)(&daemon.team, eth1));
    }
}

#[test]
fn choice_is_right_after_lost_notifications() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.lose_notifications();
    kernel.set_link_up(eth1, false);
    assert_eq!(daemon.active(), Some(eth2));
    let mut status = status::Status::default();
    daemon.team.describe(&mut status);
    assert_eq!((status.resyncs, status.failovers), (1, 2));
}

#[test]
fn active_port_set_by_another_process_is_reverted() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_option(&OptionId::global("activeport"), eth2.get());
    assert_eq!(daemon.active(), Some(eth1));
    kernel.remove_port(eth1);
    assert_eq!(daemon.active(), Some(eth1), "active port after eth1 was adopted again");
}

#[test]
fn link_created_later_is_set_down_and_added() {
    let (kernel, [eth1]) = kernel_with();
    let config = config("", r#""eth1": {}, "eth2": {"prio": 1}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth1));
    let eth2 = kernel.add_link("eth2");
    daemon.rtnl.set_link(eth2, &LinkSettings::new().up()).unwrap();
    assert_eq!(daemon.active(), Some(eth2));
    let hwaddr = |port| daemon.team.handle.link(port).unwrap().hwaddr();
    assert_eq!(hwaddr(eth1), hwaddr(eth2), "addresses of the ports: the team's");
}

#[test]
fn deletion_of_the_team_is_noticed() {
    let (kernel, [_]) = kernel_with();
    let config = config("", r#""eth1": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.delete_link(daemon.team.handle.ifindex());
    daemon.act();
    assert!(daemon.team.is_gone());
    daemon.team.destroy_if_ours().unwrap();
    assert!(daemon.kernel.open_team("team0").is_err());
}
