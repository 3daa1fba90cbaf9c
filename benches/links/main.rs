//! Lists links on the running kernel, compared with libnl-route: `cargo bench --bench links`.
//!
//! It needs no team driver, so that the runner takes the running kernel if that allows network
//! namespaces, else the test kernel.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../common/c_library.rs"]
mod c_library;
#[path = "../common/netlink.rs"]
#[allow(dead_code, reason = "shared with the other benchmark, which uses the other items")]
mod netlink;
#[path = "../../tests/kernel/support/netns.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use the other items"
)]
mod netns;
#[path = "../common/receive.rs"]
mod receive;
#[path = "../common/sample.rs"]
#[allow(dead_code, reason = "shared with the other benchmark, which uses the other items")]
mod sample;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "shared with the other benchmark, which uses the other items")]
mod table;

use std::fs;
use std::process::ExitCode;

use libteam::rtnl::{LinkFilter, RtnlSocket};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use c_library::CLibrary;
use sample::timed;
use table::{Bar, Compared, Table};

const RTM_GETLINK: u16 = 18;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_DONE: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const SKIP_STATS: u32 = 8;

const LINKS: usize = 1_000;
const ROUNDS: usize = 15;
/// The number of dumps of each program per round.
const TURNS: usize = 10;

fn main() -> ExitCode {
    let c_library = CLibrary::build("links", &["libnl-route-3.so.200", "libnl-3.so.200"]);
    netns::enter();
    let pairs: Vec<String> = (0..LINKS / 2)
        .map(|pair| format!("link add a{pair} type veth peer name b{pair}"))
        .collect();
    netns::ip_batch(&pairs);
    let mut rtnl = RtnlSocket::new().unwrap();
    let count = rtnl.links(&LinkFilter::new()).unwrap().items().len();
    assert!(count > LINKS, "{count} links, expected more than {LINKS}");
    let (limit, mut buffer) = (Limit::new(), receive::buffer());
    let mut times = Compared::default();
    for _ in 0..ROUNDS {
        for _ in 0..TURNS {
            times.ours.add(timed(|| rtnl.links(&LinkFilter::new()).unwrap()).0);
            times.limit.add(timed(|| limit.dump(&mut buffer)).0);
        }
        // The first dump of a process has additional costs.
        let words = [count.to_string(), (TURNS + 1).to_string()];
        c_library.run(&words).into_iter().skip(1).for_each(|time| times.c_library.add(time));
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut table = Table::default();
    let what = format!("RtnlSocket::links, of {LINKS} veth links, on Linux {}", kernel.trim());
    table.compare(&what, 0, &times, Bar::None, Bar::AtLeast(2.0));
    println!("{table}");
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sends the same request and discards the reply: the cost of the kernel alone.
struct Limit {
    socket: Socket,
    request: Vec<u8>,
}

impl Limit {
    fn new() -> Self {
        let socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.connect(&SocketAddr::new(0, 0)).unwrap();
        socket.set_netlink_get_strict_chk(true).unwrap();
        let body = [netlink::link(0), netlink::attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes())]
            .concat();
        Self { socket, request: netlink::request(RTM_GETLINK, NLM_F_DUMP, &body) }
    }

    fn dump(&self, buffer: &mut [u8]) {
        self.socket.send(&self.request, 0).unwrap();
        let mut ends = 0;
        while ends == 0 {
            let lengths = receive::receive(&self.socket, buffer).unwrap();
            let datagrams = lengths.into_iter().zip(buffer.chunks(receive::SLOT));
            ends += datagrams
                .map(|(length, slot)| receive::count(slot.get(..length).unwrap(), NLMSG_DONE).1)
                .sum::<usize>();
        }
    }
}
