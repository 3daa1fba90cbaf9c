//! A hostile process in the same network namespace: with all privileges it spoofs messages of the
//! kernel, without privileges it floods sockets.

use std::env;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::parent_id;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use libteam::IfIndex;
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Uid, setresuid};

use crate::support::genl_family::{self, Driver};
use crate::support::netns::index;
use crate::support::raw::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, RTM_DELLINK,
    RTM_NEWLINK, attribute, header, text,
};

/// The index of a link that does not exist.
pub(crate) const ABSENT_IFINDEX: u32 = 4711;
/// The number of sockets that the parent process has.
const SOCKETS: &str = "LIBTEAM_TEST_SOCKETS";
const STARTED: &str = "the spoofing process started";

const PAUSE: Duration = Duration::from_millis(1);

const RTM_GETLINK: u16 = 18;
const RTNLGRP_LINK: u32 = 1;
const NLM_F_DUMP: u16 = 0x301;
const NLM_F_CAPPED: u16 = 0x100;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
pub(crate) const TEAM_OPTIONS: u8 = 2;
const TEAM_PORTS: u8 = 3;
/// The sequence numbers of a socket's first requests.
const SEQUENCES: std::ops::Range<u32> = 1..50;

fn command(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--test-threads=1", "--nocapture"]);
    command
}

/// Returns whether a test started this process to spoof; with `--ignored` alone these tests do
/// nothing.
fn is_spoofing_process() -> bool {
    env::var_os(SOCKETS).is_some()
}

/// Runs one of the tests below to its end in a process of its own, which has to find this many
/// sockets to send to.
pub(crate) fn run_once(test: &str, sockets: usize) {
    let output = command(test).env(SOCKETS, sockets.to_string()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "process of {test} failed:\n{printed}"
    );
}

/// A process that runs one of the tests below until this is dropped.
pub(crate) struct Spoofer(Child);

