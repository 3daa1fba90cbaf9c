//! Tests on the real driver. `cargo test` starts them through `tests/kernel/run`, which brings the kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod difference;
mod driver;
mod forger;
mod links_heard;
mod monitor;
mod netns;
#[path = "../packets/mod.rs"]
mod packets;
mod raw;
mod rtnl_scene;
mod tool;
mod tracked;
mod truth;
mod watch;
mod wire;
mod xfrm;

mod balance;
mod bpf_check;
mod bridge;
mod conntrack;
mod conntrack_usage;
mod environment;
mod examples;
mod forgery;
mod gone;
mod handlers;
mod ipsec;
mod kernel;
mod life;
mod link_events;
mod link_scope;
mod many_options;
mod namespaces;
mod neighbours;
mod option_errors;
mod options;
mod original_hwaddr;
mod overrun;
mod ports;
mod protocols;
mod readiness;
mod reborn;
mod resources;
mod rtnl_addresses;
mod rtnl_changes;
mod rtnl_errors;
mod rtnl_leaks;
mod rtnl_link_events;
mod rtnl_link_events_lost;
mod rtnl_links;
mod rtnl_missing;
mod rtnl_neighbours;
mod rtnl_routes;
mod rtnl_rules;
mod rtnl_storm;
mod rtnl_traffic;
mod storm;
mod teamnl;
mod teamnl_monitor;
mod teamnl_usage;
mod two_libraries;
mod unheard;
mod vlans;
