//! Sockets and bytes: everything that the library sends to the kernel or receives from it.

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
