//! Control Linux team devices: ports, options, link state, and every change as it comes.
//!
//! The Linux *team* driver joins several network ports into one device. This crate opens or creates
//! such a device, commands it over netlink, and follows its ports, its options and their links
//! without ever losing or inventing a change. It is the successor of the C library libteam.
//!
//! [`TeamHandle`] controls one team; the root of the crate has what its users need. The modules are
//! for the rest of a daemon's work:
//!
//! - [`rtnl`]: links, addresses, routes and more by rtnetlink ([`rtnl::RtnlSocket`]);
//! - [`link_events`]: the link notifications of a network namespace as an iterator;
//! - [`netlink`]: requests of any netlink protocol ([`netlink::NetlinkConnection`]);
//! - [`bpf`]: the hash of a load-balancing team ([`bpf::BpfProgram`], [`bpf::HashFields`]).
//!
//! The [`guide`] explains the pieces and how they go together, what happens when notifications are
//! lost, what rights it takes, and how to come from the C library. Every function of that is found
//! here by its C name: search the docs for `team_set_active_port`, say.
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
//! - `serde`, off by default: the values ([`Link`], [`Port`], [`TeamOption`], [`Changes`],
//!   [`Mode`], [`HwAddr`] and the others that hold no socket and no message of the kernel) can be
//!   serialised and deserialised. A value that could not be had otherwise is refused: a hardware
//!   address that is too long, a BPF program that the kernel would not take. A later version may
//!   add fields; so keep what is written for good in types of your own.
//! - `testing`, off by default and **unstable** (it may change in any release): the module
#![cfg_attr(feature = "testing", doc = "  [`testing`] has")]
#![cfg_attr(not(feature = "testing"), doc = "  `testing` has")]
//!   a model of the kernel, on which a program's own tests drive a [`TeamHandle`] without root and
//!   without the team driver. See [`guide::testing`].

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

/// The README's first program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
