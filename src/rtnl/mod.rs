//! The synchronous rtnetlink connection: what a handle uses for its own links, and what a daemon needs beside a team.

mod changes;
mod link;
mod record;

use netlink_packet_route::RouteNetlinkMessage;

pub(crate) use self::changes::Step;
pub use self::changes::{LinkSettings, NewLink};
pub(crate) use self::link::LinkPart;
pub use self::record::LinkRecord;
use crate::connection::{Dump, NetlinkConnection};
use crate::error::Result;

/// A synchronous connection for links, addresses, routes, neighbours and whatever else rtnetlink knows.
///
/// It has one socket, in the network namespace where it was opened, wherever its user goes. Messages are those of
/// [`netlink_packet_route`]. See [`NetlinkConnection`] for what holds for each request.
///
/// # Examples
///
/// ```
/// use libteam::RtnlSocket;
///
/// # enter_namespace();
/// let mut rtnl = RtnlSocket::new()?;
/// # drop(rtnl);
/// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
/// # Ok::<(), libteam::Error>(())
/// ```
///
/// # Source
///
/// rtnetlink(7).
#[derive(Debug)]
pub struct RtnlSocket {
    connection: NetlinkConnection,
}

impl RtnlSocket {
    pub(crate) fn over(connection: NetlinkConnection) -> Self {
        Self { connection }
    }

    /// Sends one request, waits for its acknowledgement, and returns the messages that came before it.
    ///
    /// `flags` are added to `NLM_F_REQUEST` and `NLM_F_ACK`. Nothing of the request is changed.
    ///
    /// # Errors
    ///
    /// As [`NetlinkConnection::request`].
    pub fn request(&mut self, request: RouteNetlinkMessage, flags: u16) -> Result<Vec<RouteNetlinkMessage>> {
        self.connection.request(request, flags)
    }

    /// Asks for any dump. The kernel checks the request strictly where it can (`NETLINK_GET_STRICT_CHK`): what it would
    /// not filter by, it refuses.
    ///
    /// # Errors
    ///
    /// As [`NetlinkConnection::dump`].
    pub fn dump(&mut self, request: RouteNetlinkMessage) -> Result<Dump<RouteNetlinkMessage>> {
        self.connection.dump(request)
    }
}
