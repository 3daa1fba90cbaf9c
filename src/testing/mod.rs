//! What only tests and fuzz targets use.

#[cfg(any(test, feature = "testing"))]
pub(crate) mod bytes;
#[cfg(test)]
pub(crate) mod faults;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod kernel;
#[cfg(test)]
pub(crate) mod log_record;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod messages;
#[cfg(test)]
pub(crate) mod script;