impl Spoofer {
    pub(crate) fn start(test: &str) -> Self {
        let mut child = command(test).env(SOCKETS, "any").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.map_while(Result::ok).any(|line| line.contains(STARTED)),
            "process of {test} does not start"
        );
        Self(child)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Spoofer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// Returns a datagram of one message whose header claims the kernel as its sender.
pub(crate) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn absent_link() -> IfIndex {
    IfIndex::new(ABSENT_IFINDEX).unwrap()
}

/// Returns messages about links: existing ones and one that does not exist.
fn of_links() -> Vec<Vec<u8>> {
    let team = index("team0");
    let mut messages = Vec::new();
    for ifindex in [team, index("d0"), index("d1"), absent_link()] {
        for master in [0, team.get(), ABSENT_IFINDEX] {
            let attributes = [
                text(IFLA_IFNAME, &format!("forged{ifindex}")),
                attribute(IFLA_ADDRESS, &[2, 6, 6, 6, 6, 6]),
                attribute(IFLA_MTU, &ABSENT_IFINDEX.to_ne_bytes()),
                attribute(IFLA_MASTER, &master.to_ne_bytes()),
                attribute(IFLA_LINKINFO, &text(IFLA_INFO_KIND, "forged")),
            ];
            for kind in [RTM_NEWLINK, RTM_DELLINK] {
                let payload = [&header(ifindex, 0, u32::MAX)[..], &attributes.concat()].concat();
                messages.push(message(kind, 0, 0, &payload));
            }
        }
        messages.push(message(RTM_DELLINK, 0, 0, &header(ifindex, 0, u32::MAX)));
    }
    // Undecodable messages, which from the kernel would count as a loss.
    messages.push(message(RTM_NEWLINK, 0, 0, &[0; 3]));
    messages.push(message(
        RTM_NEWLINK,
        0,
        0,
        &[&header(team, 0, 0)[..], &vec![0xff; 40_000]].concat(),
    ));
    messages
}

/// Returns messages of the driver about its options and ports.
fn of_the_team(family: u16) -> Vec<Vec<u8>> {
    let (team, port) = (index("team0"), index("d0"));
    let (changed, removed) = (attribute(2, &[]), attribute(5, &[]));
    let name = |name| text(1, name);
    let kind = |kind| attribute(3, &[kind]);
    let of_port = |port: IfIndex| attribute(6, &port.get().to_ne_bytes());
    let number = || [kind(3), attribute(4, &ABSENT_IFINDEX.to_ne_bytes())].concat();
    let options = [
        [name("notify_peers_count"), changed.clone(), number()].concat(),
        [name("notify_peers_interval"), changed.clone(), removed.clone(), number()].concat(),
        [name("forged"), changed.clone(), number()].concat(),
        [name("mode"), changed.clone(), kind(5), text(4, "random")].concat(),
        [name("enabled"), of_port(port), changed.clone(), kind(6)].concat(),
        [name("enabled"), of_port(absent_link()), changed.clone(), kind(6)].concat(),
    ];
    let index_of = |port: IfIndex| attribute(1, &port.get().to_ne_bytes());
    let ports = [
        [index_of(port), changed.clone(), attribute(6, &[])].concat(),
        [index_of(port), changed.clone(), attribute(4, &ABSENT_IFINDEX.to_ne_bytes())].concat(),
        [index_of(absent_link()), changed, attribute(3, &[])].concat(),
    ];
    let options = options.iter().map(|option| (TEAM_OPTIONS, 2, option));
    let ports = ports.iter().map(|port| (TEAM_PORTS, 3, port));
    let mut messages: Vec<Vec<u8>> = options
        .chain(ports)
        .map(|(command, list, item)| {
            let whose = attribute(1, &team.get().to_ne_bytes());
            let payload =
                [&[command, 1, 0, 0][..], &whose, &attribute(list, &attribute(1, item))].concat();
            message(family, 0, 0, &payload)
        })
        .collect();
    messages.push(message(family, 0, 0, &[TEAM_OPTIONS, 1, 0, 0, 2, 0, 1, 0]));
    messages
}

/// Returns replies: an acknowledgement, an error, the end of a dump, an overrun.
fn answers() -> Vec<Vec<u8>> {
    let error = |code: i32| [&code.to_ne_bytes()[..], &[0; 16]].concat();
    SEQUENCES
        .flat_map(|sequence| {
            [
                message(NLMSG_ERROR, NLM_F_CAPPED, sequence, &error(0)),
                message(NLMSG_ERROR, NLM_F_CAPPED, sequence, &error(-17)),
                message(NLMSG_DONE, 2, sequence, &0_i32.to_ne_bytes()),
                message(NLMSG_OVERRUN, 0, sequence, &[]),
            ]
        })
        .collect()
}

fn bound(protocol: isize) -> Socket {
    let mut socket = Socket::new(protocol).unwrap();
    socket.bind_auto().unwrap();
    socket
}

/// The sockets of the spoofing process for one protocol.
struct Sockets {
    sender: Socket,
    /// Receives what it multicasts.
    receiver: Socket,
    protocol: isize,
    group: u32,
}

impl Sockets {
    fn open(protocol: isize, group: u32) -> Self {
        let (sender, receiver) = (bound(protocol), bound(protocol));
        receiver.add_membership(group).unwrap();
        receiver.set_non_blocking(true).unwrap();
        Self { sender, receiver, protocol, group }
    }

    fn unicast(&self, message: &[u8], port: u32) -> std::io::Result<usize> {
        self.sender.send_to(message, &SocketAddr::new(port, 0), 0)
    }

    fn multicast(&self, message: &[u8]) -> std::io::Result<usize> {
        self.sender.send_to(message, &SocketAddr::new(0, 1 << (self.group - 1)), 0)
    }

    /// Returns whether a message arrived whose sender is not the kernel.
    fn has_received_spoofed(&self) -> bool {
        self.receiver.recv_from_full().is_ok_and(|(_, from)| from.port_number() != 0)
    }

