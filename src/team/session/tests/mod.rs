mod cut_list;
mod follow;
mod resync;

use std::num::NonZeroU32;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_MULTIPART};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::changes::Change;
use crate::model::link::{Link, LinkFlags};
use crate::model::link_scope::LinkScope;
use crate::netlink::dump::InterruptedDump;
use crate::netlink::multicast::Filter;
use crate::netlink::ready_fd::ReadyFd;
use crate::netlink::request::{DumpPolicy, RequestSocket};
use crate::team::TeamHandle;
use crate::testing::messages::{FAMILY, family, genl_message, link_with_flags};
use crate::testing::script::{Script, Step, ack, attribute, bare_done, done, message};

const TEAM: u32 = 2;

/// A session with four scripts in place of the kernel.
struct Scene {
    rtnl: Script,
    genl: Script,
    link_events: Script,
    team_events: Script,
    session: Session,
}

impl Scene {
    /// Returns a session of `team0` with the port `eth1` (3), the link `lo` and the option `mode`.
    fn new() -> Self {
        Self::starting_with([links(&[lo(), team0(), port(3, "eth1")])], LinkScope::All, None)
    }

    fn starting_with(
        answers: impl IntoIterator<Item = Step>,
        scope: LinkScope,
        event_filter: Option<EventFilter>,
    ) -> Self {
        let rtnl = Script::new([]);
        let genl = Script::new([]);
        let (link_events, team_events) = (Script::new([]), Script::new([]));
        rtnl.then(answers);
        genl.then([Step::answer(&family()), ports(&[3]), options(&["roundrobin"])]);
        let connect = |script: &Script| {
            let dumps = DumpPolicy {
                attempts: NonZeroU32::new(3).unwrap(),
                interrupted: InterruptedDump::Keep,
            };
            RequestSocket::new(script.clone(), Duration::from_millis(5), dumps)
        };
        let session = Session::open(
            RtnlSocket::from_socket(connect(&rtnl)),
            TeamDriver::resolve(connect(&genl)).unwrap(),
            MulticastSocket::new(link_events.clone()).filtered_by(Filter::InPlace),
            MulticastSocket::new(team_events.clone()).filtered_by(Filter::InPlace),
            Cache::new(IfIndex::new(TEAM).unwrap(), "team0".into(), scope),
            event_filter,
        )
        .unwrap();
        Self { rtnl, genl, link_events, team_events, session }
    }

    /// Updates the session and takes its changes.
    fn changes(&mut self) -> Changes {
        self.session.update().unwrap();
        self.session.take_changes()
    }

    fn link_names(&self) -> Vec<&str> {
        self.session.cache().links().iter().map(Link::name).collect()
    }

    fn port_indices(&self) -> Vec<u32> {
        self.session.cache().ports().iter().map(|port| port.ifindex().get()).collect()
    }

    /// Checks that all steps of the scripts were used, so that no request is missing.
    fn assert_played(&self) {
        let scripts = [&self.rtnl, &self.genl, &self.link_events, &self.team_events];
        let unused = scripts.map(Script::left);
        assert_eq!(unused, [0; 4], "unused steps of rtnl, genl, link events and team events");
    }
}

fn link(ifindex: u32, name: &str, more: &[Vec<u8>]) -> Vec<u8> {
    link_message(link::RTM_NEWLINK, NLM_F_MULTIPART, ifindex, name, more)
}

fn link_message(kind: u16, flags: u16, ifindex: u32, name: &str, more: &[Vec<u8>]) -> Vec<u8> {
    link_with_flags(kind, flags, ifindex, LinkFlags::UP, name, more)
}

fn lo() -> Vec<u8> {
    link(1, "lo", &[])
}

fn team0() -> Vec<u8> {
    link(TEAM, "team0", &[attribute(18, &attribute(1, b"team\0"))])
}

fn port(ifindex: u32, name: &str) -> Vec<u8> {
    link(ifindex, name, &[attribute(10, &TEAM.to_ne_bytes())])
}

