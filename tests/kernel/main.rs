//! Tests on the real driver. `cargo test` starts them through `tests/kernel/run`, which brings the kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod difference;
mod links_heard;
mod monitor;
mod netns;
#[path = "../packets/mod.rs"]
mod packets;
mod raw;
mod tool;
mod truth;
mod watch;
mod wire;

mod balance;
mod bpf_check;
mod bridge;
mod environment;
mod examples;
mod gone;
mod handlers;
mod kernel;
mod life;
mod link_events;
mod many_options;
mod neighbours;
mod option_errors;
mod options;
mod original_hwaddr;
mod overrun;
mod ports;
mod readiness;
mod reborn;
mod rtnl_link_events;
mod rtnl_link_events_lost;
mod teamnl;
mod teamnl_monitor;
mod teamnl_usage;
mod two_libraries;
mod unheard;
mod vlans;
mod writers;
