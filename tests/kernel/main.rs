//! Tests on the real team driver. `cargo test` starts them through `tests/kernel/run`, which
//! provides the kernel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

mod active_backup;
mod active_backup_config;
mod active_backup_failures;
mod active_backup_hung;
mod active_backup_links;
mod active_backup_program;
mod active_backup_refusals;
mod announce;
mod balance;
mod batches;
mod bpf_check;
mod bridge;
mod byte_names;
mod command_lines;
mod conntrack;
mod conntrack_usage;
mod debug_output;
mod deleted_device;
mod driver_announcements;
mod environment;
mod examples;
mod filter_memory;
mod first_program;
mod handler_batches;
mod handler_panics;
mod handlers;
mod idempotence;
mod index_reuse;
mod ipsec;
mod kernel_model;
mod life;
mod link_events;
mod link_scope;
mod live_monitor;
mod long_bpf_program;
mod lost_ack;
mod many_names;
mod many_options;
mod migrating;
mod namespaces;
mod option_errors;
mod options;
mod original_hwaddr;
mod overrun;
mod permissions;
mod ports;
mod protocols;
mod readiness;
mod resources;
mod rtnl_addresses;
mod rtnl_changes;
mod rtnl_errors;
mod rtnl_leaks;
mod rtnl_link_events;
mod rtnl_link_events_lost;
mod rtnl_links;
mod rtnl_missing;
mod rtnl_moves;
mod rtnl_neighbours;
mod rtnl_routes;
mod rtnl_rules;
mod rtnl_stress;
mod rtnl_traffic;
mod screenshot;
mod spoofing;
mod stress;
mod team_link;
mod teamnl;
mod teamnl_monitor;
mod teamnl_usage;
mod two_libraries;
mod two_teams;
mod unannounced_changes;
mod vlans;
