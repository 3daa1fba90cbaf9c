//! Everything that touches a socket or a byte.

pub(crate) mod buffer;
pub(crate) mod codec;
pub(crate) mod connection;
mod deadline;
pub(crate) mod events;
pub(crate) mod failure;
pub(crate) mod filter;
pub(crate) mod namespace;
pub(crate) mod readiness;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod transport;
