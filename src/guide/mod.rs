//! The guide: what the pieces are, how a handle lives, and what to know before it is put into a
//! daemon.
//!
//! | page | what it answers |
//! |---|---|
//! | [`concepts`] | What is a team, a port, a link, an option, a mode? |
//! | [`life_of_a_handle`] | What happens from opening a handle to dropping it? |
//! | [`lost_notifications`] | What if the kernel tells more than the program reads? |
//! | [`event_loops`] | How do handles go with threads, `poll`, `mio`, `tokio` and others? |
//! | [`permissions`] | What may root in a container do, and what not? |
//! | [`testing`] | How does a program test its own decisions, without root? |
//! | [`migrating_from_c`] | How does a program for the C library look here? |
//! | [`gotchas`] | What surprises people? |
//!
//! The guide's examples are run by the crate's tests, on a kernel with the team driver. In those
//! that start with nothing, lines that only set the stage (a network namespace of their own, links
//! to play with) are not shown.

#[doc = include_str!("concepts.md")]
pub mod concepts {}

#[doc = include_str!("life_of_a_handle.md")]
pub mod life_of_a_handle {}

#[doc = include_str!("lost_notifications.md")]
pub mod lost_notifications {}

#[doc = include_str!("event_loops.md")]
pub mod event_loops {}

#[doc = include_str!("permissions.md")]
pub mod permissions {}

#[cfg_attr(feature = "testing", doc = include_str!("testing.md"))]
#[cfg_attr(not(feature = "testing"), doc = "This page is written for the feature `testing`.")]
pub mod testing {}

#[doc = include_str!("migrating_from_c.md")]
#[doc = "```rust,no_run"]
#[doc = include_str!("../../examples/watch_ports/watch.rs")]
#[doc = "```"]
#[doc = "```c"]
#[doc = include_str!("watch_ports.c")]
#[doc = "```"]
pub mod migrating_from_c {}

#[doc = include_str!("gotchas.md")]
pub mod gotchas {}
