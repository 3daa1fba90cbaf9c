//! The typed commands of a handle: ports, mode, active port, and what each port can be told.

mod answers;
mod balance;
mod links;
mod membership;
mod options;
mod peers;
mod ports;
mod team;
