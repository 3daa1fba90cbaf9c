//! Getters and setters of the options that have functions of their own.

use std::ffi::{c_char, c_int};

use libteam::OptionValue;

use super::guard::{FAILED, export};
use super::handle::code;
use super::options::{get_named, set_named, text_value};
use super::pointers::{Out, Program, SOCK_FILTER_SIZE, SockFprog, Text, Th};
use crate::store::Opt;

/// Reads an option into a result.
fn get<T>(
    th: Th,
    name: &'static str,
    port: Option<u32>,
    result: &Out<T>,
    value: impl FnOnce(&Opt) -> T,
) -> c_int {
    code(get_named(th, name, port).map(|option| result.set(value(&option))))
}

/// Sets an option.
fn set(
    th: Th,
    origin: &str,
    name: &'static str,
    port: Option<u32>,
    value: impl Into<OptionValue>,
) -> c_int {
    code(set_named(th, origin, name, port, &value.into()))
}

/// Defines the functions of options whose value is a number or a bool: the function, the option, and
/// for an option of a port the word `port`.
macro_rules! values {
    ($($(#[$doc:meta])* fn $name:ident = get $option:literal as $type:ty, $get:expr;)+) => {
        $(export! {
            $(#[$doc])*
            fn $name(th: Th, result: Out<$type>) -> c_int, FAILED, {
                get(th, $option, None, &result, $get)
            }
        })+
    };
    ($($(#[$doc:meta])* fn $name:ident = set $option:literal as $type:ty;)+) => {
        $(export! {
            $(#[$doc])*
            fn $name(th: Th, value: $type) -> c_int, FAILED, {
                set(th, stringify!($name), $option, None, value)
            }
        })+
    };
    ($($(#[$doc:meta])* fn $name:ident = get port $option:literal as $type:ty, $get:expr;)+) => {
        $(export! {
            $(#[$doc])*
            fn $name(th: Th, port: u32, result: Out<$type>) -> c_int, FAILED, {
                get(th, $option, Some(port), &result, $get)
            }
        })+
    };
    ($($(#[$doc:meta])* fn $name:ident = set port $option:literal as $type:ty;)+) => {
        $(export! {
            $(#[$doc])*
            fn $name(th: Th, port: u32, value: $type) -> c_int, FAILED, {
                set(th, stringify!($name), $option, Some(port), value)
            }
        })+
    };
}

export! {
    /// Returns the team's mode, until its next change.
    fn team_get_mode_name(th: Th, name: Out<*mut c_char>) -> c_int, FAILED, {
        get(th, "mode", None, &name, |option| option.data_ptr().cast())
    }
}

export! {
    /// Sets the team's mode.
    fn team_set_mode_name(th: Th, name: Text) -> c_int, FAILED, {
        let set = |value| set_named(th, "team_set_mode_name", "mode", None, &value);
        code(text_value(name).and_then(set))
    }
}

values! {
    /// Returns how often the kernel announces the team to its neighbours.
    fn team_get_notify_peers_count = get "notify_peers_count" as u32, Opt::number;
    /// Returns the milliseconds between these announcements.
    fn team_get_notify_peers_interval = get "notify_peers_interval" as u32, Opt::number;
    /// Returns how often the kernel joins the team's multicast groups again.
    fn team_get_mcast_rejoin_count = get "mcast_rejoin_count" as u32, Opt::number;
    /// Returns the milliseconds between these.
    fn team_get_mcast_rejoin_interval = get "mcast_rejoin_interval" as u32, Opt::number;
    /// Returns the index of the active port, or 0.
    fn team_get_active_port = get "activeport" as u32, Opt::number;
}

values! {
    /// Sets how often the kernel announces the team to its neighbours.
    fn team_set_notify_peers_count = set "notify_peers_count" as u32;
    /// Sets the milliseconds between these announcements.
    fn team_set_notify_peers_interval = set "notify_peers_interval" as u32;
    /// Sets how often the kernel joins the team's multicast groups again.
    fn team_set_mcast_rejoin_count = set "mcast_rejoin_count" as u32;
    /// Sets the milliseconds between these.
    fn team_set_mcast_rejoin_interval = set "mcast_rejoin_interval" as u32;
    /// Sets the active port.
    fn team_set_active_port = set "activeport" as u32;
}

values! {
    /// Returns whether a port takes part.
    fn team_get_port_enabled = get port "enabled" as bool, Opt::is_on;
    /// Returns the link state that was set by hand.
    fn team_get_port_user_linkup = get port "user_linkup" as bool, Opt::is_on;
    /// Returns the priority of a port.
    fn team_get_port_priority = get port "priority" as i32, Opt::signed_number;
}

values! {
    /// Lets a port take part, or not.
    fn team_set_port_enabled = set port "enabled" as bool;
    /// Sets the link state of a port by hand.
    fn team_set_port_user_linkup = set port "user_linkup" as bool;
    /// Chooses the link state that was set by hand, or the kernel's.
    fn team_set_port_user_linkup_enabled = set port "user_linkup_enabled" as bool;
    /// Gives a port a transmit queue of the team.
    fn team_set_port_queue_id = set port "queue_id" as u32;
    /// Sets the priority of a port.
    fn team_set_port_priority = set port "priority" as i32;
}

export! {
    /// Returns the program that hashes packets; its instructions stay until its next change.
    fn team_get_bpf_hash_func(th: Th, program: Out<SockFprog>) -> c_int, FAILED, {
        get(th, "bpf_hash_func", None, &program, |option| {
            let count = u16::try_from(option.data_len() / SOCK_FILTER_SIZE).unwrap_or(u16::MAX);
            SockFprog::new(count, option.data_ptr().cast())
        })
    }
}

export! {
    /// Sets the program that hashes packets.
    fn team_set_bpf_hash_func(th: Th, program: Program) -> c_int, FAILED, {
        set(th, "team_set_bpf_hash_func", "bpf_hash_func", None, program.copy())
    }
}
