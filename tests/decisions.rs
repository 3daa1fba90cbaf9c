//! The decisions of the example `active_backup`, on the model of the kernel that the feature
//! `testing` offers: without a kernel that has the team driver, and without root.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "the daemon uses the rest of what it is made of")]

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

/// A test has to be slower than any machine to fail by this.
const LONG: Duration = Duration::from_secs(60);

/// The configuration of a team with these settings and ports.
fn config(settings: &str, ports: &str) -> Config {
    let text = format!(
        r#"{{"device": "team0", "runner": {{"name": "activebackup"}}, {settings} "ports": {{{ports}}}}}"#
    );
    let Checked(config): Checked<Config> = serde_json::from_str(&text).unwrap();
    config
}

/// What the daemon's loop has of a team, without the loop.
struct Daemon<'a> {
    kernel: TestKernel,
    rtnl: RtnlSocket,
    team: Team<'a>,
}

impl<'a> Daemon<'a> {
    /// Starts with whatever links the kernel has.
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

    /// Acts on what happened, and returns the active port.
    fn active(&mut self) -> Option<IfIndex> {
        self.act();
        self.team.handle.active_port()
    }

    /// Acts whenever it is time, until a port is active.
    fn wait_for(&mut self, port: IfIndex) {
        let start = Instant::now();
        while self.active() != Some(port) {
            assert!(start.elapsed() < LONG, "link {port} does not become active");
            let left = self.team.due().map(|due| due.saturating_duration_since(Instant::now()));
            thread::sleep(left.unwrap_or_default().min(Duration::from_millis(100)));
        }
    }
}

/// The links `eth1`, `eth2` and so on.
fn kernel_with<const N: usize>() -> (TestKernel, [IfIndex; N]) {
    let kernel = TestKernel::new();
    let links = std::array::from_fn(|number| kernel.add_link(&format!("eth{}", number + 1)));
    (kernel, links)
}

#[test]
fn highest_priority_that_is_up_is_active() {
    let (kernel, [eth1, eth2, eth3]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {"prio": 3}, "eth3": {"prio": 2}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth2));
    assert_eq!(daemon.team.handle.port_priority(eth2), Some(3), "teamnl shows it");

    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth3));
    kernel.set_link_up(eth3, false);
    assert_eq!(daemon.active(), Some(eth1));
    kernel.set_link_up(eth2, true);
    assert_eq!(daemon.active(), Some(eth2), "the best one is back");
}

#[test]
fn without_any_link_the_active_port_stays() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_link_up(eth1, false);
    assert_eq!(daemon.active(), Some(eth2));
    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth2), "there is no better one");
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
    assert_eq!(daemon.active(), Some(eth2), "eth1 is better, but eth2 is sticky");
    kernel.set_link_up(eth2, false);
    assert_eq!(daemon.active(), Some(eth1));
    kernel.set_link_up(eth2, true);
    assert_eq!(daemon.active(), Some(eth1), "eth2 is sticky only while it is active");
}

#[test]
fn of_equal_priorities_the_faster_port_is_active() {
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
    assert_eq!(daemon.active(), Some(eth1), "of equals the active one");
}

#[test]
fn port_is_up_after_its_delay() {
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
    assert!(start.elapsed() >= Duration::from_millis(300), "after {:?}", start.elapsed());
}

#[test]
fn flap_starts_the_delay_again() {
    let (kernel, [_, eth2]) = kernel_with();
    let config = config(
        "",
        r#""eth1": {}, "eth2": {"prio": 1, "link_watch": {"name": "ethtool", "delay_up": 200}}"#,
    );
    let mut daemon = Daemon::start(&kernel, &config);
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    // Over before the daemon looks: only the link's counter shows it.
    kernel.set_link_up(eth2, false);
    kernel.set_link_up(eth2, true);
    daemon.wait_for(eth2);
    assert!(start.elapsed() >= Duration::from_millis(200), "after {:?}", start.elapsed());
}

#[test]
fn short_loss_of_the_link_is_no_failover() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config(
        r#""link_watch": {"name": "ethtool", "delay_down": 60000},"#,
        r#""eth1": {"prio": 1}, "eth2": {}"#,
    );
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_link_up(eth1, false);
    assert_eq!(daemon.active(), Some(eth1));
    assert!(daemon.team.due().is_some(), "it counts as down later");
    kernel.set_link_up(eth1, true);
    assert_eq!(daemon.active(), Some(eth1));
    assert_eq!(daemon.team.due(), None);
    kernel.delete_link(eth1);
    assert_eq!(daemon.active(), Some(eth2), "a port that is gone has no delay");
}

#[test]
fn active_port_of_a_team_that_is_taken_over_counts_as_up() {
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

#[test]
fn port_that_cannot_be_active_is_passed_over_and_tried_again() {
    let (kernel, [eth1, eth2, eth3]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 2}, "eth2": {"prio": 1}, "eth3": {"prio": 3}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth3));
    kernel.set_link_up(eth3, false);
    kernel.refuse_next(Errno::EIO as i32);
    let start = Instant::now();
    assert_eq!(daemon.active(), Some(eth2), "eth1 was refused");
    daemon.wait_for(eth1);
    assert!(start.elapsed() >= Duration::from_millis(900), "after {:?}", start.elapsed());
}

#[test]
fn choice_is_right_after_notifications_were_lost() {
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
fn decision_of_another_process_is_taken_back() {
    let (kernel, [eth1, eth2]) = kernel_with();
    let config = config("", r#""eth1": {"prio": 1}, "eth2": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.set_option(&OptionId::global("activeport"), eth2.get());
    assert_eq!(daemon.active(), Some(eth1));
    kernel.remove_port(eth1);
    assert_eq!(daemon.active(), Some(eth1), "it is adopted again");
}

#[test]
fn link_that_comes_later_is_adopted_and_set_down_for_that() {
    let (kernel, [eth1]) = kernel_with();
    let config = config("", r#""eth1": {}, "eth2": {"prio": 1}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    assert_eq!(daemon.active(), Some(eth1));
    let eth2 = kernel.add_link("eth2");
    daemon.rtnl.set_link(eth2, &LinkSettings::new().up()).unwrap();
    assert_eq!(daemon.active(), Some(eth2));
    let hwaddr = |port| daemon.team.handle.link(port).unwrap().hwaddr();
    assert_eq!(hwaddr(eth1), hwaddr(eth2), "all have the team's address");
}

#[test]
fn end_of_the_team_is_noticed() {
    let (kernel, [_]) = kernel_with();
    let config = config("", r#""eth1": {}"#);
    let mut daemon = Daemon::start(&kernel, &config);
    kernel.delete_link(daemon.team.handle.ifindex());
    daemon.act();
    assert!(daemon.team.is_gone());
    daemon.team.destroy_if_ours().unwrap();
    assert!(daemon.kernel.open_team("team0").is_err());
}
