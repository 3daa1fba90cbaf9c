//! All 256 hashes mapped to a port at once.

use std::thread;

use libteam::{IfIndex, LinkScope, Mode, OptionId, OptionValue};

use crate::c_library::CLibrary;
use crate::count;
use crate::limit::{Listener, Requests, Sockets, driver};
use crate::netns::enter;
use crate::sample::timed;
use crate::scene::{builder, settle, team};
use crate::table::{Bar, Compared, Table};

const ROUNDS: usize = 15;

pub(crate) fn measure(c_library: &CLibrary, table: &mut Table) {
    // The namespace exists until its thread ends.
    thread::scope(|scope| scope.spawn(|| in_own_namespace(c_library, table)).join())
        .expect("the thread returns");
}

fn in_own_namespace(c_library: &CLibrary, table: &mut Table) {
    enter();
    let (ifindex, ports) = team("team0", Mode::LoadBalance);
    settle();
    let port = *ports.first().unwrap();
    let (family, group) = driver();
    let mut requests = Requests::of_hashes(ifindex, port, family);
    let sockets = Sockets::new();
    let mut times = Compared::default();
    let mut sends = Vec::new();
    for _ in 0..ROUNDS {
        let mut handle = builder(LinkScope::Team).open_index(ifindex).unwrap();
        times.ours.add(timed(|| handle.set_options(hashes(port)).unwrap()).0);
        sends.push(count::traffic_of(|| handle.set_options(hashes(port)).unwrap()).sends);
        drop(handle);
        // Without a listener the driver replies with an error.
        let _listener = Listener::of_driver(group);
        times.limit.add(timed(|| requests.exchange(&sockets)).0);
        let words = [ifindex.to_string(), "open".to_owned(), format!("set:{port}")];
        times.c_library.add(c_library.run(&words).remove(1));
    }
    table.compare("256 hash-to-port settings", 0, &times, Bar::None, Bar::AtLeast(2.0));
    let once = sends.iter().all(|sends| *sends == 1);
    table.fact(
        "256 hash-to-port settings: system calls that send",
        &format!("{}", sends.iter().max().unwrap()),
        once,
    );
}

fn hashes(port: IfIndex) -> impl Iterator<Item = (OptionId, OptionValue)> {
    (0..256)
        .map(move |hash| (OptionId::element("lb_tx_hash_to_port_mapping", hash), port.get().into()))
}