fn links(messages: &[Vec<u8>]) -> Step {
    Step::answer(&[messages.concat(), done(0)])
}

fn interrupted_links(messages: &[Vec<u8>]) -> Step {
    let mark = message(link::RTM_NEWLINK, NLM_F_MULTIPART | NLM_F_DUMP_INTR, &lo()[16..]);
    Step::answer(&[mark, messages.concat(), done(0)])
}

fn one(message: Vec<u8>) -> Step {
    Step::answer(&[message, ack(0)])
}

fn no_such_link() -> Step {
    Step::answer(&[ack(-19)])
}

fn port_list(indices: &[u32], marks: &[u16]) -> Vec<u8> {
    let item = |index: &u32| {
        let marks = marks.iter().map(|mark| attribute(*mark, &[]));
        attribute(1, &[attribute(1, &index.to_ne_bytes()), marks.flatten().collect()].concat())
    };
    let list = indices.iter().flat_map(item).collect::<Vec<u8>>();
    genl_message(3, &[attribute(1, &TEAM.to_ne_bytes()), attribute(3, &list)])
}

fn option_list(modes: &[&str]) -> Vec<u8> {
    let item = |mode: &&str| {
        let data = attribute(4, format!("{mode}\0").as_bytes());
        attribute(1, &[attribute(1, b"mode\0"), attribute(3, &[5]), data].concat())
    };
    let list = modes.iter().flat_map(item).collect::<Vec<u8>>();
    genl_message(2, &[attribute(1, &TEAM.to_ne_bytes()), attribute(2, &list)])
}

fn ports(indices: &[u32]) -> Step {
    Step::answer(&[port_list(indices, &[]), bare_done()])
}

fn options(modes: &[&str]) -> Step {
    Step::answer(&[option_list(modes), bare_done()])
}

/// Returns the driver's error for a missing capability (`EPERM`).
fn rejected() -> Step {
    Step::answer(&[ack(-1)])
}

fn overrun() -> [Step; 2] {
    [Step::Fails(Errno::ENOBUFS), Step::Silence]
}

fn removed_names(changes: &Changes) -> Vec<&str> {
    changes
        .links()
        .filter(|change| change.is_removed())
        .map(|change| change.latest().name())
        .collect()
}

#[test]
fn initial_state_is_not_a_change() {
    let mut scene = Scene::new();
    assert_eq!(scene.link_names(), ["lo", "team0", "eth1"]);
    assert_eq!(scene.session.cache().ports().iter().next().unwrap().name(), Some("eth1"));
    assert_eq!(scene.changes(), Changes::default());
    scene.assert_played();
}

#[test]
fn interrupted_first_dump_is_reported_and_refreshed() {
    let start = || {
        let dumps = (0..3).map(|_| interrupted_links(&[team0()]));
        Scene::starting_with(dumps.chain([one(port(3, "eth1"))]), LinkScope::All, None)
    };
    let Scene { session, link_events, team_events, .. } = start();
    let readiness = ReadyFd::new(&[link_events.as_fd(), team_events.as_fd()]).unwrap();
    let mut handle = TeamHandle::new(session, readiness, None).unwrap();
    let is_readable = |handle: &TeamHandle| {
        let mut waiting = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::ZERO).unwrap() > 0
    };
    assert!(is_readable(&handle), "the handle with an interrupted dump is not readable");
    let changes = handle.handle_events().unwrap();
    assert!(changes.is_inconsistent() && !changes.is_resynced());
    assert!(!is_readable(&handle));
    assert!(!handle.handle_events().unwrap().is_inconsistent(), "inconsistency reported twice");

    let mut scene = start();
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1"), link(4, "skipped", &[])])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    scene.session.refresh(true).unwrap();
    let changes = scene.session.take_changes();
    assert_eq!(
        changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(),
        ["skipped"]
    );
    assert!(!changes.is_inconsistent());
    scene.assert_played();
}

