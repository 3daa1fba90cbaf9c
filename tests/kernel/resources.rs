//! Failed operations leave nothing open, long operation takes no more memory, and large teams fit.

use std::env;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::Duration;

use libteam::link_events::LinkEvents;
use libteam::netlink::SocketBuilder;
use libteam::rtnl::RtnlSocket;
use libteam::{ChangeKind, Error, IfIndex, Mode, OptionId, OptionValue, Result, TeamHandle};
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::thread::CapabilitySet;

use crate::environment::{is_alone, open_descriptors, run_alone};
use crate::support::changes::{all_links, handle_until_converged, kernel_errno, take_changes};
use crate::support::features::renaming;
use crate::support::genl_family::Driver;
use crate::support::netns::{NamedNamespace, dummies, enter, index, ip_batch, without};
use crate::support::raw::{Raw, attribute};
use crate::support::snapshot::assert_matches_kernel;
use crate::support::spoof::{TEAM_OPTIONS, message};
use crate::support::timeouts::rounds;

const ROUNDS: u32 = 100;
/// The variable with the number of events for the test of memory.
const EVENTS: &str = "LIBTEAM_TEST_EVENTS";
const FEW_EVENTS: u32 = 50_000;
const FEWEST_EVENTS: u32 = 10_000;
/// Less than a leak of two bytes per event, or of seven with the fewest events.
const FEW_KIBIBYTES: u64 = 64;
const MANY_PORTS: usize = 600;
/// The default receive buffer of a socket, in bytes.
const DEFAULT_BUFFER: usize = 212_992;

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

#[test]
fn failed_operations_leave_no_descriptor_open() {
    if !is_alone() {
        return run_alone("resources::failed_operations_leave_no_descriptor_open", &[]);
    }
    enter();
    TeamHandle::create("team0").unwrap();
    let there = NamedNamespace::new("resources");
    let (null, namespace) = (File::open("/dev/null").unwrap(), File::open(there.path()).unwrap());
    let before = open_descriptors();
    for _ in 0..ROUNDS {
        let nowhere = TeamHandle::builder().in_namespace(&null).unwrap();
        assert!(matches!(nowhere.open("team0"), Err(Error::Io { .. })));
        assert!(matches!(nowhere.create("team1"), Err(Error::Io { .. })));
        assert!(matches!(LinkEvents::in_namespace(&null), Err(Error::Io { .. })));
        assert_eq!(open_descriptors(), before + 1, "descriptors: the builder has one of its own");
        drop(nowhere);
        // All sockets are open when the driver refuses to list its ports.
        without(CapabilitySet::NET_ADMIN, || {
            assert_eq!(kernel_errno(&TeamHandle::open("team0").unwrap_err()), Errno::EPERM);
            assert_eq!(kernel_errno(&TeamHandle::create("team1").unwrap_err()), Errno::EPERM);
        });
        without(CapabilitySet::SYS_ADMIN, || {
            let forbidden = TeamHandle::builder().in_namespace(&namespace).unwrap();
            assert_eq!(
                forbidden.create("team1").unwrap_err().raw_os_error(),
                Some(Errno::EPERM as i32)
            );
            assert!(LinkEvents::in_namespace(&namespace).is_err());
        });
        let hurried = TeamHandle::builder().in_namespace(&namespace).unwrap();
        assert!(matches!(hurried.open("absent"), Err(Error::NoSuchDevice { .. })));
    }
    assert_eq!(open_descriptors(), before);
}

/// Makes `open` fail at each descriptor that it needs; returns the number of descriptors it keeps.
fn assert_fails_cleanly<T>(open: impl Fn() -> Result<T>) -> usize {
    let before = open_descriptors();
    let opened = open().unwrap_or_else(|error| panic!("{error}"));
    let count = open_descriptors() - before;
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for free in 0..count {
        let error = open().err().expect("an error without free descriptors");
        assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32), "{free} free: {error:?}");
        let left: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert_eq!(left.len(), free, "free descriptors after a failed open");
        drop(left);
        taken.pop();
    }
    drop(open().unwrap_or_else(|error| panic!("{error}")));
    drop((opened, taken));
    assert_eq!(open_descriptors(), before);
    count
}

