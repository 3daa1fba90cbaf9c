//! The exported functions by their C names, and what each returns when it fails.

use super::Export;

macro_rules! exports {
    ($($name:ident)+) => {
        unsafe extern "C" {
            $(fn $name(_: usize, _: usize, _: usize, _: usize, _: usize, _: usize) -> usize;)+
        }

        /// All exports.
        pub(crate) const ALL: [(&str, Export); 109] = [$((stringify!($name), $name as Export)),+];
    };
}

exports! {
    team_alloc
    team_call_eventfd_handler
    team_carrier_get
    team_carrier_set
    team_change_handler_register
    team_change_handler_register_head
    team_change_handler_unregister
    team_check_events
    team_create
    team_destroy
    team_free
    team_get_active_port
    team_get_bpf_hash_func
    team_get_event_fd
    team_get_eventfd_fd
    team_get_ifinfo
    team_get_ifinfo_admin_state
    team_get_ifinfo_hwaddr
    team_get_ifinfo_hwaddr_len
    team_get_ifinfo_ifindex
    team_get_ifinfo_ifname
    team_get_ifinfo_master_ifindex
    team_get_ifinfo_orig_hwaddr
    team_get_ifinfo_orig_hwaddr_len
    team_get_ifinfo_phys_port_id
    team_get_ifinfo_phys_port_id_len
    team_get_ifinfo_port
    team_get_log_priority
    team_get_mcast_rejoin_count
    team_get_mcast_rejoin_interval
    team_get_mode_name
    team_get_next_eventfd
    team_get_next_ifinfo
    team_get_next_option
    team_get_next_port
    team_get_notify_peers_count
    team_get_notify_peers_interval
    team_get_option
    team_get_option_array_index
    team_get_option_name
    team_get_option_port_ifindex
    team_get_option_type
    team_get_option_value_binary
    team_get_option_value_bool
    team_get_option_value_len
    team_get_option_value_s32
    team_get_option_value_string
    team_get_option_value_u32
    team_get_port_duplex
    team_get_port_enabled
    team_get_port_ifindex
    team_get_port_ifinfo
    team_get_port_priority
    team_get_port_speed
    team_get_port_user_linkup
    team_handle_events
    team_hwaddr_get
    team_hwaddr_len_get
    team_hwaddr_set
    team_ifindex2ifname
    team_ifinfo_str
    team_ifname2ifindex
    team_init
    team_is_ifinfo_admin_state_changed
    team_is_ifinfo_changed
    team_is_ifinfo_hwaddr_changed
    team_is_ifinfo_hwaddr_len_changed
    team_is_ifinfo_ifname_changed
    team_is_ifinfo_master_ifindex_changed
    team_is_ifinfo_phys_port_id_changed
    team_is_ifinfo_phys_port_id_len_changed
    team_is_ifinfo_removed
    team_is_option_array
    team_is_option_changed
    team_is_option_changed_locally
    team_is_option_initialized
    team_is_option_per_port
    team_is_our_port
    team_is_port_changed
    team_is_port_link_up
    team_is_port_present
    team_is_port_removed
    team_option_str
    team_option_value_str
    team_port_add
    team_port_remove
    team_port_str
    team_recreate
    team_refresh
    team_set_active_port
    team_set_bpf_hash_func
    team_set_log_fn
    team_set_log_priority
    team_set_mcast_rejoin_count
    team_set_mcast_rejoin_interval
    team_set_mode_name
    team_set_notify_peers_count
    team_set_notify_peers_interval
    team_set_option_value_binary
    team_set_option_value_bool
    team_set_option_value_from_string
    team_set_option_value_s32
    team_set_option_value_string
    team_set_option_value_u32
    team_set_port_enabled
    team_set_port_priority
    team_set_port_queue_id
    team_set_port_user_linkup
    team_set_port_user_linkup_enabled
}

pub(crate) fn find(name: &str) -> Export {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function).expect("an export")
}

/// Whether the first argument of a function is not a handle: it has none, or an object of the store.
pub(crate) fn without_handle(name: &str) -> bool {
    const OBJECTS: [&str; 4] =
        ["team_get_port_", "team_get_ifinfo_", "team_get_option_", "team_is_"];
    // Like the others by their names, but of a handle.
    const OF_HANDLE: [&str; 6] = [
        "team_get_port_enabled",
        "team_get_port_user_linkup",
        "team_get_port_priority",
        "team_is_our_port",
        "team_is_port_present",
        "team_get_ifinfo",
    ];
    const OTHERS: [&str; 4] =
        ["team_alloc", "team_option_value_str", "team_port_str", "team_ifinfo_str"];
    OTHERS.contains(&name)
        || OBJECTS.iter().any(|prefix| name.starts_with(prefix)) && !OF_HANDLE.contains(&name)
}

/// What a function returns when it fails.
pub(crate) struct Failure {
    pub(crate) value: usize,
    bits: u32,
}

impl Failure {
    /// The part of a register that is the result.
    pub(crate) fn of(&self, register: usize) -> usize {
        register & (usize::MAX >> (usize::BITS - self.bits))
    }
}

/// `None` for a function that returns nothing.
pub(crate) fn result_of_failure(name: &str) -> Option<Failure> {
    const EINVAL: u32 = 22;
    let header = include_str!("../../include/team.h");
    let start = header.find(&format!("{name}(")).expect("it is declared");
    let line = header[..start].rsplit('\n').next().unwrap_or_default();
    let (value, bits) = match line.trim() {
        "void" => return None,
        "int" if name == "team_get_log_priority" => (0, 32),
        "int" => (usize::try_from(0_u32.wrapping_sub(EINVAL)).unwrap(), 32),
        "bool" if name.ends_with("_str") => (1, 8),
        "bool" | "uint8_t" => (0, 8),
        "uint32_t" | "int32_t" | "unsigned int" | "enum team_option_type" => (0, 32),
        "size_t" => (0, usize::BITS),
        pointer if pointer.ends_with('*') => (0, usize::BITS),
        other => panic!("unknown result type {other:?} of {name}"),
    };
    Some(Failure { value, bits })
}
