//! The user guide, one page for each subject.
//!
//! | question | page |
//! |---|---|
//! | What are a team, a port, a link, an option and a mode? | [`concepts`] |
//! | What are the pieces of a handle, and what does each call cost? | [`life_of_a_handle`] |
//! | Where do [`Changes`](crate::Changes) come from? | [`life_of_a_handle`: following](life_of_a_handle#following) |
//! | How long can a command take? | [`life_of_a_handle`: commanding](life_of_a_handle#commanding) |
//! | What happens when another process deletes the team? | [`life_of_a_handle`: a deleted device](life_of_a_handle#a-deleted-device) |
//! | What does the handle do when the kernel drops notifications? | [`lost_notifications`] |
//! | How does a handle work with `poll`, mio, tokio or calloop? | [`event_loops`] |
//! | How do several threads use one handle? | [`event_loops`: threads](event_loops#threads) |
//! | Which rights does a program need, in a container too? | [`permissions`] |
//! | What surprises users of the team driver? | [`gotchas`] |
//! | How does a program list or change links, addresses and routes? | [`rtnetlink`] |
//! | How does a program use another netlink protocol? | [`netlink_protocols`] |
//! | How does a program test itself, with and without a kernel? | [`testing`] |
//! | Which architectures, compilers and kernels are supported? | [`platforms`] |
//! | How does a program move from the C library to this crate? | [`migrating_from_c`] |
//! | Which item replaces a given C function? | [`c_functions`] |
//!
//! The crate's tests compile and run the examples of the guide on a kernel with the team driver.
//! Lines that only prepare an example, such as entering a network namespace, are hidden.

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

#[doc = include_str!("rtnetlink.md")]
pub mod rtnetlink {}

#[doc = include_str!("netlink_protocols.md")]
pub mod netlink_protocols {}

#[doc = include_str!("testing.md")]
#[cfg_attr(feature = "testing", doc = include_str!("testing_model.md"))]
pub mod testing {}

#[doc = include_str!("platforms.md")]
pub mod platforms {}

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

#[doc = include_str!("c_functions.md")]
pub mod c_functions {}
