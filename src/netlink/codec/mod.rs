//! Decodes messages into plain structs and encodes requests; no input makes this code panic.
//!
//! Replies and events are decoded in place, and only the attributes that the cache keeps. A full
//! parse of a link message costs tens of times more, and fails if a newer kernel changed the format
//! of any attribute.

pub(crate) mod attribute;
pub(crate) mod ctrl;
pub(crate) mod frame;
pub(crate) mod genl;
pub(crate) mod link;
pub(crate) mod packet;
pub(crate) mod team;