#[test]
fn duplicate_of_dropped_handle_is_not_readable() {
    let Scene { session, link_events, team_events, .. } = Scene::new();
    let readiness = ReadyFd::new(&[link_events.as_fd(), team_events.as_fd()]).unwrap();
    let mut handle = TeamHandle::new(session, readiness, None).unwrap();
    let duplicate = handle.try_clone_fd().unwrap();
    let is_readable = || {
        let mut fds = [PollFd::new(duplicate.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    };
    handle.set_pending(true).unwrap();
    assert!(is_readable(), "with work pending");
    // The scripts keep the sockets open, as a forked process would.
    drop(handle);
    assert!(!is_readable(), "after the handle was dropped");
    drop((link_events, team_events));
}

#[test]
fn events_are_reported_without_requests() {
    let mut scene = Scene::new();
    scene
        .link_events
        .then([Step::event(&[link(4, "eth2", &[])]), Step::event(&[port(3, "renamed")])]);
    scene.team_events.then([Step::event(&[port_list(&[4], &[2, 3]), bare_done()])]);
    let changes = scene.changes();
    assert_eq!(
        changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(),
        ["eth2", "renamed"]
    );
    // The port's name comes from its link, and changes with it.
    let names = changes.ports().map(|change| change.latest().name()).collect::<Vec<_>>();
    assert_eq!(names, [Some("eth2"), Some("renamed")]);
    assert!(!changes.is_resynced());
    scene.assert_played();
}

/// Returns a message about a team that is down, with this carrier.
fn team_that_is_down(carrier: u8) -> Vec<u8> {
    let more = [attribute(18, &attribute(1, b"team\0")), attribute(33, &[carrier])];
    link_with_flags(link::RTM_NEWLINK, 0, TEAM, LinkFlags::empty(), "team0", &more)
}

#[test]
fn link_of_down_team_is_requested_after_driver_event() {
    let mut scene = Scene::new();
    scene.link_events.then([Step::event(&[team_that_is_down(0)]), Step::Silence]);
    scene.changes();
    // The kernel sends no message about the team's new carrier.
    scene.team_events.then([Step::event(&[port_list(&[4], &[2, 3]), bare_done()])]);
    scene.rtnl.then([Step::answer(&[team_that_is_down(1), ack(0)])]);
    let changes = scene.changes();
    assert!(changes.links().next().unwrap().latest().has_carrier());
    scene.assert_played();
    assert_eq!(scene.changes(), Changes::default());
}

#[test]
fn refresh_discards_older_queued_events() {
    let mut scene = Scene::new();
    scene.link_events.then([Step::event(&[port(3, "old")])]);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "new")])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    scene.session.refresh(true).unwrap();
    assert_eq!(scene.link_names(), ["lo", "team0", "new"]);
    assert!(!scene.session.take_changes().is_resynced(), "resynced without lost events");
    scene.assert_played();
}

#[test]
fn refresh_with_many_events_keeps_newest_state() {
    let mut scene = Scene::new();
    let budget = 212_992 / 512;
    scene.link_events.then((0..budget).map(|_| Step::event(&[message(1, 0, &[])])));
    scene.link_events.then([Step::event(&[port(3, "old")])]);
    for _ in 0..2 {
        scene.rtnl.then([links(&[lo(), team0(), port(3, "new")])]);
        scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    }
    scene.session.refresh(true).unwrap();
    assert_eq!(scene.link_names(), ["lo", "team0", "new"]);
    scene.assert_played();
}

#[test]
fn refresh_after_lost_events_is_reported_as_resync() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.genl.then([ports(&[3]), options(&["roundrobin"])]);
    scene.session.refresh(true).unwrap();
    assert!(scene.session.take_changes().is_resynced());
    scene.assert_played();
}

