//! The log targets of this crate, by which a logger can filter messages.
//!
//! In normal operation, the crate logs nothing at the levels `error`, `warn` and `info`. All
//! targets begin with `libteam`. Warnings about a team start with its name.
//!
//! Any logger of the `log` crate receives the messages, and its filter replaces the log priority of
//! the C library.
//!
//! ```
//! use log::{Log, Metadata, Record};
//!
//! /// Prints messages about lost notifications only.
//! struct ResyncLogger;
//!
//! impl Log for ResyncLogger {
//!     fn enabled(&self, metadata: &Metadata<'_>) -> bool {
//!         metadata.target() == libteam::log_target::RESYNC
//!     }
//!
//!     fn log(&self, record: &Record<'_>) {
//!         if self.enabled(record.metadata()) {
//!             eprintln!("{}: {}", record.level(), record.args());
//!         }
//!     }
//!
//!     fn flush(&self) {}
//! }
//!
//! log::set_logger(&ResyncLogger)?;
//! log::set_max_level(log::LevelFilter::Warn);
//! # Ok::<(), log::SetLoggerError>(())
//! ```

/// The target for lost notifications, resyncs and incomplete lists.
pub const RESYNC: &str = "libteam::resync";

/// The target for event sockets (invalid events, filters, receive buffers) and change handlers.
///
/// A handler's error is logged if no call returns it.
pub const EVENTS: &str = "libteam::events";

/// The target for commands, dumps and their replies, including interrupted dumps.
pub const COMMAND: &str = "libteam::command";
