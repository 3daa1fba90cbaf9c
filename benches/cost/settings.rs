//! All 256 hashes led to a port at once.

use std::thread;

use libteam::{IfIndex, LinkScope, Mode, OptionId, OptionValue};

use crate::c_library::CLibrary;
use crate::count;
use crate::limit::{Listener, Requests, Sockets, driver};
use crate::netns::enter;
use crate::sample::timed;
use crate::scene::{builder, settle, team};
use crate::table::{Bar, Compared, Row, Table};

const ROUNDS: usize = 15;

pub(crate) fn measure(c_library: &CLibrary, table: &mut Table) {
    // The namespace goes with its thread.
    thread::scope(|scope| scope.spawn(|| in_own_namespace(c_library, table)).join())
        .expect("it ran to its end");
}

fn in_own_namespace(c_library: &CLibrary, table: &mut Table) {
    enter();
    let (ifindex, ports) = team("team0", Mode::LoadBalance);
    settle();
    let port = *ports.first().unwrap();
    let (family, group) = driver();
    let mut requests = Requests::of_hashes(ifindex, port, family);
    let sockets = Sockets::new();
    let mut sends = Vec::new();
    let row = Row {
        what: "256 hash-to-port settings".to_owned(),
        links: 0,
        limit: Bar::None,
        c_library: Bar::AtLeast(2.0),
    };
    table.compare(&row, || {
        let mut times = Compared::default();
        for _ in 0..ROUNDS {
            let mut handle = builder(LinkScope::Team).open_index(ifindex).unwrap();
            times.ours.add(timed(|| handle.set_options(hashes(port)).unwrap()).0);
            sends.push(count::traffic_of(|| handle.set_options(hashes(port)).unwrap()).sends);
            drop(handle);
            // The driver refuses a setting whose notification has no listener.
            let _listener = Listener::of_driver(group);
            times.limit.add(timed(|| requests.exchange(&sockets)).0);
            let words = [ifindex.to_string(), "open".to_owned(), format!("set:{port}")];
            times.c_library.add(c_library.run(&words).remove(1));
        }
        times
    });
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
