//! Dumps of thousands of links while another process creates and deletes links.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libteam::Error;
use libteam::netlink::{Dump, InterruptedDump, SocketBuilder};
use libteam::rtnl::{LinkFilter, LinkInfo, RtnlSocket};

use crate::support::netns::{enter, ip_batch};

const LINKS: usize = 3000;

/// A shell that creates and deletes links, with pauses, until this is dropped.
struct Churn(Child);

impl Churn {
    fn start(pause: Duration) -> Self {
        let pause = pause.as_secs_f64();
        let batch = "for i in 1 2 3 4 5; do echo link add churn$i type dummy; done; \
                     for i in 1 2 3 4 5; do echo link del churn$i; done";
        let script = format!(
            "while read -t {pause:.3} line; [ $? -gt 128 ]; do {{ {batch}; }} | ip -batch -; done"
        );
        // The shell ends with this process, which closes its input.
        let mut command = Command::new("bash");
        let child = command.args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("sh starts");
        Self(child)
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("the shell has a status");
    }
}

fn rtnl(attempts: u32, policy: InterruptedDump) -> RtnlSocket {
    let attempts = NonZeroU32::new(attempts).unwrap();
    SocketBuilder::new().dump_attempts(attempts).interrupted_dump(policy).rtnl().unwrap()
}

/// Panics unless a dump that is marked as consistent has every permanent link, once.
fn assert_complete(links: &Dump<LinkInfo>) {
    let names: Vec<_> = links.items().iter().map(LinkInfo::name).collect();
    let stable: HashSet<_> = names.iter().filter(|name| name.starts_with("stable")).collect();
    assert_eq!(stable.len(), LINKS, "permanent links among {} links", names.len());
    let distinct: HashSet<_> = links.items().iter().map(LinkInfo::ifindex).collect();
    assert_eq!(distinct.len(), links.items().len(), "distinct links, and links of the dump");
}

/// The results of a number of dumps.
#[derive(Debug, Default)]
struct Tally {
    at_once: u32,
    repeated: u32,
    inconsistent: u32,
    failed: u32,
}

impl Tally {
    /// Dumps until both expected results were seen, up to a time limit.
    fn until(mut rtnl: RtnlSocket, attempts: u32, seen: impl Fn(&Self) -> bool) -> Self {
        let mut tally = Self::default();
        for _ in 0..400 {
            match rtnl.links(&LinkFilter::new()) {
                Ok(links) => {
                    assert!(
                        (1..=attempts).contains(&links.attempts()),
                        "{} attempts",
                        links.attempts()
                    );
                    match (links.is_consistent(), links.attempts()) {
                        (true, 1) => tally.at_once += 1,
                        (true, _) => tally.repeated += 1,
                        (false, made) => {
                            assert_eq!(made, attempts, "attempts of an inconsistent dump");
                            tally.inconsistent += 1;
                        }
                    }
                    if links.is_consistent() {
                        assert_complete(&links);
                    }
                }
                Err(Error::Interrupted { attempts: made, .. }) => {
                    assert_eq!(made, attempts);
                    tally.failed += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
            if seen(&tally) {
                return tally;
            }
        }
        panic!("the expected results were not seen: {tally:?}");
    }
}

#[test]
fn consistent_dump_has_every_permanent_link() {
    enter();
    let commands: Vec<_> =
        (0..LINKS).map(|number| format!("link add stable{number} type dummy")).collect();
    ip_batch(&commands);
    {
        // A few times the duration of a dump here: some dumps fit into the pause, some do not.
        let start = Instant::now();
        assert_complete(&rtnl(1, InterruptedDump::Fail).links(&LinkFilter::new()).unwrap());
        let _churn = Churn::start(3 * start.elapsed());
        let tally = Tally::until(rtnl(5, InterruptedDump::Keep), 5, |tally| {
            tally.at_once >= 10 && tally.repeated >= 3
        });
        assert_eq!(tally.failed, 0, "{tally:?}");
        eprintln!("with pauses: {tally:?}");
    }
    let _churn = Churn::start(Duration::from_millis(1));
    let tally = Tally::until(rtnl(1, InterruptedDump::Keep), 1, |tally| tally.inconsistent >= 10);
    assert_eq!((tally.repeated, tally.failed), (0, 0), "{tally:?}");
    eprintln!("one attempt, kept: {tally:?}");
    let tally = Tally::until(rtnl(2, InterruptedDump::Keep), 2, |tally| tally.inconsistent >= 3);
    eprintln!("two attempts, kept: {tally:?}");
    let tally = Tally::until(rtnl(2, InterruptedDump::Fail), 2, |tally| tally.failed >= 3);
    assert_eq!(tally.inconsistent, 0, "{tally:?}");
    eprintln!("two attempts, or fail: {tally:?}");
}
