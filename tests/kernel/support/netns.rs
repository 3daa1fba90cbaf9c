//! A network namespace for each test, and `ip` in it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use libteam::IfIndex;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde_json::Value;

const IP_STARTS: &str = "ip of Debian's package iproute2 starts";

/// Moves the calling thread, which belongs to one test, into a new network namespace. The namespace
/// exists until the thread and everything that it started has ended.
pub(crate) fn enter() {
    unshare(CloneFlags::CLONE_NEWNET).expect("unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN");
    ip("link set lo up");
}

/// Opens the network namespace of the calling thread.
pub(crate) fn own_namespace() -> File {
    File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
}

/// Runs `ip` with these words and returns what it prints; panics if it fails.
pub(crate) fn ip(words: &str) -> String {
    let output = run_ip(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words} failed: {stderr}");
    String::from_utf8(output.stdout).expect("ip prints text")
}

/// Runs `ip` with these words, and returns its output and exit status.
pub(crate) fn run_ip(words: &str) -> Output {
    Command::new("ip").args(words.split_whitespace()).output().expect(IP_STARTS)
}

/// Runs `ip -j` with these words and returns its list.
pub(crate) fn ip_json(words: &str) -> Vec<Value> {
    let text = ip(&format!("-j {words}"));
    // ip prints nothing instead of an empty list.
    if text.trim().is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(&text).expect("ip -j prints a list")
    }
}

/// Creates a veth pair whose far end is up, so that `name` can become a port.
pub(crate) fn veth(name: &str, peer: &str) {
    ip(&format!("link add {name} type veth peer name {peer}"));
    ip(&format!("link set {peer} up"));
}

/// Creates dummy devices.
pub(crate) fn dummies(names: &[&str]) {
    let commands: Vec<String> =
        names.iter().map(|name| format!("link add {name} type dummy")).collect();
    ip_batch(&commands);
}

/// Runs `ip` once for many commands; panics at the first that fails.
pub(crate) fn ip_batch<S: AsRef<str>>(commands: &[S]) {
    let lines: String = commands.iter().flat_map(|command| [command.as_ref(), "\n"]).collect();
    let mut ip =
        Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect(IP_STARTS);
    ip.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "ip -batch:\n{lines}");
}

/// Returns the index of a link.
pub(crate) fn index(name: &str) -> IfIndex {
    IfIndex::new(if_nametoindex(name).expect("the link exists")).expect("an index is not 0")
}

/// Runs a function on the calling thread without one of its capabilities.
pub(crate) fn without(capability: CapabilitySet, run: impl FnOnce()) {
    let all = capabilities(None).unwrap();
    let mut fewer = all;
    fewer.effective.remove(capability);
    set_capabilities(None, fewer).unwrap();
    run();
    set_capabilities(None, all).unwrap();
}

/// A second network namespace: that of a thread, which lasts until this is dropped.
pub(crate) struct OtherNamespace {
    thread: String,
    work: Sender<Box<dyn FnOnce() + Send>>,
}

impl OtherNamespace {
    pub(crate) fn new() -> Self {
        let (work, to_do) = channel::<Box<dyn FnOnce() + Send>>();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN");
            sender.send(own_thread()).unwrap();
            for work in to_do {
                work();
            }
        });
        Self { thread: receiver.recv().expect("the thread has a namespace"), work }
    }

    /// Moves a link to the other namespace.
    pub(crate) fn take(&self, link: &str) {
        ip(&format!("link set {link} netns {}", self.thread));
    }

    /// Moves a link from the other namespace to that of the caller.
    pub(crate) fn give_back(&self, link: &str) {
        let command = format!("link set {link} netns {}", own_thread());
        self.run(move || ip(&command));
    }

    /// Runs a function in the other namespace.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, until_done) = channel();
        self.work.send(Box::new(move || done.send(work()).unwrap())).unwrap();
        until_done.recv().expect("the function in the other namespace returns")
    }
}

/// A network namespace with a name, like one of `ip netns add`; it is deleted when this is dropped.
pub(crate) struct NamedNamespace {
    name: &'static str,
}

impl NamedNamespace {
    /// Creates the namespace. No other test may use its name.
    pub(crate) fn new(name: &'static str) -> Self {
        ip(&format!("netns add {name}"));
        Self { name }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the file of the namespace.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(self.name)
    }

    /// Returns the index of a link in the namespace.
    pub(crate) fn index(&self, link: &str) -> IfIndex {
        let printed = ip_json(&format!("-n {} link show dev {link}", self.name)).remove(0);
        let number = printed["ifindex"].as_u64().and_then(|number| u32::try_from(number).ok());
        number.and_then(IfIndex::new).expect("ip prints the index")
    }

    /// Moves a link from the namespace to that of the caller.
    pub(crate) fn give_back(&self, link: &str) {
        ip(&format!("-n {} link set {link} netns {}", self.name, own_thread()));
    }
}

impl Drop for NamedNamespace {
    fn drop(&mut self) {
        run_ip(&format!("netns del {}", self.name));
    }
}

/// Returns the id of the calling thread, by which `ip` finds its namespace.
fn own_thread() -> String {
    let path = fs::read_link("/proc/thread-self").expect("/proc is mounted");
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
