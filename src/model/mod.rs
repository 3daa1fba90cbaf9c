//! The public value types: links, ports, options, modes, addresses, statistics.
//!
//! Nothing here does I/O or handles bytes of a message. The room uses only `bpf`, for a program as
//! the value of an option. All rooms above use it.

pub(crate) mod handle_statistics;
pub(crate) mod hwaddr;
pub(crate) mod ifindex;
pub(crate) mod link;
pub(crate) mod link_scope;
pub(crate) mod mode;
pub(crate) mod name;
pub(crate) mod option;
pub(crate) mod option_value;
pub(crate) mod port;
pub(crate) mod receive_buffers;
#[cfg(feature = "serde")]
mod serde_impls;
pub(crate) mod tx_method;
