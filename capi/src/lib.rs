//! The C ABI of `libteam.so.5` on the crate [`libteam`].
//!
//! Three rooms, each of which uses only those above it:
//!
//! - `store`: the links, ports and options that a C program sees, with stable addresses;
//! - `calls`: which handler calls a batch of changes makes, and what the store holds at each;
//! - `ffi`: the exported functions, the only place with `unsafe`.

mod batch;
mod calls;
mod errno;
mod ffi;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod parse;
mod store;
mod text;

/// Runs inside each export, under the guard that catches panics. The test of that guard has its own
/// one, which panics.
fn before_export(_name: &'static str) {}
