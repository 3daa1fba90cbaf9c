//! What can be done to links and addresses.

mod address;
mod create;
mod new_link;
mod set;
mod settings;
mod step;

pub use self::new_link::NewLink;
pub use self::settings::LinkSettings;
pub(crate) use self::step::{Snapshot, Step};

#[cfg(test)]
mod tests;
