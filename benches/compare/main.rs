//! Listing links and receiving their events against the crates `rtnetlink` and `nlink`, which work
//! on tokio: `cargo bench --manifest-path benches/compare/Cargo.toml`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../common/c_library.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod c_library;
#[path = "../common/links.rs"]
mod links;
#[path = "../common/netlink.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod netlink;
#[path = "../../tests/kernel/support/netns.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod netns;
#[path = "../../tests/kernel/support/raw.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the tests, which use all of it"
)]
mod raw;
#[path = "../common/receive.rs"]
mod receive;
#[path = "../common/sample.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod sample;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "shared with the other benchmarks, which use all of it")]
mod table;

use std::process::ExitCode;

use futures_util::{StreamExt as _, TryStreamExt as _};
use nlink::netlink::OwnedEventStream;
use nlink::netlink::{Connection, NetworkEvent, Route, RtnetlinkGroup};
use rtnetlink::packet_core::NetlinkMessage;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{AsyncSocket as _, SocketAddr};
use tokio::runtime::{Builder, Runtime};

use links::Other;

/// `RTMGRP_LINK`, the group as a bit.
const LINK_GROUPS: u32 = 1;

fn main() -> ExitCode {
    let table = links::measure(|| vec![Box::new(OfRtnetlink::new()), Box::new(OfNlink::new())]);
    println!("{table}");
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

type Messages =
    futures_channel::mpsc::UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

struct OfRtnetlink {
    runtime: Runtime,
    handle: rtnetlink::Handle,
    events: Option<Messages>,
}

impl OfRtnetlink {
    fn new() -> Self {
        let runtime = runtime();
        let (connection, handle, _) =
            runtime.block_on(async { rtnetlink::new_connection() }).unwrap();
        runtime.spawn(connection);
        Self { runtime, handle, events: None }
    }
}

impl Other for OfRtnetlink {
    fn name(&self) -> &'static str {
        "rtnetlink"
    }

    fn list(&mut self) -> usize {
        let links = self.handle.link().get().execute();
        self.runtime.block_on(links.try_collect::<Vec<_>>()).unwrap().len()
    }

    fn subscribe(&mut self) {
        let (mut connection, _, messages) =
            self.runtime.block_on(async { rtnetlink::new_connection() }).unwrap();
        connection.socket_mut().socket_mut().bind(&SocketAddr::new(0, LINK_GROUPS)).unwrap();
        self.runtime.spawn(connection);
        self.events = Some(messages);
    }

    fn receive(&mut self, events: u32) {
        let messages = self.events.as_mut().unwrap();
        self.runtime.block_on(async {
            for _ in 0..events {
                messages.next().await.unwrap();
            }
        });
    }
}

struct OfNlink {
    runtime: Runtime,
    connection: Connection<Route>,
    events: Option<OwnedEventStream<Route>>,
}

impl OfNlink {
    fn new() -> Self {
        let runtime = runtime();
        let connection = runtime.block_on(async { Connection::<Route>::new() }).unwrap();
        Self { runtime, connection, events: None }
    }
}

impl Other for OfNlink {
    fn name(&self) -> &'static str {
        "nlink"
    }

    fn list(&mut self) -> usize {
        self.runtime.block_on(self.connection.get_links()).unwrap().len()
    }

    fn subscribe(&mut self) {
        self.events = Some(self.runtime.block_on(async {
            let connection = Connection::<Route>::new().unwrap();
            connection.subscribe(&[RtnetlinkGroup::Link]).unwrap();
            connection.into_events().await
        }));
    }

    fn receive(&mut self, events: u32) {
        let stream = self.events.as_mut().unwrap();
        self.runtime.block_on(async {
            for _ in 0..events {
                let event = stream.next().await.unwrap().unwrap();
                assert!(matches!(event, NetworkEvent::NewLink(_)));
            }
        });
    }
}
