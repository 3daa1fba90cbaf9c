//! Namespaces, and `ip` inside them.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use nix::sched::{CloneFlags, unshare};

use super::library::Library;

/// Runs a scenario with each library, side by side, each in a network namespace and with a
/// `/run/teamd` of its own. Returns the outcomes, that of Debian's library first.
pub(crate) fn on_both<T: Send>(scenario: impl Fn(Library) -> T + Sync) -> [T; 2] {
    let scenario = &scenario;
    thread::scope(|scope| {
        Library::BOTH
            .map(|library| {
                scope.spawn(move || {
                    enter();
                    scenario(library)
                })
            })
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Runs a scenario with each library, one after the other: for measurements.
pub(crate) fn on_each<T: Send>(scenario: impl Fn(Library) -> T + Sync) -> [T; 2] {
    let scenario = &scenario;
    Library::BOTH.map(|library| {
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    enter();
                    scenario(library)
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Moves the calling thread into new network and mount namespaces, which last as long as the
/// thread and what it started.
pub(crate) fn enter() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)
        .expect("new namespaces require CAP_SYS_ADMIN");
    run("mount --make-rprivate /");
    run("mkdir -p /run/teamd");
    run("mount -t tmpfs tmpfs /run/teamd");
    ip("link set lo up");
}

/// Runs a command, whose words are separated by spaces, and returns what it prints; panics if it
/// fails.
pub(crate) fn run(command: &str) -> String {
    let output = attempt(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {stderr}");
    String::from_utf8(output.stdout).expect("programs print text")
}

/// Runs a command and returns how it ended.
pub(crate) fn attempt(command: &str) -> Output {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a command has a first word");
    Command::new(program).args(words).output().unwrap_or_else(|error| {
        panic!("{command}: {error} (ip is in the package iproute2, mount in mount)")
    })
}

/// Runs `ip` with these words and returns what it prints; panics if it fails.
pub(crate) fn ip(words: &str) -> String {
    run(&format!("ip {words}"))
}

/// Runs `ip` once for many commands; panics at the first that fails.
pub(crate) fn ip_batch(commands: &str) {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "ip -batch:\n{commands}");
}

/// Creates veth pairs `vN`, with index 10 + N, and `pN`, which is up: `vN` is ready to become a
/// port. Their addresses are the same in every namespace.
pub(crate) fn cables(count: u32) {
    let pair = |number: u32| {
        let index = 10 + number;
        format!(
            "link add v{number} index {index} address 02:00:00:00:01:{number:02x} type veth peer name p{number} \
             address 02:00:00:00:02:{number:02x}\nlink set p{number} up\n"
        )
    };
    ip_batch(&(0..count).map(pair).collect::<String>());
}
