//! The exit status after writing to a closed pipe.

/// The status that a shell reports for SIGPIPE: 128 and the number of the signal.
pub(crate) const CLOSED_OUTPUT: u8 = 141;
