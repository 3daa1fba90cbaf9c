//! What only tests and fuzz targets use.

#[cfg(test)]
pub(crate) mod faults;
pub mod fuzz;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
pub(crate) mod log_record;
#[cfg(test)]
pub(crate) mod messages;
#[cfg(test)]
pub(crate) mod script;