#[test]
fn open_fails_cleanly_at_each_missing_descriptor() {
    if !is_alone() {
        return run_alone("resources::open_fails_cleanly_at_each_missing_descriptor", &[]);
    }
    enter();
    let there = NamedNamespace::new("descriptors");
    let namespace = File::open(there.path()).unwrap();
    let elsewhere = TeamHandle::builder().in_namespace(&namespace).unwrap();
    elsewhere.create("team0").unwrap();
    let sockets = SocketBuilder::new().in_namespace(&namespace).unwrap();
    let kept = [
        assert_fails_cleanly(LinkEvents::new),
        assert_fails_cleanly(RtnlSocket::new),
        assert_fails_cleanly(|| sockets.link_events()),
        assert_fails_cleanly(|| sockets.rtnl()),
        assert_fails_cleanly(|| elsewhere.open("team0")),
    ];
    // A stream of link events has a socket and an epoll descriptor; a handle has four sockets and
    // an epoll descriptor, and its namespace.
    assert_eq!(kept, [2, 1, 2, 1, 6]);
}

#[test]
fn handles_owned_by_handlers_are_dropped_with_them() {
    if !is_alone() {
        return run_alone("resources::handles_owned_by_handlers_are_dropped_with_them", &[]);
    }
    enter();
    let before = open_descriptors();
    let mut team = TeamHandle::create("team0").unwrap();
    let own = open_descriptors();
    for number in 1..=ROUNDS {
        // This handler fails after dropping another handle.
        let mut owned = Some(TeamHandle::open("team0").unwrap());
        let failing = team.add_handler(ChangeKind::OPTION, move |_, _| {
            let _dropped = owned.take();
            Err("on purpose".into())
        });
        // This handler panics; the values that it holds are dropped.
        let (inside, kept) =
            (TeamHandle::open("team0").unwrap(), TeamHandle::open("team0").unwrap());
        team.add_handler(ChangeKind::OPTION, move |_, _| {
            let _outlived = &kept;
            let inner = TeamHandle::open("team0")?;
            assert_eq!(inner.name(), inside.name());
            panic!("on purpose");
        });
        team.set_option(&count(), number).unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| team.handle_events())).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(open_descriptors(), own, "round {number}");
        team.set_option(&count(), number + 1).unwrap();
        let error = team.handle_events().unwrap_err();
        assert_eq!(error.to_string(), "calling a change handler: on purpose");
        assert!(team.remove_handler(failing));
    }
    // A handle that is dropped together with its handlers, and their handles, inside one of these
    // handlers.
    let (sender, receiver) = channel();
    let mut owner = TeamHandle::open("team0").unwrap();
    let inner = TeamHandle::open("team0").unwrap();
    owner.add_handler(ChangeKind::OPTION, move |_, _| Ok(sender.send(inner.name().to_owned())?));
    let mut owner = Some(owner);
    team.add_handler(ChangeKind::OPTION, move |_, _| {
        let mut owner = owner.take().ok_or("second call of this handler")?;
        owner.handle_events()?;
        panic!("on purpose, without a handle");
    });
    team.set_option(&count(), 7_u32).unwrap();
    catch_unwind(AssertUnwindSafe(|| team.handle_events())).unwrap_err();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["team0"]);
    assert_eq!(open_descriptors(), own);
    assert_matches_kernel(&team);
    drop(team);
    assert_eq!(open_descriptors(), before);
}

/// Returns the memory of this process in KiB, without the pages of its program file.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    memory.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Causes events of links and options, which several receivers read; some with an overrun.
struct Scene {
    handles: [TeamHandle; 2],
    events: LinkEvents,
    raw: Raw,
    noise: IfIndex,
}

impl Scene {
    /// Causes at least `count` events, or on a slow machine at least `least`. Returns their number.
    fn make_events(&mut self, count: u32, least: u32) -> u32 {
        let mut made = 0;
        for number in rounds(count, least) {
            made += 1;
            self.raw.set_mtu(self.noise, 1000 + number % 100).unwrap();
            if number % 10 == 0 {
                self.handles[0].set_notify_peers_count(number).unwrap();
            }
            if number % 50 == 0 {
                self.read_all();
            }
        }
        self.read_all();
        made
    }

    fn read_all(&mut self) {
        self.handles.iter_mut().for_each(|team| drop(take_changes(team)));
        while self.events.try_next().unwrap().is_some() {}
    }
}

