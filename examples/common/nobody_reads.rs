//! How a program ends that wrote where nobody read.

/// What a shell says of it: 128 and the number of the signal SIGPIPE.
pub(crate) const NOBODY_READS: u8 = 141;
