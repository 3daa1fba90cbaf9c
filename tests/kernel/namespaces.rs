//! Sockets and handles in another network namespace than that of the thread that opens and uses
//! them.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libteam::netlink::{NetlinkConnection, Protocol, SocketBuilder};
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::link::LinkMessage;
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{ErrorKind, IfIndex, LinkScope, LinkSettings, Mode, TeamHandle};
use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::CapabilitySet;

use crate::environment::{is_alone, open_descriptors, run_alone};
use crate::support::changes::{handle_until, kernel_errno, reason, take_changes};
use crate::support::features::renaming;
use crate::support::netns::{enter, index, ip, ip_json, run_ip, without};
use crate::support::snapshot::state;
use crate::support::timeouts::timeout;

/// A namespace with a name under `/run/netns`, deleted when this is dropped.
struct Named(String);

impl Named {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("libteam-test-{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        Self(name)
    }

    fn open(&self) -> File {
        File::open(PathBuf::from("/run/netns").join(&self.0)).unwrap()
    }

    /// Runs `ip` in the namespace.
    fn ip(&self, words: &str) -> String {
        ip(&format!("-n {} {words}", self.0))
    }

    /// Returns the names of the links in the namespace.
    fn links(&self) -> Vec<String> {
        names(&self.ip("-j link"))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        run_ip(&format!("netns del {}", self.0));
    }
}

fn names(json: &str) -> Vec<String> {
    let links: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    links.iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect()
}

fn links_here() -> Vec<String> {
    names(&ip("-j link"))
}

/// A process in a namespace of its own, until this is dropped.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Self {
        let child = Command::new("unshare")
            .args(["--net", "sleep", "1000"])
            .spawn()
            .expect("unshare of util-linux starts");
        let elsewhere = Self(child);
        let deadline = Instant::now() + timeout();
        while fs::read_link(elsewhere.path()).unwrap() == thread_namespace() {
            assert!(Instant::now() < deadline, "unshare has not changed its namespace");
            thread::sleep(Duration::from_millis(5));
        }
        elsewhere
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.0.id()).into()
    }

    fn pidfd(&self) -> OwnedFd {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        pidfd_open(pid, PidfdFlags::empty()).unwrap()
    }

    fn links(&self) -> Vec<String> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).args(["ip", "-j", "link"]);
        names(
            &String::from_utf8(command.output().expect("nsenter of util-linux starts").stdout)
                .unwrap(),
        )
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Returns the calling thread's network namespace.
fn thread_namespace() -> PathBuf {
    fs::read_link("/proc/thread-self/ns/net").unwrap()
}

