//! Requests of any netlink protocol.
//!
//! [`NetlinkConnection`] sends requests and dumps, and reads their replies. Messages are of any
//! type that implements the traits of [`netlink_packet_core`]. [`SocketBuilder`] opens such a
//! connection, and the sockets of [`crate::rtnl`] and [`crate::link_events`], with other settings
//! or in another network namespace. For rtnetlink, [`crate::rtnl`] is more convenient.
// The room has the sockets, the socket filters and the codec for all rooms above it. It uses `bpf`,
// `model` and `error`.

pub(crate) mod buffer;
pub(crate) mod builder;
pub(crate) mod codec;
pub(crate) mod connection;
mod deadline;
pub(crate) mod dump;
pub(crate) mod error;
pub(crate) mod filter;
pub(crate) mod ifname;
pub(crate) mod multicast;
pub(crate) mod netns;
pub(crate) mod protocol;
pub(crate) mod ready_fd;
pub(crate) mod request;
pub(crate) mod socket;

pub use netlink_packet_core;

pub use self::builder::SocketBuilder;
pub use self::connection::NetlinkConnection;
pub use self::dump::{Dump, InterruptedDump};
pub use self::protocol::Protocol;
