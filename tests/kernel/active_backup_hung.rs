//! The example `active_backup` while another instance hangs, was killed, or starts at the same
//! time.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::daemon::{Daemon, two_ports, veth_pairs, wait_until};
use crate::support::netns::{enter, ip};
use crate::support::programs::example;
use crate::support::timeouts::timeout;

/// The daemon's own timeout, plus the time to start on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Starts the example with the socket and the configuration of this directory.
fn start(directory: &Path, words: &[&str]) -> Child {
    let mut command = Command::new(example("active_backup"));
    command.args(words).arg("--socket").arg(directory.join("socket")).arg(directory.join("config"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the daemon ends, and returns its exit code and its output. Panics if it does not end
/// within the limit.
#[track_caller]
fn outcome(mut child: Child, limit: Duration) -> (Option<i32>, String) {
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the daemon has not ended after {limit:?}");
        }
        sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    child.stderr.unwrap().read_to_string(&mut text).unwrap();
    (status.code(), text)
}

#[test]
fn hung_daemon_blocks_neither_status_nor_start() {
    enter();
    veth_pairs(1);
    let daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    daemon.signal(Signal::SIGSTOP);
    let socket = daemon.directory().join("socket");

    // The kernel accepts the connection; the daemon does not reply.
    let (code, text) = outcome(start(daemon.directory(), &["--status"]), LIMIT);
    let expected = format!("active_backup: the daemon at {} does not answer", socket.display());
    assert!(
        code == Some(1) && text.starts_with(&expected),
        "status and output of --status: {code:?} {text}"
    );

    let address = SockAddr::unix(&socket).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&address) {
            Ok(()) => waiting.push(client),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    for words in [&["--status"][..], &["--status", "--json"]] {
        let (code, text) = outcome(start(daemon.directory(), words), LIMIT);
        let expected = format!("{expected} within 10s\n");
        assert_eq!(
            (code, &*text),
            (Some(1), &*expected),
            "with {} waiting connections",
            waiting.len()
        );
    }
    let (code, text) = outcome(start(daemon.directory(), &[]), LIMIT);
    let expected = format!("active_backup: {}: another daemon is running\n", socket.display());
    assert_eq!((code, &*text), (Some(1), &*expected));

    drop(waiting);
    daemon.signal(Signal::SIGCONT);
    daemon.until_active("eth1");
}

#[test]
fn sighup_does_not_end_the_daemon() {
    enter();
    veth_pairs(1);
    let mut daemon = Daemon::start(&two_ports());
    daemon.until_active("eth1");
    for _ in 0..2 {
        daemon.signal(Signal::SIGHUP);
        sleep(Duration::from_millis(200));
        assert_eq!(daemon.status()["active"], "eth1");
    }
    assert_eq!(daemon.end(Signal::SIGQUIT).code(), Some(0));
}

#[test]
fn concurrent_starts_leave_one_daemon_running() {
    enter();
    veth_pairs(1);
    for _ in 0..5 {
        let mut first = Daemon::start(&two_ports());
        first.end(Signal::SIGKILL);
        let mut started: Vec<Child> = (0..8).map(|_| start(first.directory(), &[])).collect();
        let deadline = Instant::now() + timeout();
        while started.len() > 1 {
            assert!(Instant::now() < deadline, "{} daemons are running", started.len());
            started.retain_mut(|child| child.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(10));
        }
        let mut last = started.pop().unwrap();
        first.until_active("eth1");
        assert!(last.try_wait().unwrap().is_none(), "the last daemon has ended");
        last.kill().unwrap();
        last.wait().unwrap();
    }
}

#[test]
fn daemon_without_the_lock_does_not_start() {
    enter();
    veth_pairs(1);
    let mut first = Daemon::start(&two_ports());
    first.end(Signal::SIGKILL);
    let file = File::options()
        .create(true)
        .append(true)
        .open(first.directory().join("socket.lock"))
        .unwrap();
    let lock =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).expect("a killed daemon holds no lock");
    let (code, text) = outcome(start(first.directory(), &[]), LIMIT);
    let expected = format!(
        "active_backup: {}: another daemon is running\n",
        first.directory().join("socket").display()
    );
    assert_eq!((code, &*text), (Some(1), &*expected));
    drop(lock);
}

#[test]
fn hung_log_reader_delays_nothing() {
    enter();
    veth_pairs(2);
    let mut first = Daemon::start(&two_ports());
    first.end(Signal::SIGTERM);
    // A pipe holds 64 KiB, pipe(7).
    let (_reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'x'; 1 << 16]).unwrap();
    let mut command = Command::new(example("active_backup"));
    command
        .arg("--socket")
        .arg(first.directory().join("socket"))
        .arg(first.directory().join("config"));
    let mut child = command.stderr(writer).spawn().unwrap();
    wait_until("the daemon listens", || {
        UnixStream::connect(first.directory().join("socket")).is_ok()
    });
    first.until_active("eth1");
    first.until_port("eth2", "up");
    ip("link set far1 down");
    first.until_active("eth2");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the daemon does not end");
        sleep(Duration::from_millis(10));
    }
}
