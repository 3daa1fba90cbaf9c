//! Helpers for the tests of several topics.

pub(crate) mod changes;
pub(crate) mod conntrack_cli;
pub(crate) mod daemon;
pub(crate) mod diff;
pub(crate) mod directory;
pub(crate) mod features;
pub(crate) mod frames;
pub(crate) mod genl_family;
pub(crate) mod link_replica;
pub(crate) mod monitor;
pub(crate) mod neighbourhood;
pub(crate) mod netns;
#[path = "../../packets/mod.rs"]
pub(crate) mod packets;
pub(crate) mod programs;
pub(crate) mod raw;
pub(crate) mod rtnl_scene;
pub(crate) mod snapshot;
pub(crate) mod spoof;
pub(crate) mod terminal;
pub(crate) mod timeouts;
pub(crate) mod xfrm;
