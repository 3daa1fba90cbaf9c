//! Controls Linux team devices: their ports, options and link state, and reports every change.
//!
//! The Linux *team* driver combines several network ports into one device. This crate opens or
//! creates such a device, configures it over netlink, and tracks its ports, options and links
//! without losing or inventing a change. It replaces the C library libteam.
//!
//! [`TeamHandle`] controls one team. The root of the crate has everything that users of a team
//! need. The modules are for other tasks of a network daemon:
//!
//! - [`rtnl`]: links, addresses, routes and more over rtnetlink ([`rtnl::RtnlSocket`]);
//! - [`link_events`]: the link notifications of a network namespace as an iterator;
//! - [`netlink`]: requests of any netlink protocol ([`netlink::NetlinkConnection`]);
//! - [`bpf`]: the hash programs of a load-balancing team ([`bpf::BpfProgram`],
//!   [`bpf::HashFields`]).
//!
//! The [`guide`] explains the concepts, lost notifications, the required permissions, and the
//! migration from the C library. A search of these docs for the name of a C function, e.g.
//! `team_set_active_port`, finds the item that replaces it.
//!
//! ```
//! use libteam::{ChangeKind, Mode, TeamHandle};
//!
//! # test_netns::enter();
//! let mut team = TeamHandle::create("team0")?;
//! team.set_mode(Mode::ActiveBackup)?;
//!
//! team.add_handler(ChangeKind::PORT | ChangeKind::LINK, |_team, changes| {
//!     for port in changes.ports() {
//!         println!("{port}");
//!     }
//!     Ok(())
//! });
//!
//! while team.wait(Some(std::time::Duration::from_millis(10)))? {
//!     team.handle_events()?;
//! }
//! team.destroy()?;
//! # Ok::<(), libteam::Error>(())
//! ```
//!
//! # Features
//!
//! - `serde`, off by default: values can be serialized and deserialized, e.g. [`Link`], [`Port`],
//!   [`TeamOption`], [`Changes`], [`Mode`] and [`HwAddr`], but not types that contain a socket or a
//!   message of the kernel. Deserialization rejects values that this crate could not have returned,
//!   e.g. a hardware address that is too long, or a BPF program that the kernel would reject. A
//!   later version may add fields, so store permanent data in types of your own.
//! - `testing`, off by default and **unstable** (it may change in any release): the module
#![cfg_attr(feature = "testing", doc = "  [`testing`] has")]
#![cfg_attr(not(feature = "testing"), doc = "  `testing` has")]
//!   a model of the kernel. With it, tests of a program can use a [`TeamHandle`] without root
//!   privileges and without the team driver. See [`guide::testing`].

pub mod bpf;
mod cache;
mod changes;
mod error;
pub mod guide;
pub mod link_events;
#[doc(alias = "team_set_log_fn")]
#[doc(alias = "team_get_log_priority")]
#[doc(alias = "team_set_log_priority")]
pub mod log_target;
mod model;
pub mod netlink;
pub mod rtnl;
mod team;
#[cfg(any(test, fuzzing, feature = "testing"))]
pub mod testing;

pub use cache::iter::{Links, Options, Ports};
pub use changes::{Change, ChangeKind, Changes, LinkChange};
pub use error::{BoxError, DecodeError, Error, ErrorKind, Result};
pub use model::handle_statistics::HandleStatistics;
pub use model::hwaddr::{HwAddr, ParseHwAddrError};
pub use model::ifindex::{IfIndex, InvalidIfIndex};
pub use model::link::{Link, LinkFlags, OperState};
pub use model::link_scope::LinkScope;
pub use model::mode::{Mode, ParseModeError};
pub use model::option::{OptionId, TeamOption};
pub use model::option_value::OptionValue;
pub use model::option_value::{OptionType, ParseOptionError};
pub use model::port::{Duplex, Port};
pub use model::receive_buffers::ReceiveBuffers;
pub use model::tx_method::{ParseTxMethodError, TxMethod};
pub use rtnl::link::LinkSettings;
pub use team::TeamHandle;
pub use team::announce::{AnnounceOptions, AnnounceReport};
pub use team::builder::TeamBuilder;
pub use team::handlers::HandlerId;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
