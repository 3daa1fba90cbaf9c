//! The targets of what this crate logs, to filter by with the logger of your choice.
//!
//! Nothing is logged in normal work at the levels `error`, `warn` and `info`. All targets begin
//! with `libteam`.
//!
//! In place of the C library's own log function and priority: any logger of the `log` crate takes
//! the messages, and its filter takes the place of the priority.
//!
//! ```
//! use log::{Log, Metadata, Record};
//!
//! /// Prints what is said of lost notifications, and nothing else.
//! struct Losses;
//!
//! impl Log for Losses {
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
//! log::set_logger(&Losses)?;
//! log::set_max_level(log::LevelFilter::Warn);
//! # Ok::<(), log::SetLoggerError>(())
//! ```

/// Lost notifications and interrupted dumps, and what is done about them.
pub const RESYNC: &str = "libteam::resync";

/// Events that are not believed or cannot be read, and errors of change handlers that no call
/// returns.
pub const EVENTS: &str = "libteam::events";

/// Commands, dumps, and their answers.
pub const COMMAND: &str = "libteam::command";