fn tasks() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits for a number of threads: a joined one is listed a little longer.
fn assert_tasks(expected: usize) {
    let deadline = Instant::now() + timeout();
    while tasks() != expected {
        assert!(Instant::now() < deadline, "{} threads, not {expected}", tasks());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Creates a link in a namespace. Panics if that moved the calling thread or created the link here.
fn create_in(namespace: impl AsFd) -> IfIndex {
    let here = thread_namespace();
    let mut rtnl = RtnlSocket::in_namespace(namespace).unwrap();
    let ifindex =
        rtnl.create_link(&NewLink::dummy("there").index(IfIndex::new(500).unwrap())).unwrap();
    rtnl.set_link(ifindex, &LinkSettings::new().mtu(1300).up()).unwrap();
    rtnl.add_address(ifindex, "192.0.2.1".parse().unwrap(), 24).unwrap();
    assert_eq!(thread_namespace(), here);
    assert_eq!(links_here(), ["lo"]);
    ifindex
}

#[test]
fn socket_works_in_a_named_namespace() {
    enter();
    let there = Named::new();
    create_in(there.open());
    assert_eq!(there.links(), ["lo", "there"]);
    assert!(there.ip("address show dev there").contains("192.0.2.1/24"));
    assert!(there.ip("link show dev there").contains("mtu 1300"));
}

#[test]
fn socket_works_in_the_namespace_of_a_process() {
    enter();
    for by_pidfd in [false, true] {
        let there = Elsewhere::new();
        let descriptor =
            if by_pidfd { there.pidfd() } else { File::open(there.path()).unwrap().into() };
        create_in(descriptor);
        assert_eq!(there.links(), ["lo", "there"]);
    }
}

#[test]
fn socket_keeps_its_namespace_in_any_thread() {
    enter();
    let there = Named::new();
    let mut rtnl = RtnlSocket::in_namespace(there.open()).unwrap();
    let mut rtnl = thread::spawn(move || {
        enter();
        rtnl.create_link(&NewLink::dummy("d0")).unwrap();
        assert_eq!(links_here(), ["lo"]);
        rtnl
    })
    .join()
    .unwrap();
    rtnl.create_link(&NewLink::dummy("d1")).unwrap();
    assert_eq!(there.links(), ["lo", "d0", "d1"]);
}

#[test]
fn all_sockets_of_a_builder_use_its_namespace() {
    enter();
    let there = Named::new();
    there.ip("link add d0 type dummy");
    let builder = SocketBuilder::new().in_namespace(there.open()).unwrap();
    let mut connection: NetlinkConnection = builder.connection(Protocol::ROUTE).unwrap();
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    assert_eq!(
        connection.dump::<_, RouteNetlinkMessage>(request.clone()).unwrap().items().len(),
        2
    );
    let mut connection = NetlinkConnection::in_namespace(there.open(), Protocol::ROUTE).unwrap();
    assert_eq!(connection.dump::<_, RouteNetlinkMessage>(request).unwrap().items().len(), 2);
    // The builder has its own descriptor, which keeps a namespace without a name alive.
    drop(there);
    assert!(builder.rtnl().unwrap().create_link(&NewLink::team("d0")).is_err());
    builder.rtnl().unwrap().create_link(&NewLink::team("team0")).unwrap();
    assert_eq!(links_here(), ["lo"]);
}

#[test]
fn non_namespace_is_refused_and_thread_stays() {
    enter();
    let here = thread_namespace();
    let mut dead = Elsewhere::new();
    let pidfd = dead.pidfd();
    dead.0.kill().unwrap();
    dead.0.wait().unwrap();
    let file = |path| OwnedFd::from(File::open(path).unwrap());
    for (descriptor, errno) in [
        (file("/dev/null"), Errno::EINVAL),
        (file("/proc/thread-self/ns/mnt"), Errno::EINVAL),
        (file("/proc/thread-self/ns/user"), Errno::EINVAL),
        (pidfd, Errno::ESRCH),
    ] {
        let error = RtnlSocket::in_namespace(&descriptor).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno as i32), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("opening a netlink socket in another network namespace: {}", reason(errno))
        );
        let builder = TeamHandle::builder().in_namespace(&descriptor).unwrap();
        assert_eq!(builder.create("team0").unwrap_err().raw_os_error(), Some(errno as i32));
        assert_eq!(builder.open("team0").unwrap_err().raw_os_error(), Some(errno as i32));
        assert_eq!(thread_namespace(), here);
    }
    assert_eq!(links_here(), ["lo"]);
}

#[test]
fn thread_without_permission_gets_error_and_stays() {
    enter();
    let here = thread_namespace();
    let there = Named::new();
    without(CapabilitySet::SYS_ADMIN, || {
        let error = RtnlSocket::in_namespace(there.open()).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (ErrorKind::PermissionDenied, Some(Errno::EPERM as i32))
        );
        let builder = TeamHandle::builder().in_namespace(there.open()).unwrap();
        assert_eq!(builder.create("team0").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(thread_namespace(), here);
    });
    assert_eq!((there.links(), links_here()), (vec!["lo".to_owned()], vec!["lo".to_owned()]));
}

#[test]
fn handle_works_in_another_namespace() {
    enter();
    let here = thread_namespace();
    let there = Named::new();
    let builder = TeamHandle::builder().in_namespace(there.open()).unwrap();
    let mut team = builder.create("team0").unwrap();
    there.ip("link add d0 type dummy");
    team.set_mode(Mode::ActiveBackup).unwrap();
    let d0 = team.lookup_ifindex("d0").unwrap();
    team.add_port(d0).unwrap();
    team.set_active_port(d0).unwrap();
    assert_eq!((team.is_port(d0), team.active_port()), (true, Some(d0)));
    assert!(there.ip("-d link show d0").contains("master team0"));
    take_changes(&mut team);

    // Events come from that namespace.
    for command in renaming("d0", "uplink") {
        there.ip(&command);
    }
    handle_until(&mut team, "the port is renamed, and up", |team| {
        let port = team.port(d0).unwrap();
        port.name() == Some("uplink") && port.is_link_up()
    });
    // And none from this one, where a link has the same index.
    ip(&format!("link add other index {d0} type dummy"));
    assert_eq!(take_changes(&mut team).kinds(), libteam::ChangeKind::empty());

    assert_eq!(state(&builder.open("team0").unwrap()), state(&team));
    let recreated = builder.recreate("team0").unwrap();
    assert_eq!(recreated.ports().len(), 0);
    recreated.destroy().unwrap();
    assert_eq!(there.links(), ["lo", "uplink"]);
    assert_eq!(
        (links_here(), thread_namespace()),
        (vec!["lo".to_owned(), "other".to_owned()], here)
    );
}

