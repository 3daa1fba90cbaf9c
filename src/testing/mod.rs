//! A model of the kernel, for a program's own tests. **Unstable**: it may change in any release.
//!
//! With the feature `testing` a program's tests drive a [`TeamHandle`](crate::TeamHandle) without
//! root and without the team driver: [`TestKernel`] opens one on a model, adds and removes links,
//! flips carriers, loses notifications and refuses requests.
//! [`guide::testing`](crate::guide::testing) shows how. Programs depend on the feature in
//! `[dev-dependencies]` only.

#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what is put together here is short enough"
)]
pub(crate) mod bytes;
#[cfg(test)]
pub(crate) mod digest;
#[cfg(test)]
mod exhaustive;
#[cfg(test)]
pub(crate) mod faults;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(not(test), expect(dead_code, reason = "only the property tests cause some faults"))]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a mistake in the model has to end the test that uses it"
)]
pub(crate) mod kernel;
#[cfg(test)]
pub(crate) mod log_record;
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::indexing_slicing, reason = "the lengths are those of the kernel's structures")]
pub(crate) mod messages;
#[cfg(test)]
pub(crate) mod script;
#[cfg(any(test, feature = "testing"))]
mod test_kernel;

#[cfg(any(test, feature = "testing"))]
pub use self::test_kernel::TestKernel;
