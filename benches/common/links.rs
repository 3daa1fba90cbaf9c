//! Listing links and receiving their events, on the kernel that the machine runs: this crate, the
//! limit, which sends the same request and discards what it receives, libnl-route and others.

use std::fs;

use libteam::IfIndex;
use libteam::link_events::{LinkEvent, LinkEvents};
use libteam::rtnl::{LinkFilter, RtnlSocket};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::c_library::CLibrary;
use crate::netlink;
use crate::netns;
use crate::raw::Raw;
use crate::receive;
use crate::sample::{Samples, timed};
use crate::table::{Bar, Compared, Row, Table};

const RTM_GETLINK: u16 = 18;
const RTNLGRP_LINK: u32 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_DONE: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const SKIP_STATS: u32 = 8;

const LINKS: [u32; 2] = [1_000, 10_000];
const ROUNDS: usize = 15;
/// How often each contender lists the links in a round.
const TURNS: usize = 5;

/// How many events are received in all, and how many at once: as many as fit the default receive
/// buffer of a socket.
const EVENTS: u32 = 10_000;
const AT_ONCE: u32 = 50;

/// Another crate that lists links and receives their events.
pub(crate) trait Other {
    fn name(&self) -> &'static str;
    /// Lists all links; returns their number.
    fn list(&mut self) -> usize;
    /// Begins to receive events.
    fn subscribe(&mut self);
    /// Receives so many events that wait.
    fn receive(&mut self, events: u32);
}

/// Measures all contenders.
pub(crate) fn measure(mut others: impl FnMut() -> Vec<Box<dyn Other>>) -> Table {
    let c_library = CLibrary::build("links", &["libnl-route-3.so.200", "libnl-3.so.200"]);
    netns::enter();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    println!("On Linux {}:\n", kernel.trim());
    let mut others = others();
    let names: Vec<&str> = others.iter().map(|other| other.name()).collect();
    let mut table = Table::with("links", "libnl-route", &names);
    let mut made = 0;
    for links in LINKS {
        add_links(made, links);
        made = links;
        list(links, &c_library, &mut others, &mut table);
        if links == LINKS[0] {
            receive_events(&c_library, &mut others, &mut table);
        }
    }
    table
}

fn add_links(made: u32, links: u32) {
    let pairs: Vec<String> = (made / 2..links / 2)
        .map(|pair| format!("link add a{pair} type veth peer name b{pair}"))
        .collect();
    netns::ip_batch(&pairs);
}

fn list(links: u32, c_library: &CLibrary, others: &mut [Box<dyn Other>], table: &mut Table) {
    let mut rtnl = RtnlSocket::new().unwrap();
    let count = rtnl.links(&LinkFilter::new()).unwrap().items().len();
    assert!(count > usize::try_from(links).unwrap(), "{count} links");
    let (limit, mut buffer) = (Limit::of_requests(), receive::buffer());
    let rounds = if links > 1_000 { ROUNDS / 5 } else { ROUNDS };
    let row = Row {
        what: "RtnlSocket::links, of veth links".to_owned(),
        links,
        limit: Bar::AtMost(1.15),
        c_library: Bar::None,
    };
    table.compare(&row, || {
        let mut times = Compared::default();
        times.others.resize_with(others.len(), Default::default);
        for _ in 0..rounds {
            for _ in 0..TURNS {
                times.ours.add(timed(|| rtnl.links(&LinkFilter::new()).unwrap()).0);
                times.limit.add(timed(|| limit.dump(&mut buffer)).0);
                for (other, times) in others.iter_mut().zip(&mut times.others) {
                    let (time, listed) = timed(|| other.list());
                    assert_eq!(listed, count, "{}", other.name());
                    times.add(time);
                }
            }
            // The first time of a process includes more than the list.
            let words = ["list".to_owned(), count.to_string(), (TURNS + 1).to_string()];
            c_library.run(&words).into_iter().skip(1).for_each(|time| times.c_library.add(time));
        }
        times
    });
}

/// Renames a link while the contenders do not read, then lets them receive the events one after the
/// other.
fn receive_events(c_library: &CLibrary, others: &mut [Box<dyn Other>], table: &mut Table) {
    let link = netns::index("a0");
    let row = Row {
        what: format!("LinkEvents: an event, {EVENTS} received, {AT_ONCE} at once"),
        links: LINKS[0],
        limit: Bar::None,
        c_library: Bar::None,
    };
    // The C program makes events of its own: before the others listen.
    let words = [link.get(), EVENTS, AT_ONCE].map(|word| word.to_string());
    let words: Vec<String> = ["events".to_owned()].into_iter().chain(words).collect();
    let mut of_c = Samples::default();
    c_library.run(&words).into_iter().for_each(|time| of_c.add(time / AT_ONCE));
    let mut ours = LinkEvents::new().unwrap();
    let (limit, mut buffer) = (Limit::of_events(), receive::buffer());
    for other in &mut *others {
        other.subscribe();
    }
    table.compare(&row, || {
        let mut times = Compared { c_library: of_c.clone(), ..Compared::default() };
        times.others.resize_with(others.len(), Default::default);
        for _ in 0..EVENTS / AT_ONCE {
            rename(link, AT_ONCE);
            let receive_ours =
                || (0..AT_ONCE).for_each(|_| check(ours.try_next().unwrap().as_ref()));
            times.ours.add(timed(receive_ours).0 / AT_ONCE);
            times.limit.add(timed(|| limit.receive(AT_ONCE, &mut buffer)).0 / AT_ONCE);
            for (other, times) in others.iter_mut().zip(&mut times.others) {
                times.add(timed(|| other.receive(AT_ONCE)).0 / AT_ONCE);
            }
        }
        times
    });
}

fn check(event: Option<&LinkEvent>) {
    assert!(matches!(event, Some(LinkEvent::Changed { .. })), "{event:?}");
}

/// Gives a link a new name so many times, an even number: then it has its own name again.
fn rename(link: IfIndex, times: u32) {
    let mut raw = Raw::new();
    for number in 0..times {
        raw.rename(link, if number % 2 == 0 { "renamed" } else { "a0" }).unwrap();
    }
}

/// The same requests, and all that is received discarded: what the kernel takes.
struct Limit {
    socket: Socket,
    request: Vec<u8>,
}

impl Limit {
    fn of_requests() -> Self {
        let socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.connect(&SocketAddr::new(0, 0)).unwrap();
        socket.set_netlink_get_strict_chk(true).unwrap();
        let body = [netlink::link(0), netlink::attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes())]
            .concat();
        Self { socket, request: netlink::request(RTM_GETLINK, NLM_F_DUMP, &body) }
    }

    fn of_events() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.bind_auto().unwrap();
        socket.add_membership(RTNLGRP_LINK).unwrap();
        Self { socket, request: Vec::new() }
    }

    fn dump(&self, buffer: &mut [u8]) {
        self.socket.send(&self.request, 0).unwrap();
        let mut ends = 0;
        while ends == 0 {
            let lengths = receive::receive(&self.socket, buffer).unwrap();
            let datagrams = lengths.into_iter().zip(buffer.chunks(receive::SLOT));
            ends += datagrams
                .map(|(length, slot)| receive::look(slot.get(..length).unwrap(), NLMSG_DONE).1)
                .sum::<usize>();
        }
    }

    fn receive(&self, events: u32, buffer: &mut [u8]) {
        let mut left = usize::try_from(events).unwrap();
        while left > 0 {
            left -= receive::receive(&self.socket, buffer).unwrap().len();
        }
    }
}