    /// Returns the port ids of the sockets of other processes.
    fn targets(&self) -> Vec<u32> {
        let mut own = [&self.sender, &self.receiver].map(|socket| {
            let mut address = SocketAddr::new(0, 0);
            socket.get_address(&mut address).unwrap();
            address.port_number()
        });
        own.sort_unstable();
        let table = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ports = rows
            .filter(|row| row[1] == self.protocol.to_string())
            .map(|row| row[2].parse().unwrap());
        ports.filter(|port| *port != 0 && own.binary_search(port).is_err()).collect()
    }
}

/// Returns the sockets of both protocols, and the messages to spoof with each.
fn spoofed_messages() -> [(Sockets, Vec<Vec<u8>>); 2] {
    let driver = Driver::query(&bound(NETLINK_GENERIC));
    let of_links = [of_links(), answers()].concat();
    let of_the_team = [of_the_team(driver.family), answers()].concat();
    [
        (Sockets::open(NETLINK_ROUTE, RTNLGRP_LINK), of_links),
        (Sockets::open(NETLINK_GENERIC, driver.group), of_the_team),
    ]
}

/// Switches to an unprivileged user.
fn drop_privileges() {
    let unprivileged = Uid::from_raw(65534);
    setresuid(unprivileged, unprivileged, unprivileged).unwrap();
}

/// Sends every spoofed message to every socket, by unicast to each and once by multicast, and
/// checks the results.
fn send_all(unicast_fails: ErrorKind, multicast_arrives: bool) {
    let mut found = 0;
    for (sockets, messages) in spoofed_messages() {
        let targets = sockets.targets();
        found += targets.len();
        for message in messages {
            for &port in &targets {
                assert_eq!(sockets.unicast(&message, port).unwrap_err().kind(), unicast_fails);
            }
            let sent = sockets.multicast(&message);
            assert_eq!(
                (sent.is_ok(), sockets.has_received_spoofed()),
                (multicast_arrives, multicast_arrives),
                "result of a unicast: {sent:?}"
            );
        }
    }
    assert_eq!(found.to_string(), env::var(SOCKETS).unwrap(), "sockets of the parent process");
}

#[test]
#[ignore = "started by the tests of spoofing in a process of its own"]
fn spoofs_once() {
    if !is_spoofing_process() {
        return;
    }
    send_all(ErrorKind::ConnectionRefused, true);
}

#[test]
#[ignore = "started by the tests of spoofing in a process of its own"]
fn spoofs_without_privileges() {
    if !is_spoofing_process() {
        return;
    }
    drop_privileges();
    send_all(ErrorKind::PermissionDenied, false);
}

#[test]
#[ignore = "started by the tests of spoofing in a process of its own"]
fn spoofs_until_killed() {
    if !is_spoofing_process() {
        return;
    }
    let forgeries = spoofed_messages();
    println!("{STARTED}");
    loop {
        for (sockets, messages) in &forgeries {
            let targets = sockets.targets();
            for message in messages {
                // A send may fail at the receiver, and the process's own receiver need not get each
                // message.
                let _ = sockets.multicast(message);
                for port in &targets {
                    drop(sockets.unicast(message, *port));
                }
            }
        }
        // If the machine has one processor, the other processes need most of its time.
        thread::sleep(PAUSE);
    }
}

/// Opens a listener that never reads, and makes the kernel report its losses to senders.
fn full_listener(protocol: isize, group: u32) -> Socket {
    let socket = bound(protocol);
    setsockopt(&socket, sockopt::RcvBuf, &0).unwrap();
    socket.set_broadcast_error(true).unwrap();
    socket.add_membership(group).unwrap();
    socket
}

#[test]
#[ignore = "started by the tests of spoofing in a process of its own"]
fn overruns_sockets_until_killed() {
    if !is_spoofing_process() {
        return;
    }
    drop_privileges();
    let group = Driver::query(&bound(NETLINK_GENERIC)).group;
    let _deaf = [(NETLINK_ROUTE, RTNLGRP_LINK), (NETLINK_GENERIC, group)]
        .map(|(protocol, group)| [0; 4].map(|_| full_listener(protocol, group)));
    // The port id that the kernel would give to the parent's next socket of each protocol.
    let _taken = [NETLINK_ROUTE, NETLINK_GENERIC].map(|protocol| {
        let mut socket = Socket::new(protocol).unwrap();
        socket.bind(&SocketAddr::new(parent_id(), 0)).map(|()| socket)
    });
    let dump = message(RTM_GETLINK, NLM_F_DUMP, 1, &[0; 16]);
    let (family, kernel) = (genl_family::request(), SocketAddr::new(0, 0));
    println!("{STARTED}");
    loop {
        // Requests whose replies are never read.
        for (protocol, question) in [(NETLINK_ROUTE, &dump), (NETLINK_GENERIC, &family)] {
            let socket = bound(protocol);
            for _ in 0..100 {
                let _ = socket.send_to(question, &kernel, 0);
            }
        }
        thread::sleep(PAUSE);
    }
}
