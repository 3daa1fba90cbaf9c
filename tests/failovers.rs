//! Measured alone: no other test of this program runs beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(dead_code, reason = "it uses little of what the kernel tests share")]

#[path = "kernel/announcing.rs"]
mod announcing;
#[path = "kernel/daemon.rs"]
mod daemon;
#[path = "kernel/difference.rs"]
mod difference;
#[path = "kernel/directory.rs"]
mod directory;
#[path = "kernel/effort.rs"]
mod effort;
#[path = "kernel/failovers.rs"]
mod failovers;
#[path = "kernel/kernel.rs"]
mod kernel;
#[path = "kernel/netns.rs"]
mod netns;
mod packets;
#[path = "kernel/raw.rs"]
mod raw;
#[path = "kernel/tool.rs"]
mod tool;
#[path = "kernel/truth.rs"]
mod truth;
#[path = "kernel/watch.rs"]
mod watch;
#[path = "kernel/wire.rs"]
mod wire;