#[test]
fn handle_in_another_namespace_resyncs_there() {
    enter();
    let there = Named::new();
    let builder = TeamHandle::builder()
        .in_namespace(there.open())
        .unwrap()
        .receive_buffer(0)
        .link_scope(LinkScope::All);
    let mut team = builder.create("team0").unwrap();
    // More events than the smallest buffer holds.
    for number in 0..20 {
        there.ip(&format!("link add d{number} master team0 type dummy"));
    }
    let changes = take_changes(&mut team);
    assert!(changes.is_resynced());
    assert_eq!((changes.ports().len(), team.ports().len(), team.links().len()), (20, 20, 22));
    assert_eq!(state(&builder.open("team0").unwrap()), state(&team));
}

#[test]
fn handle_moved_between_threads_keeps_its_namespace() {
    enter();
    let there = Named::new();
    let mut team =
        TeamHandle::builder().in_namespace(there.open()).unwrap().create("team0").unwrap();
    for number in 0..3 {
        team = thread::spawn(move || {
            // Each thread is in another namespace, with a link of the same name.
            enter();
            ip(&format!("link add d{number} index {} type dummy", 900 + number));
            let error = team.add_port(index(&format!("d{number}"))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            team
        })
        .join()
        .unwrap();
        there.ip(&format!("link add d{number} type dummy"));
        let port = team.lookup_ifindex(format!("d{number}")).unwrap();
        team.add_port(port).unwrap();
        assert_eq!(take_changes(&mut team).ports().len(), 1);
    }
    assert_eq!(team.ports().len(), 3);
    assert_eq!(ip_json("link").len(), 1);
}

#[test]
fn concurrent_threads_use_several_namespaces() {
    enter();
    let here = thread_namespace();
    let namespaces: Vec<Named> = (0..4).map(|_| Named::new()).collect();
    thread::scope(|scope| {
        for (number, there) in namespaces.iter().enumerate() {
            for turn in 0..4 {
                scope.spawn(move || {
                    // A new thread is in the namespace of its creator.
                    let here = thread_namespace();
                    let builder = TeamHandle::builder().in_namespace(there.open()).unwrap();
                    for round in 0..5 {
                        let mut team = builder.create(format!("n{number}t{turn}r{round}")).unwrap();
                        team.set_mode(Mode::Random).unwrap();
                        assert_eq!(thread_namespace(), here);
                    }
                });
            }
        }
    });
    for (number, there) in namespaces.iter().enumerate() {
        let links = there.links();
        assert_eq!(links.len(), 21);
        assert!(
            links.iter().all(|name| name == "lo" || name.starts_with(&format!("n{number}"))),
            "links of another thread's namespace: {links:?}"
        );
    }
    assert_eq!((links_here(), thread_namespace()), (vec!["lo".to_owned()], here));
}

#[test]
fn namespace_sockets_leak_no_thread_or_descriptor() {
    if !is_alone() {
        return run_alone("namespaces::namespace_sockets_leak_no_thread_or_descriptor", &[]);
    }
    enter();
    let there = Named::new();
    let (namespace, null) = (there.open(), File::open("/dev/null").unwrap());
    let (threads, descriptors) = (tasks(), open_descriptors());
    let builder = TeamHandle::builder().in_namespace(&namespace).unwrap();
    builder.create("team0").unwrap();
    for _ in 0..300 {
        RtnlSocket::in_namespace(&namespace).unwrap();
        RtnlSocket::in_namespace(&null).unwrap_err();
    }
    for _ in 0..50 {
        assert_eq!(builder.open("team0").unwrap().name(), "team0");
        assert_eq!(kernel_errno(&builder.create("team0").unwrap_err()), Errno::EEXIST);
        builder.open("absent").unwrap_err();
    }
    drop(builder);
    assert_tasks(threads);
    assert_eq!(open_descriptors(), descriptors);
}

#[test]
fn open_socket_keeps_its_namespace_alive() {
    enter();
    let there = Named::new();
    let mut rtnl = RtnlSocket::in_namespace(there.open()).unwrap();
    drop(there);
    let ifindex = rtnl.create_link(&NewLink::dummy("d0")).unwrap();
    rtnl.delete_link(ifindex).unwrap();
}
