//! Tests on the real driver. `cargo test` starts them through `tests/kernel/run`, which brings the kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod netns;
mod truth;

mod life;
