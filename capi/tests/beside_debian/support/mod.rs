//! What the tests of several topics use.

pub(crate) mod compare;
pub(crate) mod library;
pub(crate) mod namespace;
pub(crate) mod process;
pub(crate) mod teamd;
pub(crate) mod wait;
