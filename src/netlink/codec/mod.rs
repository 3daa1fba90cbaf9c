//! Bytes to plain structs and back. Nothing here panics, whatever the bytes are.
//!
//! Replies and events are walked in place: a full parse of a link message costs tens of times more
//! than the few attributes that the cache holds, and fails on attributes that a newer kernel shapes
//! differently.

pub(crate) mod attribute;
pub(crate) mod ctrl;
pub(crate) mod frame;
pub(crate) mod genl;
pub(crate) mod link;
pub(crate) mod packet;
pub(crate) mod team;