#[test]
fn link_of_down_team_is_requested_after_older_events() {
    let mut scene = Scene::new();
    scene.link_events.then([Step::event(&[team_that_is_down(0)]), Step::Silence]);
    scene.changes();
    scene.team_events.then([Step::event(&[port_list(&[4], &[2, 3]), bare_done()])]);
    scene.link_events.then((0..212_992 / 512).map(|_| Step::event(&[message(1, 0, &[])])));
    scene.link_events.then([Step::event(&[team_that_is_down(0)])]);
    scene.changes();
    scene.rtnl.then([Step::answer(&[team_that_is_down(1), ack(0)])]);
    assert!(scene.changes().links().next().unwrap().latest().has_carrier());
    scene.assert_played();
}

#[test]
fn failed_list_of_existing_team_is_an_error() {
    let mut scene = Scene::new();
    scene.team_events.then(overrun());
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")]), Step::answer(&[team0(), ack(0)])]);
    scene.genl.then([Step::answer(&[ack(-12)])]);
    let error = scene.session.update().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(12));
    assert_eq!(error.to_string(), "listing the ports of team0: out of memory (ENOMEM)");
}

#[test]
fn other_device_with_index_of_the_team_is_not_the_team() {
    let mut scene = Scene::new();
    let gone = link_message(link::RTM_DELLINK, 0, TEAM, "team0", &[]);
    scene.link_events.then([Step::event(&[gone]), Step::event(&[team0()])]);
    scene.team_events.then([Step::Silence, Step::event(&[port_list(&[3], &[2, 3]), bare_done()])]);
    let changes = scene.changes();
    assert_eq!(changes.ports().map(Change::is_removed).collect::<Vec<_>>(), [true]);
    scene.session.ensure_exists().unwrap_err();
    assert_eq!(scene.changes().ports().len(), 0, "changed ports of the other device");
}

#[test]
fn undecodable_driver_event_causes_a_resync() {
    let mut scene = Scene::new();
    let nameless = attribute(2, &attribute(1, &attribute(3, &[5])));
    scene
        .team_events
        .then([Step::event(&[genl_message(2, &[attribute(1, &TEAM.to_ne_bytes()), nameless])])]);
    scene.team_events.then([Step::Silence]);
    scene.rtnl.then([links(&[lo(), team0(), port(3, "eth1")])]);
    scene.genl.then([ports(&[3]), options(&["broadcast"])]);
    let changes = scene.changes();
    assert!(changes.is_resynced());
    assert_eq!(changes.options().next().unwrap().latest().to_string(), " mode broadcast");
    scene.assert_played();
}

#[test]
fn events_of_another_family_or_team_change_nothing() {
    let mut scene = Scene::new();
    let other_family = message(FAMILY + 1, 0, &port_list(&[7], &[2])[16..]);
    let other_team = genl_message(2, &[attribute(1, &77_u32.to_ne_bytes())]);
    scene.team_events.then([Step::event(&[other_family]), Step::event(&[other_team, bare_done()])]);
    assert_eq!(scene.changes(), Changes::default());
}

#[test]
fn link_not_announced_as_new_is_requested() {
    let unconfirmed = |ifindex, name| {
        let mut message = link(ifindex, name, &[]);
        message[28..32].fill(0);
        Step::event(&[message])
    };
    let mut scene = Scene::new();
    scene.link_events.then([
        unconfirmed(4, "given-up"),
        unconfirmed(5, "exists"),
        unconfirmed(6, "announced"),
    ]);
    scene.link_events.then([unconfirmed(4, "given-up"), Step::event(&[link(6, "announced", &[])])]);
    scene.rtnl.then([Step::answer(&[ack(-19)]), Step::answer(&[link(5, "exists", &[]), ack(0)])]);
    let changes = scene.changes();
    assert_eq!(
        changes.links().map(|change| change.latest().name()).collect::<Vec<_>>(),
        ["exists", "announced"]
    );
    scene.link_events.then([unconfirmed(5, "renamed")]);
    assert_eq!(scene.changes().links().len(), 1, "changed links after a rename of a known link");
    scene.assert_played();
}
