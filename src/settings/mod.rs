//! The typed commands of a handle: ports, mode, active port, and what each port can be told.

mod answers;
mod balance;
mod links;
mod options;
mod ports;
mod team;