#[test]
fn memory_stays_flat_over_all_events() {
    if !is_alone() {
        return run_alone("resources::memory_stays_flat_over_all_events", &[]);
    }
    enter();
    dummies(&["noise"]);
    let mut all = all_links().create("team0").unwrap();
    all.set_mode(Mode::RoundRobin).unwrap();
    // A handle that loses events all the time.
    let small = all_links().receive_buffer(1).receive_buffer_limit(1).open("team0").unwrap();
    let mut scene = Scene {
        handles: [all, small],
        events: LinkEvents::new().unwrap(),
        raw: Raw::new(),
        noise: index("noise"),
    };
    scene.make_events(FEWEST_EVENTS / 2, FEWEST_EVENTS / 2);
    let asked: Option<u32> = env::var(EVENTS)
        .ok()
        .map(|events| events.parse().expect("the variable is a number of events"));
    let before = (open_descriptors(), memory());
    let events = scene.make_events(asked.unwrap_or(FEW_EVENTS), asked.unwrap_or(FEWEST_EVENTS));
    let after = (open_descriptors(), memory());
    println!("{events} events: descriptors and KiB {before:?} before, {after:?} after");
    assert_eq!(after.0, before.0, "descriptors");
    assert!(
        after.1 <= before.1 + FEW_KIBIBYTES,
        "KiB of memory: {} before, {} after",
        before.1,
        after.1
    );
    assert_matches_kernel(&scene.handles[0]);
}

/// Returns whether the whole list of options fits a receive buffer of the default size.
fn options_fit_the_default_buffer(team: IfIndex) -> bool {
    let mut socket = Socket::new(NETLINK_GENERIC).unwrap();
    socket.bind_auto().unwrap();
    let family = Driver::query(&socket).family;
    assert_eq!(getsockopt(&socket, sockopt::RcvBuf).unwrap(), DEFAULT_BUFFER);
    let payload = [&[TEAM_OPTIONS, 1, 0, 0][..], &attribute(1, &team.get().to_ne_bytes())].concat();
    socket.send_to(&message(family, 1, 1, &payload), &SocketAddr::new(0, 0), 0).unwrap();
    match socket.recv_from_full() {
        Err(error) => error.raw_os_error() != Some(Errno::ENOBUFS as i32),
        Ok(_) => true,
    }
}

#[test]
fn team_of_600_ports_opens_and_works() {
    enter();
    let names: Vec<String> = (0..MANY_PORTS).map(|number| format!("p{number}")).collect();
    ip_batch(&names.iter().map(|name| format!("link add {name} type dummy")).collect::<Vec<_>>());
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    ip_batch(&names.iter().map(|name| format!("link set {name} master team0")).collect::<Vec<_>>());
    handle_until_converged(&mut team);
    assert!(
        !options_fit_the_default_buffer(team.ifindex()),
        "the list of options fits the default buffer: too few ports for this test"
    );
    let of_a_port = team.options().filter(|option| option.id().port == Some(index("p0"))).count();
    let global = 5 + 3 + 512;
    drop(team);

    let smallest = TeamHandle::builder().receive_buffer(1).receive_buffer_limit(1);
    for (number, builder) in (1..).zip([TeamHandle::builder(), smallest, all_links()]) {
        let mut team = builder.open("team0").unwrap();
        let ports = team.ports().len();
        assert_eq!(team.options().len(), global + ports * of_a_port);
        let (first, last) = (index(&names[number as usize]), index(&names[MANY_PORTS - 1]));
        team.set_port_priority(last, -7).unwrap();
        assert_eq!(team.port_priority(last).unwrap(), -7);
        team.set_option(&count(), number).unwrap();
        assert_eq!(team.option(&count()).unwrap().value(), &OptionValue::U32(number));
        team.remove_port(first).unwrap();
        assert!(!team.is_port(first));
        ip_batch(&renaming(&names[10 * number as usize], &format!("q{number}")));
        team.wait(Some(Duration::from_secs(1))).unwrap();
        handle_until_converged(&mut team);
        assert_eq!(team.ports().len(), ports - 1);
        assert!(team.links().any(|link| link.name() == format!("q{number}")));
        assert!(
            team.refresh().unwrap().is_empty(),
            "changes of a refresh: the cache was not current"
        );
        assert_matches_kernel(&team);
    }
}
