//! The exported functions: `team.h`, function by function.
//!
//! A C program passes the pointers that `team.h` says, or NULL where a C library would crash; the
//! types in [`pointers`] stand for them. Every export catches panics.
#![allow(unsafe_code, reason = "the C ABI: each block says why it is sound")]

mod change_handlers;
mod guard;
mod handle;
mod life;
mod links;
mod log;
mod option_values;
mod options;
mod pointers;
mod ports;
mod readiness;
mod strings;
